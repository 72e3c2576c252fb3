"""What a component is: a frozen, keyword-only config class that knows its fields and builds the real thing.

Torch is imported only inside `build`, so that listing and checking components never load it.
"""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, runtime_checkable

import attrs
from typing_extensions import dataclass_transform

from toonforge import deprecation
from toonforge.deprecation import Deprecation
from toonforge.errors import FieldError
from toonforge.recipe.expr import Expr, Network

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL import Image
    from torch import nn

__all__ = [
    "Component",
    "NetworkComponent",
    "Generator",
    "Discriminator",
    "OtherNetwork",
    "Loss",
    "Op",
    "Dataset",
    "ImageSource",
    "Locates",
    "Narrows",
    "DrawsAlone",
    "Metric",
    "BuiltMetric",
    "DrawsPicture",
    "Keeps",
    "KnowsProtocol",
    "Optimizer",
    "Schedule",
    "Shape",
    "Count",
    "component",
    "param",
    "changed",
    "fields_of",
    "FieldInfo",
]

Shape = tuple[int, ...]
"""One sample's shape without the batch: (channels, height, width) for pictures, () for a number each."""

T = TypeVar("T")
_METADATA = "toonforge"
APART = "toonforge.apart"
"""In the metadata of a field that is no key of its table: a recipe writes it elsewhere."""


@attrs.frozen(kw_only=True)
class FieldInfo:
    """What a field's author says of it: shown by `toonforge show`, used by checks, schema and docs."""

    doc: str
    unit: str | None = None
    source: str | None = None
    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None
    tiny: Any = ...
    key: str | None = None
    place: bool = False
    deprecated: Deprecation | None = None

    @property
    def limits(self) -> str | None:
        """The allowed range in words, or None where every value of the type will do."""
        words = {"above": "greater than", "at_least": "at least", "below": "less than", "at_most": "at most"}
        parts = [f"{word} {getattr(self, name):g}" for name, word in words.items() if getattr(self, name) is not None]
        return " and ".join(parts) or None

    def allows(self, value: float) -> bool:
        """Whether a number lies within the limits; nan never does."""
        return not (
            math.isnan(value)
            or (self.above is not None and value <= self.above)
            or (self.at_least is not None and value < self.at_least)
            or (self.below is not None and value >= self.below)
            or (self.at_most is not None and value > self.at_most)
        )


def param(
    default: Any = attrs.NOTHING,
    *,
    doc: str,
    unit: str | None = None,
    source: str | None = None,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    tiny: Any = ...,
    key: str | None = None,
    place: bool = False,
    deprecated: Deprecation | None = None,
) -> Any:
    """A documented config field.

    Args:
        default: the value when left out (the paper's); leave it out for a required field.
        doc: one sentence: what it does.
        unit: of the number ("pixels", "steps", "epochs", …).
        source: paper and table or section that the default comes from.
        above, at_least, below, at_most: limits of a number, or of each number in a tuple.
        tiny: the value that `tiny()` uses, for tests.
        key: the key in a recipe where it cannot be the attribute's name (`from`).
        place: of a data set: it says where pictures lie and nothing else, so a run goes on with another value where the
            same pictures lie there.
        deprecated: what to use in the field's place and when it goes. It still works until then: who gives it, in a
            recipe or in Python, is told. Its default must mean that it is not given.

    A mutable default is given as a function of no arguments.

    Raises:
        TypeError: for a deprecated field that is required.

    Examples:
        >>> from toonforge import Schedule, component, param
        >>> @component
        ... class Steep(Schedule):
        ...     "An example."
        ...     power: float = param(2.0, doc="of the time that is left", above=0, source="a paper, section 3")
        >>> Steep().power
        2.0
        >>> Steep(power=-1)
        Traceback (most recent call last):
        toonforge.errors.FieldError: power: found -1, expected a number greater than 0
    """
    if deprecated is not None and default is attrs.NOTHING:
        raise TypeError("a deprecated field needs a default, which means that it is not given")
    info = FieldInfo(
        doc=doc,
        unit=unit,
        source=source,
        above=above,
        at_least=at_least,
        below=below,
        at_most=at_most,
        tiny=tiny,
        key=key,
        place=place,
        deprecated=deprecated,
    )
    if default is not attrs.NOTHING and isinstance(default, type | types.FunctionType):
        return attrs.field(factory=default, metadata={_METADATA: info}, validator=_within_limits)
    return attrs.field(default=default, metadata={_METADATA: info}, validator=_within_limits)


