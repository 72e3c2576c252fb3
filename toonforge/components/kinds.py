"""The kinds of components: what a config of each says of itself, and what it builds.

Torch is imported only inside `build`, so that listing and checking components never load it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar, TypeVar

from toonforge.components.fields import fields_of, tiny
from toonforge.components.protocols import BuiltMetric, ImageSource
from toonforge.deprecation import Deprecation
from toonforge.recipe.expr import Expr, Network

if TYPE_CHECKING:
    import torch
    from torch import nn

T = TypeVar("T")

Shape = tuple[int, ...]
"""One sample's shape without the batch: (channels, height, width) for pictures, () for a number each."""


class Component:
    """Base of every component config. Subclasses add fields with `param` and override what their kind needs.

    A component on its way out says in `deprecated` what to use in its place; of classes derived from it that says
    nothing.
    """

    kind: ClassVar[str] = ""
    deprecated: ClassVar[Deprecation | None] = None

    def tiny(self: T) -> T:
        """The same component, as small as still makes sense: for tests and for trying a recipe."""
        return tiny(self)

    def verify(self) -> None:
        """Raise `ToonforgeError` for what it needs and this machine lacks: packages, weights, pictures.

        It is asked before torch is imported, and imports none of it (`toonforge.extras.need`). A problem's `key` is
        that of the field to blame.
        """


class NetworkComponent(Component):
    """A generator, a discriminator or any other module."""

    def fit(self: T, *inputs: Shape) -> T:
        """This config with what can be inferred from the input shapes (channel counts) filled in."""
        return self

    def shape(self, *inputs: Shape) -> Shape:
        """Output shape for these input shapes; raises `ShapeError` for those the network refuses."""
        raise NotImplementedError(f"{type(self).__name__} does not say what shape it yields")

    def without_weights(self: T) -> T:
        """This config where all weights come from a file of a run: `build` then reads and downloads none itself.

        To be given by components whose `build` does either, since a weights file that somebody else made says which
        component it is of.
        """
        return self

    def build(self) -> nn.Module:
        """The module, freshly initialised from torch's global random state."""
        raise NotImplementedError(f"{type(self).__name__} cannot be built")


class Generator(NetworkComponent):
    """A picture-to-picture network; pictures are in [-1, 1]."""

    kind = "generators"


class Discriminator(NetworkComponent):
    """A network that judges pictures; it yields logits, never probabilities."""

    kind = "discriminators"


class OtherNetwork(NetworkComponent):
    """Any other module of a recipe's `[networks]`: a feature network, an encoder."""

    kind = "networks"


class Loss(Component):
    """One term of an objective. Its `Expr` fields arrive as tensors, its `Network` fields as modules.

    `draws = False` says that it draws nothing from torch's random state. Of any other, which is seeded before every
    call, the draws depend on the step and on the loss's place in the recipe alone.
    """

    kind = "losses"
    draws: ClassVar[bool] = True

    @property
    def undecided(self) -> float | None:
        """For a discriminator's term: its value where the logits say neither real nor fake, and 0 where they are
        certain. A run is watched for discriminators whose terms are all close to 0. None: cannot be judged so."""
        return None

    def check(self, **shapes: Shape) -> None:
        """Raise `ShapeError` where the shapes of the `Expr` fields do not go together."""

    def build(self) -> Callable[..., torch.Tensor]:
        """A function (or module) of the `Expr` and `Network` fields by keyword; yields one number."""
        raise NotImplementedError(f"{type(self).__name__} cannot be built")


class Op(Component):
    """What expressions may call besides networks. One instance is built for each distinct text.

    `evaluation = "identity"` marks an op that training alone wants (pool, noise): metrics, samples and
    translations then take its first argument unchanged. `detaches = True` marks one that no gradient passes (pool):
    its value is made once a step and shared by the phases.
    """

    kind = "ops"
    arguments: ClassVar[tuple[int, int | None]] = (1, 1)
    evaluation: ClassVar[str] = "same"
    detaches: ClassVar[bool] = False

    def shape(self, *inputs: Shape | float) -> Shape:
        """Output shape for these input shapes (numbers arrive as numbers); `ShapeError` where none fits."""
        raise NotImplementedError(f"{type(self).__name__} does not say what shape it yields")

    def build(self) -> Callable[..., torch.Tensor]:
        """The function. An object with `state_dict`/`load_state_dict` of tensors is checkpointed, per process."""
        raise NotImplementedError(f"{type(self).__name__} cannot be built")


