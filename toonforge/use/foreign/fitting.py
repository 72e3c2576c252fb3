"""Tensors put into the network that they are of. Every one of them is used or accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from toonforge.components import NetworkComponent
from toonforge.errors import Problem, RunError, escaped
from toonforge.names import did_you_mean, shape_text
from toonforge.use.foreign.layout import Layout
from toonforge.use.foreign.names import STATISTICS, Shape, listed
from toonforge.use.foreign.norms import DROPPED

LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.InstanceNorm2d, nn.GroupNorm, nn.Identity)
COUNT = "num_batches_tracked"


@attrs.frozen(kw_only=True)
class Pair:
    """One tensor of ours and where it comes from.

    Attributes:
        ours: its name in our network.
        theirs: its name in the file; None where the file has none and none is needed.
        shape: of both.
        change: what was done to it, in words; "" for nothing.
    """

    ours: str
    theirs: str | None
    shape: Shape
    change: str = ""


@attrs.frozen(kw_only=True)
class Fitted:
    """How a file's tensors make a network.

    Attributes:
        pairs: for each tensor of the network.
        left_out: name in the file -> why it is not used.
    """

    pairs: tuple[Pair, ...]
    left_out: Mapping[str, str]


def empty_network(config: NetworkComponent) -> nn.Module:
    """The network without memory for its numbers: its names and shapes."""
    with torch.device("meta"), _Quick():
        return config.build()


class _Quick(TorchFunctionMode):
    """Draws no numbers: without memory there are none, and torch would import a second's worth of code for it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return args[0] if func is torch.Tensor.normal_ else func(*args, **(kwargs or {}))


def fit(config: NetworkComponent, layout: Layout, shapes: Mapping[str, Shape], source: str, prefix: str = "") -> Fitted:
    """Pair a network's tensors with those of a recognised state dict.

    Args:
        shapes: of the file's tensors, by names without `prefix`.
        source: what messages call the file.
        prefix: what all names in the file begin with; messages and pairs have it.

    Raises:
        RunError: tensors that are missing, of another shape, or that nothing explains.
    """
    network = empty_network(config)
    state = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    ours = [name for name, module in network.named_modules() if isinstance(module, LAYERS)]
    if len(ours) != len(layout.modules):
        raise RunError(
            Problem(
                message=f"{source} is not of a network with these options",
                found=f"{len(layout.modules)} convolutions and norms in {layout.origin}",
                expected=f"{len(ours)} as in {layout.component} so set up",
                hint="leave the options to what its tensors tell",
            )
        )
    first, last = layout.modules[0], layout.modules[-1]
    pairs: list[Pair] = []
    wrong: list[str] = []
    missing: list[str] = []
    used: set[str] = set()
    for mine, theirs in zip(ours, layout.modules, strict=True):
        for name in [key for key in state if key.rpartition(".")[0] == mine]:
            leaf = name.rpartition(".")[2]
            wanted = f"{theirs}.{layout.leaves.get(leaf, leaf) if theirs in layout.norms else leaf}"
            change = ""
            if layout.bgr and theirs == first and leaf == "weight":
                change = "input channels turned round"
            if layout.bgr and theirs == last:
                change = "output channels turned round"
            if wanted not in shapes and leaf == COUNT:
                pairs.append(Pair(ours=name, theirs=None, shape=(), change="0: older files do not count batches"))
            elif wanted not in shapes:
                missing.append(wanted)
            elif shapes[wanted] != state[name]:
                used.add(wanted)
                wrong.append(
                    f"{prefix}{wanted} is {shape_text(shapes[wanted])} in the place of {shape_text(state[name])}"
                )
            else:
                used.add(wanted)
                pairs.append(Pair(ours=name, theirs=prefix + wanted, shape=state[name], change=change))
    statistics = {f"{norm}.{leaf}" for norm in layout.norms for leaf in STATISTICS}
    left_out = {prefix + name: DROPPED for name in shapes if name not in used and name in statistics}
    unexplained = [name for name in shapes if name not in used and name not in statistics]
    bare = _without_bias(layout, shapes)
    if bare and not missing and len(bare) < len(unexplained) and all(_is_bias(name, layout) for name in unexplained):
        # The first convolution said that there are none, and most of the others have one.
        missing, unexplained = bare, []
    complain(source, layout.origin, wrong, [prefix + n for n in missing], [prefix + n for n in unexplained])
    return Fitted(pairs=tuple(pairs), left_out=left_out)


def _is_bias(name: str, layout: Layout) -> bool:
    module, _, leaf = name.rpartition(".")
    return leaf == "bias" and module in layout.modules and module not in layout.norms


def _without_bias(layout: Layout, shapes: Mapping[str, Shape]) -> list[str]:
    """The biases that convolutions do not have."""
    names = [f"{module}.bias" for module in layout.modules if module not in layout.norms]
    return [name for name in names if name not in shapes]


def complain(source: str, origin: str, wrong: list[str], missing: list[str], unexplained: list[str]) -> None:
    """Raise `RunError` where a state dict is not what it was taken for; all is said at once."""
    if not wrong and not missing and not unexplained:
        return
    parts = [
        f"missing: {listed(missing)}" if missing else "",
        f"of another shape: {listed(wrong)}" if wrong else "",
        f"not explained: {listed(unexplained)}" if unexplained else "",
    ]
    near = did_you_mean(missing[0], unexplained) if missing and unexplained else None
    raise RunError(
        Problem(
            message=f"{source} looks like {origin}, but is not all of it",
            found=escaped("; ".join(filter(None, parts))),
            expected="each tensor of the network once, and no other",
            hint=near
            or "another architecture: --architecture NAME --set KEY=VALUE; toonforge import --list shows what is there",
        )
    )


def state_of(fitted: Fitted, tensors: Mapping[str, Tensor], source: str) -> tuple[dict[str, Tensor], list[str]]:
    """The network's state in float32, and what had to be rounded.

    Args:
        tensors: of the file, by their names there.

    Raises:
        RunError: numbers that are not finite, or no real ones.
    """
    state: dict[str, Tensor] = {}
    kinds: dict[torch.dtype, int] = {}
    broken: list[str] = []
    for pair in fitted.pairs:
        if pair.theirs is None:
            state[pair.ours] = torch.zeros((), dtype=torch.int64)
            continue
        tensor = tensors[pair.theirs].detach()
        if pair.ours.endswith(COUNT) and not tensor.is_floating_point() and not tensor.is_complex():
            state[pair.ours] = tensor.to(torch.int64)
            continue
        if not tensor.is_floating_point():
            raise RunError(
                Problem(
                    message=f"{source}: {escaped(pair.theirs)} holds no real numbers",
                    found=str(tensor.dtype).removeprefix("torch."),
                    expected="floating-point numbers",
                )
            )
        if tensor.dtype != torch.float32:
            kinds[tensor.dtype] = kinds.get(tensor.dtype, 0) + 1
        value = tensor.to(torch.float32)
        if not bool(value.isfinite().all()):
            broken.append(escaped(pair.theirs))
        if pair.change.endswith("turned round"):
            value = value.flip(1 if pair.change.startswith("input") else 0)
        state[pair.ours] = value.contiguous().clone()
    if broken:
        raise RunError(
            Problem(
                message=f"{source} holds numbers that are not finite: its training came to nothing, or it is damaged",
                found=f"nan or infinity in {listed(broken)}",
                hint="take an earlier checkpoint",
            )
        )
    said = [
        f"{count} tensors are {str(kind).removeprefix('torch.')} in the file and float32 here"
        + (": rounded" if kind == torch.float64 else "")
        for kind, count in kinds.items()
    ]
    return state, said
