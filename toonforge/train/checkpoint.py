"""Checkpoints: folders of safetensors and JSON, whole or absent, verified by checksum. No pickle anywhere.

A checkpoint is written into a hidden folder, flushed to the disk, renamed, and only then named by `latest`. Where the
recipe asks for the best one to be kept, `best` names it. Nothing is removed under its name, so that a killed process
leaves no part of a checkpoint where a whole one was, and nothing whole is removed before its successor is named.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import attrs
from safetensors.torch import load_file
from torch import Tensor

from toonforge.errors import Problem, RunError
from toonforge.files import checksum, remove, remove_partial, sync, write_atomic
from toonforge.runs.inventory import FOLDER, Inventory, damage, read_inventory, write_inventory
from toonforge.runs.metadata import NEEDS, read_metadata
from toonforge.train.fitting import misfit
from toonforge.train.own import buffers_file, differing_buffers, memory_file, owners, put_buffers
from toonforge.train.saved import Saved
from toonforge.train.state import load_optimizer, optimizer_tensors
from toonforge.weights.tensors import write_tensors

_PARTIAL, _OLD, _GONE = ".partial-", ".old-", ".removed-"
"""Before a folder's name: while it is written; while its successor takes its place; while it is removed."""


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: the run's `checkpoints` folder.
        keep: how many of the newest stay, besides the one that `best` names.
        rank, processes: of this process; all call `save` and `load`.
        barrier: waits for all processes.
    """

    def __init__(
        self, folder: Path, keep: int, rank: int = 0, processes: int = 1, barrier: Callable[[], None] = lambda: None
    ) -> None:
        self.folder, self.keep, self.rank, self.processes, self.barrier = folder, keep, rank, processes, barrier

    # -- writing ------------------------------------------------------------------------------------------------

    def save(self, step: int, saved: Saved) -> Path:
        """Write the checkpoint of `step`; every process must call this. Returns its folder.

        Where that fails, what was written of it is removed: the disk may be full.
        """
        final = self.path(step)
        partial = self.folder / f"{_PARTIAL}{final.name}"
        try:
            if self.rank == 0:
                remove(partial)
                partial.mkdir(parents=True)
                self._write_shared(partial, saved)
            self.barrier()
            self._write_own(partial, saved)
            self.barrier()
            if self.rank == 0:
                self._finish(partial, final, Inventory(step=step, processes=self.processes, files={}, run=saved.run))
        except BaseException:
            if self.rank == 0:
                with suppress(OSError):
                    remove(partial)
            raise
        self.barrier()
        return final

    @staticmethod
    def _write_shared(folder: Path, saved: Saved) -> None:
        for stem, network in saved.modules.items():
            name = stem.partition(".")[0]
            about = {**saved.metadata[name], "needs": NEEDS}
            if saved.average is not None and stem != name:
                about["updates"] = saved.average.updates[name]
            write_tensors(folder / f"{stem}.safetensors", network.state_dict(), about)
        for (owner, name), optimizer in saved.optimizers.by_key.items():
            tensors, plain = optimizer_tensors(optimizer, saved.networks[name])
            about = {"plain": plain, "type": type(optimizer).__name__}
            write_tensors(folder / f"optimizer.{owner}.{name}.safetensors", tensors, about)

    def _write_own(self, folder: Path, saved: Saved) -> None:
        if self.rank > 0 and not folder.is_dir():
            raise RunError(
                Problem(
                    message=f"process {self.rank} does not see {folder}",
                    hint="all machines must write into the same folder: give one that they share with --out",
                )
            )
        remembered = saved.memory.tensors()
        if remembered:
            write_tensors(folder / memory_file(self.rank), remembered)
        buffers = differing_buffers(saved.modules, folder) if self.rank > 0 else {}
        if buffers:
            write_tensors(folder / buffers_file(self.rank), buffers)

    def _finish(self, partial: Path, final: Path, about: Inventory) -> None:
        sums = {path.name: checksum(path) for path in sorted(partial.iterdir())}
        write_inventory(partial, attrs.evolve(about, files=sums))
        for path in partial.iterdir():
            sync(path)
        sync(partial)
        # Where there is one already: a damaged one, as a rule, which an older one was resumed in place of.
        old = self._renamed(final, _OLD) if os.path.lexists(final) else None
        partial.rename(final)
        sync(self.folder)
        self.name_latest(about.step)
        if old is not None:
            self._remove(old)

    def _prune(self, step: int) -> None:
        """Remove what is neither among the newest nor the best."""
        best = self.best()
        # Newer ones than this were found damaged by the resume that led here; they take no whole one's place.
        for old in [known for known in self.steps() if known <= step][: -self.keep]:
            if old != best:
                self._remove(self._renamed(self.path(old), _GONE))

    def _renamed(self, path: Path, before: str) -> Path:
        renamed = self.folder / f"{before}{path.name}"
        remove(renamed)
        return path.rename(renamed)

    @staticmethod
    def _remove(path: Path) -> None:
        with suppress(OSError):  # of no use under that name; the next start tries again
            remove(path)

    def clean(self) -> None:
        """Put in order what a killed process left: nothing of it is lost that was whole."""
        for path in self.folder.glob(f"{_OLD}step-*"):
            place = self.folder / path.name.removeprefix(_OLD)
            if os.path.lexists(place):
                self._remove(path)
            else:
                path.rename(place)
        for path in [*self.folder.glob(f"{_PARTIAL}*"), *self.folder.glob(f"{_GONE}*")]:
            self._remove(path)
        remove_partial(self.folder)

    # -- which of them ------------------------------------------------------------------------------------------

    def best(self) -> int | None:
        """The step of the checkpoint that `best` names, if it names one."""
        return self._named_by("best")

    def _named_by(self, name: str) -> int | None:
        try:
            match = FOLDER.match((self.folder / name).read_text("utf-8").strip())
        except (OSError, ValueError):
            return None
        return int(match[1]) if match else None

    def name_latest(self, step: int) -> None:
        """Let `latest` name the checkpoint of a step, if it does not yet; older ones than are kept go."""
        if self._named_by("latest") != step:
            write_atomic(self.folder / "latest", self.path(step).name + "\n")
        self._prune(step)

    def name_best(self, step: int | None, now: int) -> None:
        """Let `best` name the checkpoint of a step, or none; the one that it named before may go. `now`: steps done."""
        if step is None:
            (self.folder / "best").unlink(missing_ok=True)
        else:
            write_atomic(self.folder / "best", self.path(step).name + "\n")
        self._prune(now)

    def path(self, step: int) -> Path:
        """Where the checkpoint of a step lies."""
        return self.folder / f"step-{step:06d}"

    def whole(self, step: int) -> bool:
        """Whether there is a checkpoint of a step, with all its files as they were written."""
        return step in self.steps() and damage(self.path(step)) is None

    def steps(self) -> list[int]:
        """Steps of the checkpoints on disk, oldest first."""
        names = [match for path in self.folder.glob("step-*") if (match := FOLDER.match(path.name))]
        return sorted(int(match[1]) for match in names)

    def newest_whole(self, saved: Saved) -> tuple[Path | None, list[Problem]]:
        """The newest checkpoint that is whole and can be loaded, and what is wrong with newer ones.

        Raises:
            NewerFormatError: a newer one, which only a later toonforge reads, would be passed over.
        """
        problems: list[Problem] = []
        for step in reversed(self.steps()):
            folder = self.path(step)
            problem = damage(folder) or misfit(folder, read_inventory(folder), saved)
            if problem is None:
                return folder, problems
            problems.append(problem)
        return None, problems

    # -- reading ------------------------------------------------------------------------------------------------

    def load(self, folder: Path, saved: Saved) -> tuple[int, list[str]]:
        """Restore everything from a checkpoint's folder, which `newest_whole` gave.

        Returns:
            Its step, and what the user should know.

        Raises:
            RunError: another number of processes wrote it, and has something in it that belongs to each.
        """
        about = read_inventory(folder)
        notes = self._other_number(folder, about)
        for stem, network in saved.modules.items():
            network.load_state_dict(load_file(folder / f"{stem}.safetensors"))
        if saved.average is not None:
            for name in saved.average.networks:
                saved.average.updates[name] = int(read_metadata(folder / f"{name}.ema.safetensors")["updates"])
        for (owner, name), optimizer in saved.optimizers.by_key.items():
            path = folder / f"optimizer.{owner}.{name}.safetensors"
            load_optimizer(optimizer, saved.networks[name], load_file(path), read_metadata(path)["plain"])
        if not notes:
            put_buffers(saved.modules, _own(folder, about, buffers_file(self.rank)))
            saved.memory.load(_own(folder, about, memory_file(self.rank)))
        return about.step, notes

    def _other_number(self, folder: Path, about: Inventory) -> list[str]:
        if about.processes == self.processes:
            return []
        was, now = _processes(about.processes), _processes(self.processes)
        if own := owners(folder, about.files):
            raise RunError(
                Problem(
                    message=f"{folder} was written by {was} and cannot be continued by {now}",
                    key="train.processes",
                    found="; ".join(own),
                    expected="a checkpoint in which nothing belongs to one process",
                    hint=f"resume with --processes {about.processes}, or begin a new run",
                )
            )
        return [
            f"begun by {was}, continued by {now}: the batches stay the same, but from here on results differ in the "
            "last digits, and by what each process draws for itself, such as dropout"
        ]


def _processes(count: int) -> str:
    return f"{count} processes" if count > 1 else "one process"


def _own(folder: Path, about: Inventory, name: str) -> dict[str, Tensor]:
    # Loaded tensors may still be mapped onto their file, which is deleted one day.
    return {key: value.clone() for key, value in load_file(folder / name).items()} if name in about.files else {}
