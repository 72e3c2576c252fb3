"""What a network takes of the whole picture, taken from elsewhere: statistics of norms, and what attention sees.

For networks that cannot be computed by rows. A tile's own statistics would shift its brightness against its
neighbours'; here every tile is normalised with the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch.nn import functional
from torch.overrides import TorchFunctionMode

from toonforge.use.tiled.statistics import Statistics


class Shared(TorchFunctionMode):
    """Notes what norms and attention see, in the order of their calls; then gives each what was noted.

    Entered as it is for the reduced picture, with `begin` for each tile.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
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
        if func is functional.instance_norm and _given(args, options, 5, "use_input_stats", True):
            return self._norm(func, args, options, 3, 7)
        if func is functional.batch_norm and _given(args, options, 5, "training", False):
            return self._norm(func, args, options, 3, 7)
        if func is functional.group_norm:
            return self._norm(func, args, options, 2, 4, _given(args, options, 1, "num_groups"))
        if func is functional.multi_head_attention_forward and len(args) > 2:
            key, value = self._note("attention", args[1:3], lambda old: old[0].shape[1:] == args[1].shape[1:])
            return func(args[0], key, value, *args[3:], **options)
        if func is functional.scaled_dot_product_attention and len(args) > 2:
            heads, channels = args[1].shape[:-2], args[1].shape[-1]
            same = self._note(
                "attention", args[1:3], lambda old: (old[0].shape[:-2], old[0].shape[-1]) == (heads, channels)
            )
            return func(args[0], *same, *args[3:], **options)
        return func(*args, **options)

    def _note(self, kind: str, now: Any, fits: Callable[[Any], bool]) -> Any:
        """`now` while the reduced picture passes; then what was noted at this call, where it fits."""
        if self.next is None:
            self.notes.append((kind, now))
            return now
        self.next += 1
        if self.next > len(self.notes):
            return now
        noted, old = self.notes[self.next - 1]
        return old if noted == kind and fits(old) else now

    def _norm(
        self, func: Callable[..., Any], args: Any, options: Any, weighted: int, small: int, groups: int | None = None
    ) -> Any:
        """A norm; `weighted` is the place of its weight among the arguments, `small` that of its epsilon."""
        x = _given(args, options, 0, "input")
        if x.ndim != 4 or x.shape[0] != 1:
            return func(*args, **options)
        if self.next is None:
            gathering = Statistics("norm", x.shape[1], groups or x.shape[1]).begin()
            gathering.add(x)
            mean, variance = gathering.value(x.dtype).to(x.device)
            self._note("norm", (mean, variance), bool)
            return func(*args, **options)
        found = self._note("norm", None, lambda old: old[0].shape[0] == x.shape[1])
        if found is None:
            return func(*args, **options)
        weight = _given(args, options, weighted, "weight", None)
        bias = _given(args, options, weighted + 1, "bias", None)
        epsilon = _given(args, options, small, "eps", 1e-5)
        return functional.batch_norm(x, found[0], found[1], weight, bias, training=False, eps=epsilon)


def _given(args: Any, options: Mapping[str, Any], index: int, name: str, otherwise: Any = None) -> Any:
    """An argument, by its place or its name."""
    return args[index] if len(args) > index else options.get(name, otherwise)