class Dataset(Component):
    """Yields batch fields by name."""

    kind = "datasets"

    @property
    def splits(self) -> tuple[str, ...]:
        """The parts that `build` has: "train", "validation", and where it holds pictures out for it, "test"."""
        return ("train", "validation")

    def groups(self) -> Mapping[str, Mapping[str, Shape]]:
        """group -> field -> shape of one sample, known without touching a picture."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it yields")

    def preparation(self, split: str) -> str:
        """How pictures of a part are scaled and cut without augmentation, in a phrase that stands beside numbers made
        of them; "" where the data set does not say. Needs neither torch nor pictures.
        """
        return ""

    def build(self, split: str) -> ImageSource:
        """One of the parts `splits`; raises `DataError` where it is empty."""
        raise NotImplementedError(f"{type(self).__name__} cannot be built")


class Metric(Component):
    """A number over the validation pictures. Its `Expr` fields arrive as tensors.

    `lower_is_better = None` is for a number that describes without judging. `together` names the fields that must
    arrive in one call, such as a translation and what it should be: their expressions are then of one data group.
    `translated` is the field that holds the translation: the untranslated pictures and a plain picture filter are
    measured in its place too. `independent` names two or more sets that must have nothing to do with each other for the
    number to be right on average: where they have, a caution says so.
    """

    kind = "metrics"
    lower_is_better: ClassVar[bool | None] = True
    together: ClassVar[tuple[str, ...]] = ()
    translated: ClassVar[str | None] = None
    independent: ClassVar[tuple[str, ...]] = ()

    def check(self, **shapes: Shape) -> None:
        """Raise `ShapeError` where the shapes of the `Expr` fields do not go together."""

    def protocol(self) -> str:
        """How the number is made, in one line: extractor, hash of its weights, resize, kernel. Needs no torch."""
        return ""

    def cautions(self, pictures: Mapping[str, int]) -> tuple[str, ...]:
        """What must be said of a number made of so few pictures (by `Expr` field), and what to use in its place."""
        return ()

    def build(self, device: torch.device) -> BuiltMetric:
        """An empty measurement."""
        raise NotImplementedError(f"{type(self).__name__} cannot be built")


class Optimizer(Component):
    """How the parameters of a network are updated."""

    kind = "optimizers"

    def build(self, parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer over these parameters."""
        raise NotImplementedError(f"{type(self).__name__} cannot be built")


class Schedule(Component):
    """The learning rate's factor as a pure function of the step, so that a resume needs no state."""

    kind = "schedules"

    def factor(self, step: int, total: int, steps_per_epoch: int) -> float:
        """Multiplier of the optimizer's lr at `step` of `total`, both counted from the phase's `from`."""
        raise NotImplementedError(f"{type(self).__name__} has no factor")


KINDS: Mapping[str, type[Component]] = {
    base.kind: base for base in (Generator, Discriminator, OtherNetwork, Loss, Dataset, Metric, Op, Optimizer, Schedule)
}
"""Registry name -> base class of its components."""


def expressions(config: Component) -> dict[str, Expr]:
    """The config's `Expr` fields that are set, by key."""
    values = {key: getattr(config, a.name) for key, (_, a, _) in fields_of(type(config)).items()}
    return {key: value for key, value in values.items() if isinstance(value, Expr)}


def network_names(config: Component) -> dict[str, str]:
    """The config's `Network` fields that are set, by key."""
    values = {key: getattr(config, a.name) for key, (_, a, _) in fields_of(type(config)).items()}
    return {key: str(value) for key, value in values.items() if isinstance(value, Network)}
