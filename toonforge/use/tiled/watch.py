"""Who watches a computation in parts: is told how far it is, and may end it between two parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import attrs
from torch.overrides import TorchFunctionMode

Check = Callable[[], None]
Part = Callable[[int, int], None]


class Stopped(BaseException):
    """Carries what a watcher raised past all that takes errors for those of networks."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


@attrs.define
class Watch:
    """Those who watch, told of one network's parts after another's.

    Args:
        check: called before each part; raises to end the computation.
        part: called with how many parts are done, and of how many, after each.
    """

    check: Check | None = None
    part: Part | None = None
    _done: int = attrs.field(default=0, init=False)
    _total: int = attrs.field(default=0, init=False)

    def begin(self, total: int) -> None:
        """So many parts there are from here on."""
        self._done, self._total = 0, total

    def before(self) -> None:
        """Another part begins."""
        if self.check is not None:
            with _passed_on():
                self.check()

    def after(self) -> None:
        """It is done."""
        self._done += 1
        if self.part is not None:
            with _passed_on():
                self.part(self._done, self._total)

    def whole(self) -> AbstractContextManager[object]:
        """In here each function of torch counts as a part, without progress."""
        return nullcontext() if self.check is None else _BetweenFunctions(self)


@contextmanager
def _passed_on() -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        raise Stopped(error) from error


@contextmanager
def stopping() -> Iterator[None]:
    """Where a watcher ended what is done in here, its own error goes on."""
    try:
        yield
    except Stopped as stopped:
        raise stopped.error from None


class _BetweenFunctions(TorchFunctionMode):
    """Asks before each function of torch, in this thread."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self.watch = watch

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self.watch.before()
        return func(*args, **(kwargs or {}))
