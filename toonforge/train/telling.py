"""What a run says while it trains: to its log, to whoever listens, and what it must remember of it for the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import attrs
import pluggy

from toonforge import events, registries
from toonforge.data.reading.again import Retried
from toonforge.errors import escaped
from toonforge.plugins import hookspecs
from toonforge.runs.folder import RunFolder
from toonforge.train.watch import Over

if TYPE_CHECKING:
    from toonforge.data.batch import Batch


News = tuple[str, str, bool, int]
"""What another process than the main one tells of a picture: its path, the reason, whether that may pass, and how many
tries it took, 0 where it was skipped."""


class Telling:
    """Log and listeners of one start of a run; silent on every process but the main one.

    Args:
        folder: whose log is written.
        main: whether this is the main process.
        listeners: objects with run hooks, told besides the installed plugins. A failure of theirs ends the run.

    Attributes:
        skipped: unreadable pictures: path -> reason.
        retried: pictures that were read at a later try -> how often that was so.
        waited: seconds of all waits for a batch that were long.
        warnings: what looks wrong still, in the order seen.
    """

    def __init__(self, folder: RunFolder, main: bool, listeners: Sequence[object]) -> None:
        self.folder, self.main, self.listeners = folder, main, listeners
        self.skipped: dict[str, str] = {}
        self.retried: dict[str, int] = {}
        self.waited = 0.0
        self._wait: _Wait | None = None
        self.warnings: list[events.Warned] = []
        self._run: events.RunInfo | None = None
        self._observers: list[_Observer] = []
        self._together: _Together | None = None

    @contextmanager
    def listening(self, run: events.RunInfo, observers: Sequence[object] = ()) -> Iterator[None]:
        """Within it, hooks are called for `run`.

        Args:
            observers: objects with run hooks whose failure is no reason to end a training; told before the listeners,
                which so find their files written.
        """
        self._run, self._observers = run, [_Observer(observer) for observer in observers]
        manager = registries.plugins.manager
        names = [manager.register(listener) for listener in self.listeners]
        try:
            yield
        finally:
            self._run = None
            for name in names:
                manager.unregister(name=name)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written within it is written at its end in one go, and what is told is told after that.

        So a crash leaves all of it in the log or nothing, and nothing of it is there if this is left by an exception:
        what was remembered of pictures is forgotten with it, and said when they are read again.
        """
        self._together = held = _Together()
        skipped, retried = {**self.skipped}, {**self.retried}
        try:
            yield
        except BaseException:
            self.skipped, self.retried = skipped, retried
            raise
        finally:
            self._together = None
        if held.lines:
            self.folder.write_events(held.lines)
        for call in held.calls:
            call()

    def restore(self, skipped: Mapping[str, str]) -> None:
        """Go on after an earlier start. `skipped`: what it said of unreadable pictures."""
        self.skipped.update(skipped)

    def tell(self, hook: str, **what: Any) -> None:
        """Call a hook of everyone who listens."""
        if not self.main or self._run is None:
            return
        if self._together is not None:
            self._together.calls.append(lambda: self.tell(hook, **what))
            return
        for observer in self._observers:
            observer.tell(hook, run=self._run, **what)
        getattr(registries.plugins.manager.hook, hook)(run=self._run, **what)

    def write(self, event: str, step: int, **more: Any) -> None:
        """Append one line to the log."""
        if not self.main:
            return
        if self._together is not None:
            self._together.lines.append((event, step, more))
        else:
            self.folder.write_event(event, step, **more)

    def logged(self, step: events.Step) -> None:
        """A step's losses were read."""
        self.write_step(step)
        self.tell("step_finished", step=step)

    def write_step(self, step: events.Step) -> None:
        """Write a step's losses down; one that is not finite becomes null."""
        values = attrs.asdict(step)
        rounded = {"images_per_second": round(step.images_per_second, 2), "data": round(step.data, 4)}
        self.write("step", values.pop("step"), **{**values, **rounded})

    def warn(self, warning: events.Warned) -> None:
        """Something begins to look wrong."""
        self.warnings.append(warning)
        values = attrs.asdict(warning)
        self.write("warning", values.pop("step"), **values)
        self.tell("warned", warning=warning)

    def heed(self, change: events.Warned | Over) -> None:
        """Something begins to look wrong, or no longer does."""
        if isinstance(change, events.Warned):
            self.warn(change)
        else:
            which = {"kind": change.kind, "about": change.about}
            self.warnings = [w for w in self.warnings if {"kind": w.kind, "about": w.about} != which]
            self.write("over", change.step, **which)
            self.tell("warning_over", step=change.step, **which)

    def stopping(self) -> None:
        """Someone asked the run to stop."""
        if self.main:
            print("stopping after this step; a checkpoint is saved (again to leave at once)", file=sys.stderr)

    # -- what comes in the way of reading ---------------------------------------------------------------------------

    def arrived(self, step: int, batch: Batch) -> None:
        """The batch of a step is here."""
        if self._wait is not None:
            self._over(step, self._wait)
        for path, reason in batch.skipped.items():
            self.skip(step, path, reason, passing=path in batch.passing)
        for path, retried in batch.retried.items():
            self.retry(step, path, retried)

    def news(self, batch: Batch) -> list[News]:
        """What the main process is to be told of a batch before it `arrived` here; nothing on that itself."""
        if self.main:
            return []
        known = self.skipped.keys() - batch.passing
        return [
            *((path, reason, path in batch.passing, 0) for path, reason in batch.skipped.items() if path not in known),
            *((path, retried.reason, True, retried.tries) for path, retried in batch.retried.items()),
        ]

    def hear(self, step: int, news: Sequence[News]) -> None:
        """Write down what another process told of its part of a step's batch."""
        if self.main:
            for path, reason, passing, tries in news:
                if tries:
                    self.retry(step, path, Retried(reason, tries))
                else:
                    self.skip(step, path, reason, passing)

    def skip(self, step: int, path: str, reason: str, passing: bool = False) -> None:
        """A picture cannot be read: said once; where it may be read the next time, each time."""
        if passing:
            self.skipped[path] = reason
            self.write("skipped", step, path=path, reason=reason, passing=True)
        elif path not in self.skipped:
            self.skipped[path] = reason
            self.write("skipped", step, path=path, reason=reason)

    def retry(self, step: int, path: str, retried: Retried) -> None:
        """A picture was read at a later try."""
        self.retried[path] = self.retried.get(path, 0) + 1
        self.write("retried", step, path=path, reason=retried.reason, tries=retried.tries)

    def late(self, step: int, seconds: float, path: str | None) -> None:
        """The next batch is waited for. Said again when it takes twice as long.

        Args:
            seconds: how long until now.
            path: what is being read; None where that is no picture.
        """
        if self._wait is None:
            self._wait = _Wait(began=time.monotonic() - seconds, path=path)
        elif seconds < 2 * self._wait.said:
            return
        self._wait.said = seconds
        for_what = f"{path} to be read" if path is not None else "the next batch of pictures"
        say(f"note: waiting for {for_what}: {seconds:.0f} seconds until now")
        self.write("waiting", step, path=path, seconds=round(seconds, 1))

    def _over(self, step: int, wait: _Wait) -> None:
        self._wait, seconds = None, time.monotonic() - wait.began
        self.waited += seconds
        say(f"note: the wait is over, after {seconds:.0f} seconds")
        self.write("waited", step, path=wait.path, seconds=round(seconds, 1))


