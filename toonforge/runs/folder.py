"""A run's folder: what describes it, and its log of events."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import tomli

from toonforge import registries
from toonforge.components import ImageSource
from toonforge.errors import Problem, RunError, ToonforgeError
from toonforge.files import copy_whole, make_folder, remove_partial, sync, write_atomic
from toonforge.recipe.loading import loads
from toonforge.recipe.model import Recipe
from toonforge.recipe.resolved import differences, dump
from toonforge.runs.alone import alone, refuse_held
from toonforge.runs.base import write_base
from toonforge.runs.begun import clear_begun, only_begun
from toonforge.runs.data_list import compare_data_list, write_data_list
from toonforge.runs.described import has_checkpoints, lost, refuse_unknown, unknown
from toonforge.runs.disk import writing
from toonforge.runs.fingerprint import Compared, changed_pictures, difference, same
from toonforge.runs.first_weights import KEY, recorded
from toonforge.runs.kinds import refuse_kinds
from toonforge.runs.leftovers import remove_after
from toonforge.runs.links import refuse_links
from toonforge.runs.log import NAME, truncate, write_event, write_events
from toonforge.runs.may_change import follows_length, may_change, refused
from toonforge.runs.moved import other_pictures, same_pictures, says_where, ways_back


class RunFolder:
    """Where a run lies.

    Args:
        path: the folder, made by `begin`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.resolved = path / "resolved.toml"
        self.log = path / NAME
        self.checkpoints = path / "checkpoints"
        self.samples = path / "samples"
        self.pictures = path / "metrics"

    def refuse(self, resume: bool) -> None:
        """Raise `RunError` where a run cannot begin or go on here; needs no torch, so that it can be asked early."""
        if resume:
            self._refuse_resuming()
        elif self.path.exists() and not only_begun(self.path) and (not self.path.is_dir() or any(self.path.iterdir())):
            is_run = self.resolved.is_file() or has_checkpoints(self.path)
            raise RunError(
                Problem(
                    message=f"{self.path} is there already" + ("" if is_run else ", and it is no run"),
                    hint=f"continue it with --resume, or choose another folder with --out {self.path}-2"
                    if is_run
                    else "choose another folder with --out",
                )
            )

    def refuse_busy(self) -> None:
        """Raise `RunError` where the run is being trained; needs no torch."""
        refuse_held(self.path, self._busy)

    @contextmanager
    def alone(self, resume: bool) -> Iterator[None]:
        """Refuse a second training in this folder, which is made if need be, until this one is over or killed."""
        self.refuse_busy()
        self.refuse(resume)
        with ExitStack() as stack:
            with writing(self.path):
                make_folder(self.path)
                stack.enter_context(alone(self.path, self._busy))
            yield

    def _busy(self, holder: str) -> Problem:
        return Problem(
            message=f"{self.path} is being trained by another process ({holder})",
            hint="wait for it, or stop it; to train beside it, choose another folder with --out",
        )

    def _refuse_resuming(self) -> None:
        refuse_links(self.path)
        refuse_kinds(self.path)
        refuse_unknown(self.path)

    @property
    def lists_data(self) -> bool:
        """Whether `data.csv` is there; a process may have been killed before it was."""
        return (self.path / "data.csv").is_file()

    def list_data(self, recipe: Recipe, sources: Mapping[str, ImageSource]) -> None:
        """Write `data.csv`: every picture, with the part that it is in. `sources`: part -> its items."""
        fields = {group: list(fields) for group, fields in recipe.data.groups().items()}
        with writing(self.path):
            write_data_list(self.path / "data.csv", sources, fields)

    def begin(self, recipe: Recipe, source: Path | None, data: Mapping[str, str]) -> None:
        """Make the folder and describe the run in it. `data`: what `fingerprint` says of the pictures."""
        self.refuse(resume=False)
        with writing(self.path):
            make_folder(self.path)
            clear_begun(self.path, source)  # of a start that was killed here
            self.checkpoints.mkdir()
            self.samples.mkdir()
            self._describe(recipe, source, data)

    def changes(self, recipe: Recipe, data: Mapping[str, str], sources: Mapping[str, ImageSource]) -> list[str]:
        """What a resume changes, in words; nothing is written.

        Args:
            recipe: as it is now.
            data: what `fingerprint` says of the pictures now.
            sources: part -> its items.

        Raises:
            RunError: the folder holds no run, or one of another recipe, or of other pictures than those that lie where
                the recipe newly says.
        """
        self.refuse(resume=True)
        without = lost(self.path, dump(recipe))
        changes = [] if without else differences(self._before(), tomli.loads(dump(recipe)))
        moved = [change for change in changes if says_where(change.key, recipe.data)]
        problems = [
            refused(self.path, change) for change in changes if change not in moved and not may_change(change.key)
        ]
        was = self._data()
        others = {
            key: (was.get(key, "none"), data.get(key, "none"), self._compared(key, recipe, sources))
            for key in ({**was, **data} if was else ())
            if not same(was.get(key, "none"), data.get(key, "none"))
        }
        alike = same_pictures(was, data)
        if moved and not alike:
            problems += other_pictures(moved, [": ".join(difference(key, *how)) for key, how in others.items()])
        if problems:
            raise RunError(*problems)
        notes = [f"{change} ({alike})" if change in moved else str(change) for change in changes]
        if without is not None:
            notes.append(unknown(without))
        if any(change.key in ("train.steps", "train.epochs") for change in changes) and follows_length(recipe):
            notes.append("learning rates follow their schedules over the new length from here on, not from the start")
        if (gone := self._lock_lost()) is not None:
            notes.append(f"{gone}: whether pictures have changed since then is not known; it is written anew")
        return [*notes, *(changed_pictures(key, *how) for key, how in others.items() if key in was)]

    def _compared(self, key: str, recipe: Recipe, sources: Mapping[str, ImageSource]) -> Compared | None:
        """What data.csv tells of the pictures of a fingerprint's key."""
        part, group = key.split(": ", 1) if ": " in key else ("train", key)
        fields = recipe.data.groups().get(group)
        if part not in sources or fields is None:
            return None
        return compare_data_list(self.path / "data.csv", part, group, sources[part], list(fields))

    def _before(self) -> Mapping[str, Any]:
        """The recipe as the run has it, keys that are newer than the run at their defaults."""
        text = self.resolved.read_text("utf-8")
        try:
            return tomli.loads(dump(loads(text)))
        except ToonforgeError:
            return tomli.loads(text)

    def describe(self, recipe: Recipe, source: Path | None, data: Mapping[str, str], anew: bool) -> bool:
        """Describe a resumed run in its folder, if `anew` or where a killed process left that out; says whether."""
        if not anew and self._data() == data and self.lists_data:
            return False
        with writing(self.path):
            self._describe(recipe, source, data)
        return True

    def ways_back(self, recipe: Recipe, problems: Sequence[Problem]) -> list[Problem]:
        """The problems of a run that is to go on; those of pictures that are gone say how it can. Needs no torch."""
        return ways_back(problems, recipe.data, self._started_in())

    def _started_in(self) -> Path | None:
        try:
            return Path(json.loads((self.path / "lock.json").read_text("utf-8"))["folder"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def _lock_lost(self) -> str | None:
        """That lock.json says nothing, in words; None where it can be read."""
        lock = self.path / "lock.json"
        try:
            known = isinstance(json.loads(lock.read_text("utf-8")), dict)
        except FileNotFoundError:
            return "lock.json is missing"
        except (OSError, ValueError, RecursionError):
            known = False
        return None if known else "lock.json is damaged"

    def _data(self) -> Mapping[str, str]:
        """The fingerprint of all pictures as the run has it; nothing where it cannot be read."""
        try:
            found = json.loads((self.path / "lock.json").read_text("utf-8"))["data"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return {}
        return {key: str(text) for key, text in found.items()} if isinstance(found, dict) else {}

    def _describe(self, recipe: Recipe, source: Path | None, data: Mapping[str, str]) -> None:
        if source is not None:
            copy_whole(source, self.path / "recipe.toml")
            write_base(self.path, source)
        lock = {**_environment(recipe), "data": dict(data)}
        if started_from := recorded(self.path):
            lock[KEY] = started_from
        write_atomic(self.path / "lock.json", json.dumps(lock, indent=1) + "\n")
        write_atomic(self.resolved, dump(recipe))

    def truncate_log(self, step: int) -> None:
        """Drop events after `step`, which a resumed run writes again, and a last line cut short."""
        with writing(self.path):
            truncate(self.path, step)

    def remove_pictures(self, step: int) -> None:
        """Remove pictures of steps after `step`, which a resumed run makes again, and files that are half written."""
        with writing(self.path):
            remove_after(self.path, step)
            for folder in (self.path, self.path / "trackers"):
                remove_partial(folder)

    def write_event(self, event: str, step: int, **more: Any) -> None:
        """Append one line to metrics.jsonl; see `toonforge.runs.log`."""
        with writing(self.path):
            write_event(self.log, event, step, **more)

    def write_events(self, lines: Sequence[tuple[str, int, Mapping[str, Any]]]) -> None:
        """Append several lines, (event, step, its values) each, in one go."""
        with writing(self.path):
            write_events(self.log, lines)

    def sync_log(self) -> None:
        """Wait until all that was written to metrics.jsonl is on the disk."""
        with writing(self.path):
            if self.log.exists():
                sync(self.log)
                sync(self.path)


def remeasures(change: str, metric: str) -> bool:
    """Whether numbers of a metric made after a change do not compare with earlier ones.

    Args:
        change: as `RunFolder.resume` tells of it.
        metric: "metric" or "metric.part".
    """
    key, name = change.partition(":")[0], metric.partition(".")[0]
    return key == f"metrics.{name}" or key.startswith((f"metrics.{name}.", "the validation pictures of "))


def _environment(recipe: Recipe) -> Mapping[str, Any]:
    import torch

    packages = {}
    for name in ("toonforge", "torch", "accelerate", "safetensors", "numpy", "pillow"):
        try:
            packages[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            packages[name] = "not installed as a package"
    return {
        "folder": os.getcwd(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": packages,
        "plugins": {r.name: f"{r.distribution} {r.version}" for r in registries.plugins.records if r.status == "good"},
        "seed": recipe.train.seed,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine(),
        "threads": torch.get_num_threads(),
    }
