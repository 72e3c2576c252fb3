"""What components build: a data set's source of pictures, a metric's measurement, and what either can do besides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL import Image


class ImageSource(Protocol):
    """A built data set: groups of items that are drawn independently of each other.

    Unpaired folders have one group a field; a paired set has one group whose items yield several fields.
    """

    sizes: Mapping[str, int]

    def item(self, group: str, index: int, rng: np.random.Generator | None) -> Mapping[str, torch.Tensor]:
        """Fields of item `index`: uint8 tensors of 0 to 255, which are normalised on the device, or float32 ones in
        [-1, 1]. `rng` drives augmentation; None means none.

        Raises `UnreadableImage` for a picture that cannot be decoded: the engine takes the next one.
        """

    def name(self, group: str, index: int) -> str:
        """What to call the item in messages and file names: usually the file's stem."""


@runtime_checkable
class Locates(Protocol):
    """A built data set that knows where its pictures lie: a run lists them, with the part that each is in."""

    def where(self, group: str, index: int) -> Mapping[str, str]:
        """Field -> where its picture of an item lies; a file's path is absolute. Fields made of others are left out."""


@runtime_checkable
class Narrows(Protocol):
    """A built data set that can leave out batch fields that nobody uses, and the work of making them."""

    def only(self, fields: frozenset[str]) -> ImageSource:
        """The same items with these fields alone, all else equal; other fields may stay where they cost nothing."""


@runtime_checkable
class DrawsAlone(Protocol):
    """A built data set that says whether all that is random in its items comes from the generator they are given.

    Where that is so, the global streams of random numbers need not be seeded for each item, and a thread may read items
    while a training step draws from those streams.
    """

    @property
    def draws_alone(self) -> bool:
        """Whether items draw from nothing but their own generator."""


class BuiltMetric(Protocol):
    """A running measurement. `Expr` fields of one data group arrive together, others in calls of their own."""

    def update(self, **tensors: torch.Tensor) -> None:
        """Take a batch, pictures in [-1, 1]."""

    def compute(self) -> Mapping[str, float]:
        """Named results. The key "" is the headline, shown under the metric's own name."""


@runtime_checkable
class DrawsPicture(Protocol):
    """A built metric that shows what it measured: the run saves the picture beside its numbers."""

    def draw(self) -> Image.Image | None:
        """The picture of what was taken so far, called after `compute`; None where there is nothing to show."""


@runtime_checkable
class Keeps(Protocol):
    """A built metric that need not be given again what does not change: real pictures, say, once their features are
    known."""

    def again(self, kept: frozenset[str]) -> BuiltMetric:
        """An empty measurement that has what this one was given under these keys; they do not arrive again."""


@runtime_checkable
class KnowsProtocol(Protocol):
    """A built metric that knows better than its config how its number is made: which weights it has loaded, say, of a
    file that may have changed since."""

    def protocol(self) -> str:
        """In place of the config's; empty where it does not know."""
