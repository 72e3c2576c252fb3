"""resolved.toml, by which a run is known: what is said where it is missing or damaged, and how such a run goes on."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import tomli

from toonforge.errors import Problem, RunError
from toonforge.runs.begun import only_begun
from toonforge.runs.reading import read_text, shallow

NAME = "resolved.toml"
CUT = "it is cut short"
_ALWAYS = {"name", "data", "train"}
"""In every resolved.toml; the last of them comes late in it."""


def is_run(path: Path) -> bool:
    """Whether a path is the folder of a run."""
    return (path / NAME).is_file()


def resume_command(folder: Path) -> str:
    """What to type so that a run goes on."""
    return f"toonforge run {shlex.quote(str(folder))} --resume"


def read_resolved(folder: Path) -> dict[str, Any]:
    """A run's recipe as plain data, as far as it goes.

    Raises:
        FileNotFoundError, NotADirectoryError: there is none.
        RunError: it cannot be read; says how the run can go on all the same.
    """
    try:
        return dict(shallow(tomli.loads(read_text(folder, NAME))))
    except (FileNotFoundError, NotADirectoryError):
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(folder, str(error)) from None


def refuse_damaged(folder: Path) -> None:
    """Raise `RunError` where a run's recipe is missing or damaged; says how the run can go on all the same."""
    try:
        data = read_resolved(folder)
    except (FileNotFoundError, NotADirectoryError):
        raise _unreadable(folder, "it is missing") from None
    if not data.keys() >= _ALWAYS:
        raise _unreadable(folder, CUT)


def _unreadable(folder: Path, found: str) -> RunError:
    return RunError(Problem(message=f"{folder / NAME} cannot be read", found=found, hint=with_its_recipe(folder)))


def lost(folder: Path, now: str) -> str | None:
    """That a run's resolved.toml does not say what it was begun with, in words; None where it does.

    Args:
        now: what the file would be of the recipe that the run is to go on with; one that was cut short is known by it.
    """
    try:
        refuse_damaged(folder)
        text = read_text(folder, NAME)
    except RunError as error:
        found = error.problems[0].found
        return f"{NAME} cannot be read ({found})" if (folder / NAME).exists() else f"{NAME} is missing"
    cut = not text.endswith("\n") or (now != text and now.startswith(text))
    return f"{NAME} cannot be read ({CUT})" if cut else None


def unknown(lost: str) -> str:
    """What follows for a resume from what `lost` says."""
    return (
        f"{lost}: whether the recipe is the one that the run was begun with is not known, but for its name, its seed "
        "and the shapes of its networks, as far as checkpoints tell; it is written anew"
    )


def has_checkpoints(folder: Path) -> bool:
    """Whether a folder holds checkpoints of a run, whole or not, one included whose successor did not come."""
    return any(path.is_dir() for name in ("step-*", ".old-step-*") for path in (folder / "checkpoints").glob(name))


def refuse_unknown(folder: Path) -> None:
    """Raise `RunError` for a folder without a resolved.toml, unless it has checkpoints with which it can go on."""
    if is_run(folder) or has_checkpoints(folder):
        return
    begins = not folder.exists() or only_begun(folder) or (folder.is_dir() and not any(folder.iterdir()))
    raise RunError(
        Problem(
            message=f"{folder} is no run to resume",
            found=f"no {NAME} and no checkpoints" if folder.is_dir() else "no such folder",
            hint="leave out --resume to begin one" if begins else "choose another folder with --out to begin one",
        )
    )


def with_its_recipe(folder: Path) -> str:
    """How a run goes on that does not know its recipe."""
    copy, place = folder / "recipe.toml", shlex.quote(str(folder))
    given, before = "RECIPE", "continue with the recipe that the run was begun with"
    if copy.is_file():
        given, before = shlex.quote(str(copy)), "continue with its recipe, and with what was given with --set"
        extends = _extends(folder)
        if extends is not None and extends.endswith(".toml") and not (folder / extends).is_file():
            base = "base.toml"
            instead = f'first replace extends = "{extends}" in it by "{base}"' if (folder / base).is_file() else ""
            before += f" ({instead or f'it extends {extends}, which must lie where it says'})"
    return f"put it back from a copy, or {before}: toonforge run {given} --out {place} --resume"


def _extends(folder: Path) -> str | None:
    try:
        found = tomli.loads(read_text(folder, "recipe.toml")).get("extends")
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, str) else None