def _within_limits(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    info: FieldInfo = attribute.metadata[_METADATA]
    numbers = value if isinstance(value, tuple | list) else (value,)
    for number in numbers:
        if isinstance(number, int | float) and not isinstance(number, bool) and not info.allows(number):
            raise FieldError(info.key or attribute.name, value, f"a number {info.limits or 'that is not nan'}")
    if info.deprecated is not None and value != default_of(attribute):
        deprecation.warn(f"{type(instance).__name__}.{info.key or attribute.name}", info.deprecated, above=2)


def default_of(attribute: attrs.Attribute[Any]) -> Any:
    """The value of a field that is left out; `attrs.NOTHING` for a required one."""
    default = attribute.default
    return default.factory() if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type, union-attr]


# `param` is no `field_specifiers`: type checkers know a default there by its keyword alone, and `param(4, …)` would be
# a required field to them. So they take every field as one with a default, and check names and types.
@dataclass_transform(frozen_default=True, kw_only_default=True)
def component(cls: type[T]) -> type[T]:
    """Class decorator: makes a config class frozen and keyword-only. Fields are declared with `param`.

    Examples:
        >>> from toonforge import Schedule, component, param
        >>> @component
        ... class Halving(Schedule):
        ...     "Half as much after every so many epochs."
        ...     epochs: int = param(10, doc="between two halvings", unit="epochs", at_least=1)
        ...
        ...     def factor(self, step, total, steps_per_epoch):
        ...         return 0.5 ** (step // (self.epochs * steps_per_epoch))
        >>> Halving(epochs=2).factor(step=250, total=1000, steps_per_epoch=100)
        0.5
    """
    made = attrs.frozen(kw_only=True)(cls)
    going = deprecation_of(made)
    return made if going is None else _telling(made, going)


def deprecation_of(cls: type) -> Deprecation | None:
    """What to use in a component's place, for one on its way out. Classes derived from it are not."""
    own: Deprecation | None = cls.__dict__.get("deprecated")
    return own


def _telling(cls: type[T], going: Deprecation) -> type[T]:
    """The class, with a warning wherever one of it is made."""
    make = cls.__init__

    @wraps(make)
    def __init__(self: T, *values: Any, **named: Any) -> None:
        if type(self) is cls:
            deprecation.warn(cls.__name__, going)
        make(self, *values, **named)

    cls.__init__ = __init__  # type: ignore[assignment]
    return cls


def fields_of(cls: type) -> Mapping[str, tuple[Any, attrs.Attribute[Any], FieldInfo]]:
    """Key in a recipe -> (resolved type, attribute, what its author says), for a component class.

    A class's own fields come before those of its bases: what is particular to it is read first.

    Examples:
        >>> import toonforge
        >>> from toonforge.components import fields_of
        >>> kind, attribute, info = fields_of(toonforge.optimizers["sgd"])["lr"]
        >>> kind, info.limits
        (<class 'float'>, 'greater than 0')
    """
    return _fields_of(cls)


@cache
def _fields_of(cls: Any) -> Mapping[str, tuple[Any, attrs.Attribute[Any], FieldInfo]]:
    hints = typing.get_type_hints(cls)
    depth = {name: at for at, base in reversed([*enumerate(cls.__mro__)]) for name in inspect.get_annotations(base)}
    own_first = sorted(
        (a for a in attrs.fields(cls) if a.init and APART not in a.metadata), key=lambda a: depth[a.name]
    )
    infos = [(a, a.metadata.get(_METADATA, FieldInfo(doc=""))) for a in own_first]
    return {info.key or a.name: (hints[a.name], a, info) for a, info in infos}


def changed(config: T, **values: Any) -> T:
    """The same component with other values, validated anew; keys are attribute names.

    Examples:
        >>> import toonforge
        >>> from toonforge.components import changed
        >>> changed(toonforge.optimizers["adam"](lr=1e-4), lr=3e-4).lr
        0.0003
    """
    with deprecation.silent():
        return attrs.evolve(config, **values)  # type: ignore[misc]


def tiny(config: T) -> T:
    """The same component shrunk for a test: every field that declares a `tiny` value takes it."""
    changes = {
        attribute.name: info.tiny for _, attribute, info in fields_of(type(config)).values() if info.tiny is not ...
    }
    return changed(config, **changes)


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


@attrs.frozen(kw_only=True)
class Count:
    """A number of steps, or of epochs that becomes steps once the data set's size is known.

    Examples:
        >>> from toonforge import Count
        >>> Count(epochs=1.5).in_steps(steps_per_epoch=100), str(Count(steps=500))
        (150, '500 steps')
    """

    steps: int | None = None
    epochs: float | None = None

    def in_steps(self, steps_per_epoch: int) -> int:
        """The count in steps; epochs are rounded to the nearest step."""
        return self.steps if self.steps is not None else round((self.epochs or 0) * steps_per_epoch)

    def __str__(self) -> str:
        return f"{self.steps} steps" if self.steps is not None else f"{self.epochs:g} epochs"
