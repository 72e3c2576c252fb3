"""Whose code failed: what goes wrong inside a component is told with its place in the recipe and who supplied it."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from toonforge import registries
from toonforge.components import Component, NetworkComponent, Op
from toonforge.errors import ComponentFault, PluginError, Problem, RunError, ShapeError, ToonforgeError
from toonforge.memory import is_out_of_memory
from toonforge.plugins.fit import CORE
from toonforge.registry import Provenance

_OF_THE_SYSTEM = (errno.ENOSPC, errno.EDQUOT, errno.ENAMETOOLONG)
"""What others tell of: a full disk, a path that is too long."""


def built(config: Any, place: str, *given: Any) -> Any:
    """What the component builds; an error of its own code names it as `of_component` does."""
    with of_component(config, place, "build() failed"):
        return config.build(*given)


Lent = Iterable[tuple[Component, str, object]]
"""(config, place, module) of networks that a loss calls by itself."""


@contextmanager
def of_component(config: Component, place: str, what: str = "failed", lent: Lent = ()) -> Iterator[None]:
    """Let an error that comes out of a component's code name it.

    Mistakes that the user can mend pass, and a want of memory or room. A package that a plugin lacks becomes a
    `PluginError`, and all else a `ComponentFault`.

    Args:
        place: its key in the recipe: "generators.photo2anime".
        what: was done with it.
        lent: one of these is named in its place where the error came out of that one's call.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, ToonforgeError | ComponentFault) or is_out_of_memory(error):
            raise
        if isinstance(error, OSError) and error.errno in _OF_THE_SYSTEM:
            raise
        for other, its_place, module in lent:
            if _calls(error.__traceback__, module):
                config, place, what = other, its_place, f"{what}, called by {place}"
                break
        name, who = _supplied(config)
        words = f"{what}: {type(error).__name__}: {error}".rstrip(": ")
        if who is None or who.plugin == CORE:
            raise ComponentFault(f"{place} ({name}) {words}") from error
        missing = (error.name or "").split(".")[0] if isinstance(error, ModuleNotFoundError) else ""
        if missing and missing != type(config).__module__.split(".")[0]:
            hint = bring(missing, who.plugin)
            raise PluginError(Problem(key=named(config, place), message=words, hint=hint)) from error
        raise ComponentFault(f"{place} ({name}) {words}", f"{who.plugin} ({who})") from error


def _calls(trace: TracebackType | None, module: object) -> bool:
    """Whether an error came out of a module's call."""
    while trace is not None:
        if trace.tb_frame.f_locals.get("self") is module:
            return True
        trace = trace.tb_next
    return False


def bring(package: str, plugin: str) -> str:
    """What to do about a package that a plugin imports and nobody installed."""
    return (
        f"install what brings {package}, which its author should name among its dependencies; "
        f"or do without it: -p no:{plugin}"
    )


def named(config: Component, place: str) -> str:
    """The place, the component and who supplied it: "data (faces/folder of toonforge-faces 0.1.0)"."""
    name, who = _supplied(config)
    return f"{place} ({name})" if who is None else f"{place} ({name} of {who})"


def refuse_other_than_number(config: Component, place: str, value: Any) -> None:
    """Raise `RunError` for a loss's value that is no tensor of one number; looks at no number."""
    dim = getattr(value, "dim", None)
    if dim is not None and dim() == 0:
        return
    problem = Problem(
        key=named(config, place),
        message="the loss did not return one number",
        found=_told(value),
        expected="a tensor of shape ()",
        hint="reduce it with .mean()" if dim is not None else None,
    )
    raise RunError(problem)


def refuse_other_shape(config: NetworkComponent | Op, place: str, arguments: Sequence[Any], output: Any) -> None:
    """Raise `RunError` where the output of a network or an op is not of the shape that its config announces."""
    inputs = [tuple(value.shape[1:]) if hasattr(value, "shape") else value for value in arguments]
    try:
        announced = tuple(config.shape(*inputs))
    except ShapeError:  # the inputs are not as they were announced: another's mistake
        return
    batches = {value.shape[0] for value in arguments if _is_tensor(value) and value.dim() > 0}
    batch = batches.pop() if len(batches) == 1 else "batch"
    if _is_tensor(output) and tuple(output.shape[1:]) == announced and batch in ("batch", *output.shape[:1]):
        return
    whose, what = ("op", "the function of build()") if isinstance(config, Op) else ("network", "forward()")
    problem = Problem(
        key=named(config, place),
        message=f"the {whose}'s output is not what its shape() announces",
        found=_told(output),
        expected=f"a tensor of shape {(batch, *announced)}".replace("'", ""),
        hint=f"{what} and shape() must agree: mend whichever is wrong",
    )
    raise RunError(problem)


def refuse_no_tensor(config: Op, place: str, output: Any) -> None:
    """Raise `RunError` where an op's output is no tensor."""
    if _is_tensor(output):
        return
    problem = Problem(
        key=named(config, place),
        message="the op did not return a tensor",
        found=_told(output),
        expected="a tensor whose first dimension is the batch",
        hint="mend the function of build()",
    )
    raise RunError(problem)


def _is_tensor(value: Any) -> bool:
    from torch import Tensor

    return isinstance(value, Tensor)


def _told(value: Any) -> str:
    if _is_tensor(value):
        return f"a tensor of shape {tuple(value.shape)}"
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    return f"a {type(value).__name__}" + (f" of {len(value)}" if isinstance(value, tuple | list | dict) else "")


def _supplied(config: Component) -> tuple[str, Provenance | None]:
    """The component's name and who supplied it; the class's name, and nobody, for one that is not registered."""
    cls = type(config)
    registry: Any = registries.plugins.registries.get(cls.kind, {})
    try:
        name = registry.name_of(cls)
        return name, registry.provenance(name)
    except (AttributeError, KeyError):
        return cls.__name__, None
