"""Which checkpoint of a run is meant, and which of its files hold the weights. No tensor is read."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import attrs

from toonforge.errors import Problem, RunError
from toonforge.names import did_you_mean
from toonforge.runs.described import is_run
from toonforge.runs.inventory import FOLDER, NAME, damage
from toonforge.weights.described import AVERAGED, SUFFIX
from toonforge.weights.named import PLACES

POINTERS: tuple[Literal["best", "latest"], ...] = ("best", "latest")
"""Files in a run's `checkpoints` that hold the name of a checkpoint's folder."""
FOR_OTHERS = {".onnx": "an ONNX file", ".pt2": "a program of torch.export"}
"""Endings of exports that toonforge does not load, and what they are."""


@attrs.frozen(kw_only=True)
class Chosen:
    """Which of a run's checkpoints was taken.

    Attributes:
        folder: where its weights files lie.
        step: how many steps were done; None where the path does not say so (copied weights files).
        name: "best" or "latest", whichever the run calls it by; None where it was given by its step or path.
    """

    folder: Path
    step: int | None
    name: Literal["best", "latest"] | None = None

    def __str__(self) -> str:
        if self.step is None:
            return str(self.folder)
        return f"{self.name} checkpoint, step {self.step}" if self.name else f"checkpoint of step {self.step}"


def choose_checkpoint(path: Path, checkpoint: str | int | None = None) -> Chosen:
    """The checkpoint that a user means.

    Args:
        path: a run's folder, its `checkpoints`, a checkpoint's folder, or a folder of weights files.
        checkpoint: "best", "latest" or a step, of a run; by default the best where the run keeps one
            (`train.metrics.best`), else the latest.

    Raises:
        RunError: for a path that is not there, a checkpoint that is not there, or a choice among what is only one.
    """
    if os.path.lexists(path) and not path.is_dir():
        what = "is no regular file" if path.exists() else "is a link that leads nowhere"
        raise RunError(Problem(message=f"{path} {what}", expected=PLACES))
    if not path.is_dir():
        near = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        raise RunError(Problem(message=f"{path} is not there", expected=PLACES, hint=did_you_mean(path.name, near)))
    home = next((folder for folder in (path / "checkpoints", path) if _is_home(folder)), None)
    if home is None:
        if checkpoint is not None and not is_run(path):
            raise _no_choice(path, checkpoint)
        return Chosen(folder=path, step=_step(path))
    if checkpoint is None:
        return _named(home, "best" if (home / "best").is_file() else "latest")
    if checkpoint in POINTERS:
        return _named(home, "best" if checkpoint == "best" else "latest")
    return _of_step(home, checkpoint)


def _is_home(folder: Path) -> bool:
    """Whether it is the folder that holds a run's checkpoints."""
    return any((folder / name).is_file() for name in POINTERS)


def _named(home: Path, name: Literal["best", "latest"]) -> Chosen:
    pointer = home / name
    if not pointer.is_file():
        hint = "the run keeps its best checkpoint where train.metrics.best names a metric" if name == "best" else None
        raise RunError(Problem(message=f"{home.parent} has no {name} checkpoint", expected=_on_disk(home), hint=hint))
    text = pointer.read_text("utf-8", errors="replace").strip()
    folder = home / text
    if not folder.is_dir() or folder.parent != home or text == "..":
        raise RunError(
            Problem(
                message=f"{pointer} names no checkpoint",
                found=text[:80],
                expected=_on_disk(home),
                hint="take another one with --checkpoint",
            )
        )
    return Chosen(folder=folder, step=_step(folder), name=name)


def _of_step(home: Path, checkpoint: str | int) -> Chosen:
    text = str(checkpoint)
    wrong = f"{home.parent} has no checkpoint {text!r}"
    if text.isascii() and text.isdecimal() and not isinstance(checkpoint, bool):
        folder = home / f"step-{int(text):06d}"
        if folder.is_dir():
            return Chosen(folder=folder, step=int(text))
        wrong = f"{home.parent} has no checkpoint of step {int(text)}"
    raise RunError(
        Problem(
            message=wrong,
            expected=_on_disk(home),
            hint=did_you_mean(text, POINTERS) or "train.checkpoint says which are written and how many are kept",
        )
    )