@attrs.define
class _Wait:
    """A batch that is late: since when, for which picture, and the seconds that were told last."""

    began: float
    path: str | None
    said: float = 0.0


@attrs.define
class _Together:
    """What waits until all of it is known."""

    lines: list[tuple[str, int, Mapping[str, Any]]] = attrs.field(factory=list)
    calls: list[Callable[[], None]] = attrs.field(factory=list)


class _Observer:
    """One object with run hooks that is left alone once it has failed."""

    def __init__(self, observer: object) -> None:
        self.name = type(observer).__name__
        self.manager: pluggy.PluginManager | None = pluggy.PluginManager("toonforge")
        self.manager.add_hookspecs(hookspecs)
        self.manager.register(observer)

    def tell(self, hook: str, **what: Any) -> None:
        if self.manager is None:
            return
        try:
            getattr(self.manager.hook, hook)(**what)
        except Exception as error:
            self.manager = None
            left_out(self.name, error)


def say(text: str) -> None:
    """A line on stderr, which may be gone; names and reasons in it that come from files are shown and not obeyed."""
    with suppress(OSError, ValueError):
        print(escaped(text), file=sys.stderr, flush=True)


def left_out(name: str, error: Exception) -> None:
    """Say that something failed which no training depends on."""
    say(f"note: {name} failed and is left out from here on: {type(error).__name__}: {error}")
