"""Checkpoints: folders of safetensors and JSON, whole or absent, verified by checksum. No pickle anywhere.

A checkpoint is written into a hidden folder, flushed to the disk, renamed, and only then named by `latest`. Where the
recipe asks for the best one to be kept, `best` names it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from toonforge.errors import Problem, RunError
from toonforge.files import sync, write_atomic
from toonforge.runs.metadata import FORMAT, read_metadata, refuse_newer
from toonforge.train.state import Average, Optimizers, load_optimizer, optimizer_tensors, tensors_of

_FOLDER = re.compile(r"step-(\d{6,})\Z")


@attrs.frozen(kw_only=True)
class Saved:
    """What a checkpoint saves and restores, besides the step.

    Attributes:
        networks: the bare modules by name.
        metadata: network name -> what makes its weights describe themselves (JSON-able).
        average: the moving averages, if the run keeps them.
        optimizers: every optimizer of the run.
        ops: ops with state, by text; theirs is saved per process.
    """

    networks: Mapping[str, nn.Module]
    metadata: Mapping[str, Mapping[str, Any]]
    average: Average | None
    optimizers: Optimizers
    ops: Mapping[str, Any]


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

    def save(self, step: int, saved: Saved) -> Path:
        """Write the checkpoint of `step`; every process must call this. Returns its folder."""
        final = self.path(step)
        partial = self.folder / f".partial-{final.name}"
        if self.rank == 0:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
        self.barrier()
        self._write_ops(partial, saved)
        if self.rank == 0:
            self._write_shared(partial, saved)
        self.barrier()
        if self.rank == 0:
            self._finish(partial, final, step)
        self.barrier()
        return final

    def _write_ops(self, folder: Path, saved: Saved) -> None:
        tensors = {key: value for text, op in saved.ops.items() for key, value in tensors_of(op.state_dict(), text)}
        _write_tensors(folder / f"ops.rank{self.rank}.safetensors", tensors)

    @staticmethod
    def _write_shared(folder: Path, saved: Saved) -> None:
        for name, network in saved.networks.items():
            metadata = {"toonforge": json.dumps(saved.metadata[name])}
            _write_tensors(folder / f"{name}.safetensors", network.state_dict(), metadata)
        if saved.average is not None:
            for name, network in saved.average.networks.items():
                more = {**saved.metadata[name], "updates": saved.average.updates[name]}
                _write_tensors(
                    folder / f"{name}.ema.safetensors", network.state_dict(), {"toonforge": json.dumps(more)}
                )
        for (owner, name), optimizer in saved.optimizers.by_key.items():
            tensors, plain = optimizer_tensors(optimizer, saved.networks[name])
            _write_tensors(
                folder / f"optimizer.{owner}.{name}.safetensors", tensors, {"toonforge": json.dumps({"plain": plain})}
            )

    def _finish(self, partial: Path, final: Path, step: int) -> None:
        sums = {path.name: _checksum(path) for path in sorted(partial.iterdir())}
        about = {"format": FORMAT, "step": step, "processes": self.processes, "files": sums}
        (partial / "checkpoint.json").write_text(json.dumps(about, indent=1), "utf-8")
        for path in partial.iterdir():
            sync(path)
        sync(partial)
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)
        sync(self.folder)
        write_atomic(self.folder / "latest", final.name + "\n")
        self._prune(step)

    def _prune(self, step: int) -> None:
        """Remove what is neither among the newest nor the best."""
        best = self.best()
        # Newer ones than this were found damaged by the resume that led here; they take no whole one's place.
        for old in [known for known in self.steps() if known <= step][: -self.keep]:
            if old != best:
                shutil.rmtree(self.path(old))

    def best(self) -> int | None:
        """The step of the checkpoint that `best` names, if it names one."""
        try:
            match = _FOLDER.match((self.folder / "best").read_text("utf-8").strip())
        except (OSError, ValueError):
            return None
        return int(match[1]) if match else None

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
        return step in self.steps() and verify(self.path(step)) is None

    def steps(self) -> list[int]:
        """Steps of the checkpoints on disk, oldest first."""
        names = [match for path in self.folder.glob("step-*") if (match := _FOLDER.match(path.name))]
        return sorted(int(match[1]) for match in names)

    def newest_whole(self) -> tuple[Path | None, list[Problem]]:
        """The newest checkpoint whose files all match their checksums, and what was wrong with newer ones."""
        problems: list[Problem] = []
        for step in reversed(self.steps()):
            folder = self.path(step)
            problem = verify(folder)
            if problem is None:
                return folder, problems
            problems.append(problem)
        return None, problems

    def load(self, folder: Path, saved: Saved) -> int:
        """Restore everything from a checkpoint's folder; returns its step."""
        about = read_about(folder)
        if about["processes"] != self.processes:
            raise RunError(
                Problem(
                    message=f"{folder} was written by another number of processes",
                    found=f"--processes {self.processes}",
                    expected=str(about["processes"]),
                    hint="image pools belong to processes: resume with as many as the run began with",
                )
            )
        for name, network in saved.networks.items():
            network.load_state_dict(load_file(folder / f"{name}.safetensors"))
            if saved.average is not None and name in saved.average.networks:
                path = folder / f"{name}.ema.safetensors"
                saved.average.networks[name].load_state_dict(load_file(path))
                saved.average.updates[name] = read_metadata(path)["updates"]
        for (owner, name), optimizer in saved.optimizers.by_key.items():
            path = folder / f"optimizer.{owner}.{name}.safetensors"
            load_optimizer(optimizer, saved.networks[name], load_file(path), read_metadata(path)["plain"])
        tensors = load_file(folder / f"ops.rank{self.rank}.safetensors")
        for text, op in saved.ops.items():
            prefix = f"{text}::"
            op.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
        return int(about["step"])

    def clean(self) -> None:
        """Remove what an interrupted write left behind."""
        for path in self.folder.glob(".partial-*"):
            shutil.rmtree(path, ignore_errors=True)


def read_about(folder: Path) -> dict[str, Any]:
    """The checkpoint's own description; `RunError` where it is missing, damaged or from a newer toonforge."""
    try:
        about = json.loads((folder / "checkpoint.json").read_text("utf-8"))
        refuse_newer(folder, int(about["format"]))
        return {"step": int(about["step"]), "processes": int(about["processes"]), "files": dict(about["files"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(Problem(message=f"{folder} is no whole checkpoint", found=f"checkpoint.json: {error}")) from None


def verify(folder: Path) -> Problem | None:
    """What is wrong with a checkpoint's files, or None."""
    try:
        files = read_about(folder)["files"]
    except RunError as error:
        if "newer" in error.problems[0].message:
            raise
        return error.problems[0]
    for name, expected in files.items():
        path = folder / Path(name).name
        found = _checksum(path) if path.is_file() else "no such file"
        if found != expected:
            return Problem(
                message=f"{path} is damaged", found=f"sha256 {found[:16]}", expected=f"sha256 {expected[:16]}"
            )
    return None


def _write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    # safetensors refuses channels-last tensors; the format is no part of the values.
    try:
        save_file({key: value.detach().contiguous() for key, value in tensors.items()}, path, metadata)
    except SafetensorError as error:
        # A full disk, say: safetensors gives the system's error number in its text alone.
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error


def _checksum(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