def _on_disk(home: Path, without: Path | None = None) -> str:
    """What may be given for a checkpoint, in words; `without`: the folder of one that may not."""
    names = [name for name in POINTERS if (home / name).is_file() and without is None]
    folders = (folder for folder in home.iterdir() if folder.is_dir() and folder != without)
    steps = sorted(step for folder in folders if (step := _step(folder)) is not None)
    listed = ", ".join(map(str, steps)) if len(steps) <= 12 else f"{steps[0]}, {steps[1]}, …, {steps[-2]}, {steps[-1]}"
    return ", ".join(filter(None, (*names, f"or a step on disk: {listed}" if steps and names else listed)))


def _step(folder: Path) -> int | None:
    match = FOLDER.match(folder.resolve().name)
    return int(match[1]) if match else None


def _no_choice(path: Path, checkpoint: str | int) -> RunError:
    return RunError(
        Problem(
            message=f"{path} is no run: there is no checkpoint to choose",
            found=f"checkpoint {str(checkpoint)!r}",
            hint="give the run's folder",
        )
    )


def find_weights(path: Path, checkpoint: str | int | None = None) -> tuple[Chosen, list[Path]]:
    """The checkpoint that a user means, and its networks' files, moving averages in the place of trained weights.

    Args:
        path: see `choose_checkpoint`; or one file of weights.
        checkpoint: see `choose_checkpoint`.
    """
    if path.is_file() and path.suffix == ".toml":
        raise RunError(
            Problem(
                message=f"{path} is a recipe, not what training made of it",
                expected=PLACES,
                hint=f"train it first: toonforge run {shlex.quote(str(path))}; then give the run's folder",
            )
        )
    if path.is_file() and path.suffix.lower() in FOR_OTHERS:
        raise RunError(
            Problem(
                message=f"{path} is {FOR_OTHERS[path.suffix.lower()]}, which other programs run",
                expected=PLACES,
                hint="toonforge export MODEL -o FILE.safetensors writes one file that toonforge loads",
            )
        )
    if path.is_file():
        if checkpoint is not None:
            raise RunError(
                Problem(
                    message=f"{path} is one file: there is no checkpoint to choose",
                    found=f"checkpoint {str(checkpoint)!r}",
                    hint="leave the checkpoint out; a run's folder holds several",
                )
            )
        return Chosen(folder=path.parent, step=_step(path.parent)), [path]
    chosen = choose_checkpoint(path, checkpoint)
    names = {file.name.removesuffix(SUFFIX) for file in chosen.folder.glob(f"*{SUFFIX}") if "." not in file.stem}
    if not names:
        raise RunError(
            Problem(
                message=f"{path} holds no weights",
                expected=PLACES,
                hint="the run may have no checkpoint yet" if is_run(path) else None,
            )
        )
    return chosen, [preferred(chosen.folder, name) for name in sorted(names)]


def refuse_damaged(chosen: Chosen, files: Sequence[Path], all_of_run: bool) -> None:
    """Raise `RunError` where weights of a checkpoint are not as they were written; all is said at once.

    Reading them once more for that takes much less than loading PyTorch. Optimizers and the like are not looked at, and
    weights that were copied elsewhere without their checkpoint.json cannot be.

    Args:
        chosen: where they lie.
        files: those that are used.
        all_of_run: whether, in a run's folder, all networks that were written must be there and whole.
    """
    folder = chosen.folder
    if not os.path.lexists(folder / NAME):
        return
    used = {path.name for path in files}
    in_run = _is_home(folder.parent)

    def matters(name: str) -> bool:
        return name in used or (in_run and all_of_run and _is_network(name))

    problem = damage(folder, matters)
    if problem is not None:
        others = _on_disk(folder.parent, without=folder) if in_run else ""
        hint = f"take another checkpoint with --checkpoint: {others}" if others else "put it back from a copy"
        raise RunError(attrs.evolve(problem, hint=hint))


def _is_network(name: str) -> bool:
    stem = name.removesuffix(AVERAGED) if name.endswith(AVERAGED) else name.removesuffix(SUFFIX)
    return name.endswith(SUFFIX) and "." not in stem


def preferred(folder: Path, network: str, averaged: bool = True) -> Path:
    """A network's weights file in a checkpoint's folder: its moving average where there is one."""
    average = folder / f"{network}{AVERAGED}"
    return average if averaged and average.is_file() else folder / f"{network}{SUFFIX}"
