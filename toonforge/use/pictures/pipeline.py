"""Pictures read, computed and written at the same time: in threads, on every device, in constant memory.

One thread, the caller's, decides: what is read next, what is computed together, what comes out. The others read
pictures, compute batches (one thread a device) and write files, and tell it by one queue. Results come in the order of
the jobs.

On a CPU the caller's thread computes, too: it has loaded the model, and so has a team of threads of its own for torch's
loops. With a second team there would be more threads than processors, which then sleep whenever they wait for each
other: a ResNet takes a third longer. While it computes it can tell of nothing, so it first waits a moment for what is
being written: a share of the time that computing it took, whereas slower disks are not waited for.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import attrs

from toonforge.errors import ToonforgeError, UnreadableImage
from toonforge.use.look import AS_IT_IS, Look
from toonforge.use.pictures.computing import compute, unwatched
from toonforge.use.pictures.grouping import MOST, Grouping
from toonforge.use.pictures.original import Original, read_original
from toonforge.use.pictures.plan import KEPT, Job
from toonforge.use.pictures.written import encoded, write
from toonforge.use.tiled import ignore

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from toonforge.use.model import Model

    Picture = npt.NDArray[np.uint8]

PATIENCE = 0.7
"""Seconds after which it is said that what was begun is still coming to its end."""
MOMENT = 0.1
"""Of the time that a batch took on a CPU: so long, at most, the next waits till that is written and told."""
PIXELS = 2**26
"""Of all pictures that are read and not written yet; one that is larger alone is taken alone."""


@attrs.frozen
class Outcome:
    """What became of one picture: `problem` is None when it was translated.

    Attributes:
        data: the file, where it goes to standard output.
    """

    job: Job
    problem: str | None = None
    data: bytes | None = attrs.field(default=None, repr=False)


@attrs.frozen
class _Item:
    """A picture on its way."""

    index: int
    original: Original


class _BrokenOff(Exception):
    """Nobody waits for what is computed."""


class Pipeline:
    """Translates pictures; iterate over it once. A picture that cannot be read or written does not stop the rest.

    Args:
        models: the same model on each device that is to compute.
        jobs: pictures, from `toonforge.use.pictures.plan`.
        to: the domain to translate to; the recipe's first when left out.
        look: what is done after the networks.
        size: the short side to which larger pictures are scaled down first; None keeps their size.
        batch: pictures at once; None for as many as suit their size and the device.
        threads: that read, and as many that write; as many as there are processors, at most four, when left out.
        note: told in a sentence where a picture is computed in parts, by whichever thread computes it; and that an
            interrupt was heard, where it takes a while to come to an end.
        part: told how many parts of a picture are done, and of how many, by whichever thread computes it.

    Attributes:
        written: how many translations are there; also after the iteration was broken off, when nothing is half there.

    Raises:
        RunError: for a domain that is not offered.
    """

    def __init__(
        self,
        models: Sequence[Model],
        jobs: Sequence[Job],
        to: str | None = None,
        *,
        look: Look = AS_IT_IS,
        size: int | None = None,
        batch: int | None = None,
        threads: int | None = None,
        note: Callable[[str], None] = ignore,
        part: Callable[[int, int], None] | None = None,
    ) -> None:
        models[0].choose(to)
        self.models, self.jobs, self.to, self.look, self.note, self.part = models, jobs, to, look, note, part
        self.size = size
        self.threads = threads or min(4, os.cpu_count() or 1)
        self.written = 0
        most = batch or MOST
        # Enough for each device to have a batch in work and one waiting, while others come together and are written.
        self._most = 4 * most * len(models) + 2 * self.threads
        self._grouping: Grouping[_Item] = Grouping(models[0].device.type, batch, held=2 * most, pixels=PIXELS // 2)
        self._events: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._batches: SimpleQueue[list[_Item] | None] = SimpleQueue()
        self._alone = [model.device.type for model in models] == ["cpu"]
        self._busy = 0  # pictures that are handed over for computing and not written yet
        self._at_writing = 0  # those of them that are computed
        self._told_by = 0.0  # when the caller's thread computes on, whether these are written or not
        self._over = threading.Event()
        self._counting = threading.Lock()

    def __iter__(self) -> Generator[Outcome, None, None]:
        reading = ThreadPoolExecutor(self.threads, "toonforge-read")
        writing = ThreadPoolExecutor(self.threads, "toonforge-write")
        heard: threading.Timer | None = None
        others = [] if self._alone else self.models
        devices = [threading.Thread(target=self._serve, args=(model,), daemon=True) for model in others]
        try:
            for device in devices:
                device.start()
            yield from self._schedule(reading, writing)
        except KeyboardInterrupt:
            heard = threading.Timer(PATIENCE, self.note, ["stopping; again to leave at once"])
            heard.daemon = True
            heard.start()
            raise
        finally:
            # Broken off: what is being read or written comes to its end, a computation to that of its part; nothing
            # else is begun. Files are whole or not there.
            self._over.set()
            reading.shutdown(cancel_futures=True)
            for _ in devices:
                self._batches.put(None)
            for device in devices:
                device.join()
            writing.shutdown(cancel_futures=True)
            if heard is not None:
                heard.cancel()

    def _schedule(self, reading: ThreadPoolExecutor, writing: ThreadPoolExecutor) -> Iterator[Outcome]:
        """Hand out work and take what comes of it, until each job has its outcome."""
        begun = grouped = given = at_reading = 0  # jobs: taken up, handed on for computing, yielded; being read
        read: dict[int, Original | Outcome] = {}
        done: dict[int, Outcome] = {}
        sizes: dict[int, int] = {}
        largest = 0
        while given < len(self.jobs):
            while (
                begun < len(self.jobs)
                and begun - given < self._most
                and at_reading < 2 * self.threads
                and (at_reading + self._busy == 0 or sum(sizes.values()) + (at_reading + 1) * largest <= PIXELS)
            ):
                reading.submit(self._told, "read", self._read, begun)
                begun, at_reading = begun + 1, at_reading + 1
            if at_reading + self._busy == 0:
                # No room to read more, since pictures wait for others of their size: those behind cannot be read.
                self._hand_over(self._grouping.rest())
            kind, value = self._next()
            if kind == "failed":
                raise value
            if kind == "read":
                index, found = value
                at_reading, read[index] = at_reading - 1, found
                if isinstance(found, Original):
                    sizes[index] = found.pixels.shape[0] * found.pixels.shape[1]
                    largest = max(largest, sizes[index])
                while grouped in read:  # in the jobs' order, whichever was read first
                    self._group(grouped, read.pop(grouped), done)
                    grouped += 1
                if grouped == len(self.jobs):
                    self._hand_over(self._grouping.rest())
            elif kind == "computed":
                self._at_writing += len(value[0])
                for item, made in zip(*value):
                    writing.submit(self._told, "written", self._write, item, made)
            else:
                index, outcome = value
                done[index] = outcome
                self._busy, self._at_writing = self._busy - 1, self._at_writing - 1
                del sizes[index]
            while given in done:
                outcome = done.pop(given)
                given += 1
                yield outcome

    def _next(self) -> tuple[str, Any]:
        """What has happened; alone on a CPU, a batch is computed here where nothing has for a moment."""
        if not self._alone or self._batches.empty():
            return self._events.get()
        try:
            return self._events.get(timeout=max(self._told_by - time.monotonic(), 0) if self._at_writing else 0)
        except Empty:
            batch = self._batches.get()
        assert batch is not None
        begun = time.monotonic()
        made = self._compute(self.models[0], batch)
        ended = time.monotonic()
        self._told_by = ended + MOMENT * (ended - begun)
        return "computed", made

    def _group(self, index: int, found: Original | Outcome, done: dict[int, Outcome]) -> None:
        if isinstance(found, Outcome):
            done[index] = found
            return
        height, width = found.pixels.shape[:2]
        # By what the profile says, not by what is made of it: two readers may make it at the same time, one each.
        colours = None if found.conversion is None else found.profile
        self._hand_over(self._grouping.add(_Item(index, found), height, width, colours))

    def _hand_over(self, batches: list[list[_Item]]) -> None:
        for batch in batches:
            self._busy += len(batch)
            self._batches.put(batch)

    # -- in other threads ---------------------------------------------------------------------------------------------

    def _told(self, kind: str, work: Any, *arguments: Any) -> None:
        """Do something and tell of it; of a fault of ours too."""
        if self._over.is_set():
            return
        try:
            self._events.put((kind, work(*arguments)))
        except BaseException as error:
            self._events.put(("failed", error))

    def _read(self, index: int) -> tuple[int, Original | Outcome]:
        job = self.jobs[index]
        try:
            source = job.source if job.source is not None else job.data
            assert source is not None
            return index, read_original(source, self.size)
        except UnreadableImage as error:
            return index, Outcome(job, error.reason)

    def _serve(self, model: Model) -> None:
        while (batch := self._batches.get()) is not None:
            self._told("computed", self._compute, model, batch)

    def _compute(self, model: Model, batch: list[_Item]) -> tuple[list[_Item], list[Picture | ToonforgeError]]:
        originals = [item.original for item in batch]
        # Interrupts reach the caller's thread by themselves; to ask for them at each of torch's functions takes time.
        check = unwatched if self._alone else self._check
        return batch, compute(model, originals, self.to, self.look, self.note, check, self.part)

    def _check(self) -> None:
        if self._over.is_set():
            raise _BrokenOff

    def _write(self, item: _Item, made: Picture | ToonforgeError) -> tuple[int, Outcome]:
        job = self.jobs[item.index]
        if isinstance(made, ToonforgeError):
            problem = made.problems[0]
            said = f"{problem.key}: {problem.message}" if problem.key else problem.message
            return item.index, Outcome(job, said + (f" ({problem.found})" if problem.found else ""))
        outcome = save(job, item.original, made)
        with self._counting:  # here, where no interrupt of the caller's thread can come between
            self.written += outcome.problem is None
        return item.index, outcome


def save(job: Job, original: Original, pixels: Picture) -> Outcome:
    """Write a translation to where its job says, or encode it for standard output."""
    try:
        if job.target is not None:
            write(original, pixels, job.target)
            return Outcome(job)
        own = original.kind if original.kind in KEPT.values() else "PNG"
        return Outcome(job, data=encoded(original, pixels, KEPT[job.ending] if job.ending else str(own)))
    except OSError as error:
        return Outcome(job, f"cannot write {job.target or 'it'}: {error.strerror or error}")
