"""The networks in a file: recognised, or of the architecture that the user chose, and fitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from toonforge import registries
from toonforge.components import NetworkComponent, fields_of
from toonforge.errors import Problem, RunError, escaped
from toonforge.names import did_you_mean, shape_text
from toonforge.recipe import component_from_data
from toonforge.use.foreign.fitting import fit, state_of
from toonforge.use.foreign.imported import Imported
from toonforge.use.foreign.layout import Layout, recognise
from toonforge.use.foreign.matching import match
from toonforge.use.foreign.names import Shape, listed, shared_prefix
from toonforge.use.foreign.reading import Foreign
from toonforge.weights.network import NETWORKS


def networks(
    foreign: Foreign, architecture: str | None, options: dict[str, Any], parts: frozenset[str]
) -> Iterator[Imported]:
    """Each network of a file, without a name."""
    seen: list[str] = []
    for at, tensors in foreign.parts.items():
        for part, held, layout in recognised(at, tensors):
            seen.append(part)
            if parts and part not in parts:
                continue
            source = escaped(f"{foreign.path}, {part}" if part else str(foreign.path))
            if architecture is None and layout is None:
                raise _unknown(source, held)
            chosen = layout if layout and architecture in (None, layout.component) else None
            yield _imported(foreign, part, held, chosen, architecture, options, source)
    strangers = [part for part in parts if part not in seen]
    if strangers:
        raise RunError(
            Problem(
                message=f"{foreign.path} has no part {strangers[0]!r}",
                expected=f"one of {', '.join(map(escaped, filter(None, seen))) or 'none: it is one state dict'}",
                hint=did_you_mean(strangers[0], seen),
            )
        )


Known = tuple[str, Mapping[str, Tensor], Layout | None]


def recognised(at: str, tensors: Mapping[str, Tensor]) -> Sequence[Known]:
    """A state dict as one network; or, where it is none that is known, each group of names with one beginning."""
    whole = recognise(_short(tensors))
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        groups.setdefault(name.partition(".")[0], {})[name] = tensor
    if whole is None and len(groups) > 1:
        apart: list[Known] = [
            (f"{at}.{first}" if at else first, held, recognise(_short(held))) for first, held in groups.items()
        ]
        if any(layout for *_, layout in apart):
            return apart
    return [(at, tensors, whole)]


def _short(tensors: Mapping[str, Tensor]) -> dict[str, Shape]:
    """Shapes by names without what they all begin with."""
    prefix = shared_prefix(tensors)
    return {name.removeprefix(prefix): tuple(tensor.shape) for name, tensor in tensors.items()}


def _unknown(source: str, tensors: Mapping[str, Tensor]) -> RunError:
    beginning = [f"{escaped(name)} {shape_text(tensor.shape)}" for name, tensor in tensors.items()]
    return RunError(
        Problem(
            message=f"{source} is of no network that is known",
            found=f"{len(tensors)} tensors: {listed(beginning, 4)}",
            expected="a generator or discriminator of junyanz' CycleGAN and pix2pix, or of a CartoonGAN port",
            hint="choose what it is of: --architecture cyclegan/resnet --set blocks=6 --set 'norm=\"batch\"'",
        )
    )


def _kind(architecture: str) -> str:
    """The registry of a component; raises `RunError` for a name that none holds."""
    known = {kind: registries.plugins.registries[kind] for kind in NETWORKS}
    for kind, registry in known.items():
        if architecture in registry:
            return kind
    names = [name for registry in known.values() for name in registry]
    hint = did_you_mean(architecture, names) or "toonforge list generators"
    raise RunError(Problem(message=f"no network is called {architecture!r}", hint=hint))


def _fields(kind: str, component: str) -> frozenset[str]:
    """Keys of a component's options; none of one that is not installed, which is said where it is made."""
    registry = registries.plugins.registries[kind]
    return frozenset(fields_of(registry[component])) if component in registry else frozenset()


def _imported(
    foreign: Foreign,
    part: str,
    tensors: Mapping[str, Tensor],
    layout: Layout | None,
    architecture: str | None,
    options: Mapping[str, Any],
    source: str,
) -> Imported:
    kind = layout.kind if layout else _kind(str(architecture))
    component = architecture or (layout.component if layout else "")
    fields = _fields(kind, component)
    given = {key: value for key, value in options.items() if key in fields}
    config = component_from_data(kind, {"type": component, **(layout.options if layout else {}), **given})
    assert isinstance(config, NetworkComponent)
    note: str | None = None
    if layout:
        fitted = fit(config, layout, _short(tensors), source, shared_prefix(tensors))
    else:
        shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        fitted, note = match(config, component, shapes, source, ordered=foreign.ordered)
    state, rounded = state_of(fitted, tensors, source)
    return Imported(
        name="",
        path=foreign.path,
        part=part,
        sha256=foreign.sha256,
        origin=layout.origin if layout else f"a state dict, as {component}",
        component=component,
        config=config,
        fitted=fitted,
        state=state,
        said=(*(layout.said if layout else ()), *([note] if note else ()), *rounded),
        by_order=note is not None,
        image_size=layout.image_size if layout else None,
    )
