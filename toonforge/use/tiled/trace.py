"""What a network does to a picture of a given size, as a list of operations: traced without computing anything."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import attrs
import torch
from torch import nn

from toonforge.memory import is_out_of_memory
from toonforge.nn.quick import as_written
from toonforge.use.tiled.step import NotInParts


@attrs.frozen(eq=False)
class Trace:
    """A network's operations on inputs of certain sizes.

    Attributes:
        graph: operations on tensors; first the parameters by the order of `names`, then the inputs.
        module: holds the tensors that the network's code made.
        names: of parameters and buffers.
        inputs: how many pictures the network takes.
    """

    graph: torch.fx.Graph
    module: torch.fx.GraphModule
    names: tuple[str, ...]
    inputs: int


def state_of(network: nn.Module) -> Mapping[str, torch.Tensor]:
    """Parameters and buffers by name."""
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


@contextmanager
def _quietly() -> Iterator[None]:
    """Without torch's own records of a trace, which take longer than the trace where something listens to all logs."""
    loggers = [logging.getLogger(name) for name in ("torch.__trace", "torch._subclasses.fake_tensor")]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, disabled in zip(loggers, before):
            logger.disabled = disabled


def traced(network: nn.Module, arguments: Sequence[Any]) -> Trace:
    """Trace the network.

    Whatever decides by sizes is decided, loops are unrolled, and changes in place become new values.

    Args:
        network: in evaluation mode.
        arguments: what it is called with; of tensors only shape and dtype count.

    Raises:
        NotInParts: its code looks at values, changes them where that cannot be followed, or fails.
    """
    from torch.func import functional_call, functionalize
    from torch.fx.experimental.proxy_tensor import make_fx

    state = state_of(network)
    pictures = [item for item in arguments if isinstance(item, torch.Tensor)]

    def call(parameters: Mapping[str, torch.Tensor], *given: torch.Tensor) -> torch.Tensor:
        rest = iter(given)
        filled = tuple(next(rest) if isinstance(item, torch.Tensor) else item for item in arguments)
        result = functional_call(network, dict(parameters), filled)
        if not isinstance(result, torch.Tensor):
            raise NotInParts(f"it yields {type(result).__name__}, not a tensor")
        return result

    # Memory of these is never touched, so that none is taken.
    parameters = {name: torch.empty(value.shape, dtype=value.dtype) for name, value in state.items()}
    given = [torch.empty(item.shape, dtype=item.dtype) for item in pictures]
    try:
        with _quietly(), as_written(), torch.inference_mode(False), torch.no_grad():
            module = make_fx(functionalize(call), tracing_mode="fake", _allow_non_fake_inputs=True)(parameters, *given)
    except NotInParts:
        raise
    except Exception as error:  # the network's own code, given tensors that hold nothing
        if is_out_of_memory(error):
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise NotInParts(f"it cannot be traced: {reason}") from error
    module.graph.eliminate_dead_code()
    for node in module.graph.nodes:
        if getattr(getattr(node.target, "_schema", None), "is_mutable", False):
            raise NotInParts(f"it changes values in place with {node.target}")
    return Trace(module.graph, module, tuple(parameters), len(given))


def bytes_of(value: Any) -> int:
    """Of a tensor, or of all tensors of a tuple."""
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    return sum(map(bytes_of, value)) if isinstance(value, list | tuple) else 0


def _is_view(node: torch.fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    if schema is None:  # getitem
        return True
    return any(item.alias_info is not None for item in schema.returns)


def _laid_out(node: torch.fx.Node) -> int:
    if node.target is not torch.ops.aten.convolution.default:
        return 0
    return bytes_of(node.meta.get("val")) + bytes_of(node.all_input_nodes[0].meta.get("val"))


def peak_bytes(trace: Trace) -> int:
    """The most that values take at any one time when the network is computed whole, its inputs not counted.

    A convolution's input and output count twice: libraries lay out both in an order of their own.
    """
    owner: dict[torch.fx.Node, torch.fx.Node] = {}
    last: dict[torch.fx.Node, int] = {}
    nodes = list(trace.graph.nodes)
    for index, node in enumerate(nodes):
        viewed = _is_view(node) and node.all_input_nodes
        owner[node] = owner[node.all_input_nodes[0]] if viewed else node
        for read in (node, *node.all_input_nodes):
            last[owner[read]] = index
    ends: dict[int, list[torch.fx.Node]] = {}
    for node, index in last.items():
        ends.setdefault(index, []).append(node)
    live = peak = 0
    for index, node in enumerate(nodes):
        if node.op == "call_function" and owner[node] is node:
            live += bytes_of(node.meta.get("val"))
            peak = max(peak, live + _laid_out(node))
        live -= sum(bytes_of(gone.meta.get("val")) for gone in ends.get(index, ()) if gone.op == "call_function")
    return peak
