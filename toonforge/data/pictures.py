"""A sequence of pictures, wherever they lie: what every data set of pictures comes down to."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from toonforge.data.transforms import Picture

    Indices = npt.NDArray[np.int64]


class Pictures(Protocol):
    """Pictures by number: files of a folder, halves of files, rows of a table, parts of shards.

    A class that draws nothing at random says so by `draws_alone = True` in its own body; see `draw_alone`.
    """

    def __len__(self) -> int: ...

    def read(self, index: int, short: int | None = None) -> Picture:
        """The picture as (height, width, 3) RGB of uint8.

        Args:
            index: its number.
            short: a short side, in pixels, that is enough: it may come smaller than it is, but not below this. Whole
                when left out.

        Raises:
            UnreadableImage: it cannot be read or decoded.
        """

    def name(self, index: int) -> str:
        """What to call it in messages and files; decides which part of the data it is in."""

    def where(self, index: int) -> str:
        """Where it lies, for messages and lists."""

    def version(self, index: int) -> str:
        """Where it lies and in which state: another text when its file has changed, so that caches notice.

        Raises:
            UnreadableImage: what it lies in cannot be read.
        """

    def only(self, indices: Indices) -> Pictures:
        """Some of the pictures, in this order."""


def draw_alone(thing: object) -> bool:
    """Whether its class itself, not one that it is made from, says `draws_alone = True`: reading draws nothing from the
    global streams of random numbers. A class made from it may draw more, and says so anew where it does not."""
    return vars(type(thing)).get("draws_alone") is True


class Texts(Sequence[str]):
    """Many short texts in one block of memory: 16 bytes beside the letters of each, where a list takes 57 and more.

    Bytes that are no UTF-8, as file names may hold, are kept as they are.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        import numpy as np

        letters, lengths = bytearray(), array("q")
        for text in texts:
            encoded = text.encode("utf-8", "surrogateescape")
            letters += encoded
            lengths.append(len(encoded))
        self._ends = np.cumsum(np.frombuffer(lengths, np.int64))
        self._starts = self._ends - np.frombuffer(lengths, np.int64)
        self._letters = bytes(letters)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> str:  # type: ignore[override]
        return self._letters[self._starts[index] : self._ends[index]].decode("utf-8", "surrogateescape")

    def __iter__(self) -> Iterator[str]:
        return map(self.__getitem__, range(len(self)))

    def only(self, indices: Indices) -> Texts:
        """Some of the texts, in this order. They share this object's memory."""
        some = object.__new__(Texts)
        some._letters, some._starts, some._ends = self._letters, self._starts[indices], self._ends[indices]
        return some
