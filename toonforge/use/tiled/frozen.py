"""What a network takes of the whole picture, taken of a reduced one: statistics of norms, and what attention sees.

For networks that cannot be computed by rows. A tile's own statistics would shift its brightness against its
neighbours'; here every tile is normalised with the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class Recorded(TorchFunctionMode):
    """Notes what norms and attention see, in the order of their calls, or gives each what was noted.

    Entered once for the reduced picture, and once, with `begin`, for each tile.
    """

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[tuple[str, Any]] = []
        self.next: int | None = None

    @contextmanager
    def begin(self) -> Iterator[None]:
        """From here on calls are given what was noted."""
        self.next = 0
        with self:
            yield

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        if func is functional.instance_norm and options.get("use_input_stats", _nth(args, 5, True)):
            return self._norm(args, options, None, lambda: func(*args, **options))
        if func is functional.batch_norm and options.get("training", _nth(args, 5, False)):
            return self._norm(args, options, None, lambda: func(*args, **options))
        if func is functional.group_norm:
            groups = options.get("num_groups", _nth(args, 1))
            return self._norm(args, options, groups, lambda: func(*args, **options))
        if func is functional.multi_head_attention_forward and len(args) > 2:
            key, value = self._seen("attention", args[1:3], lambda old: old[0].shape[1:] == args[1].shape[1:])
            return func(args[0], key, value, *args[3:], **options)
        if func is functional.scaled_dot_product_attention and len(args) > 2:
            same = args[1].shape[:-2], args[1].shape[-1]
            key, value = self._seen("attention", args[1:3], lambda old: (old[0].shape[:-2], old[0].shape[-1]) == same)
            return func(args[0], key, value, *args[3:], **options)
        return func(*args, **options)

    def _seen(self, kind: str, now: Any, fits: Callable[[Any], bool]) -> Any:
        """`now` while the reduced picture passes; then what was noted at this call, where it fits."""
        if self.next is None:
            self.notes.append((kind, now))
            return now
        self.next += 1
        if self.next > len(self.notes):
            return now
        noted, old = self.notes[self.next - 1]
        return old if noted == kind and fits(old) else now

    def _norm(self, args: Any, options: Mapping[str, Any], groups: int | None, usual: Callable[[], Any]) -> Any:
        x = args[0] if args else options["input"]
        if x.ndim != 4 or x.shape[0] != 1:
            return usual()
        first = 2 if groups is not None else 3
        weight, bias = (options.get(name, _nth(args, first + i)) for i, name in enumerate(("weight", "bias")))
        epsilon = options.get("eps", _nth(args, 4 if groups is not None else 7, 1e-5))
        if self.next is None:
            count = groups or x.shape[1]
            variance, mean = torch.var_mean(x.reshape(count, -1), dim=1, correction=0)
            now = tuple(item.repeat_interleave(x.shape[1] // count) for item in (mean, variance))
            self._seen("norm", now, bool)
            return usual()
        found = self._seen("norm", None, lambda old: old[0].shape[0] == x.shape[1])
        if found is None:
            return usual()
        return functional.batch_norm(x, found[0], found[1], weight, bias, training=False, eps=epsilon)


def _nth(args: Any, index: int, otherwise: Any = None) -> Any:
    return args[index] if len(args) > index else otherwise
