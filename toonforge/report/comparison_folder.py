"""Where a comparison goes, and that it replaces nothing but an earlier comparison."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from toonforge.errors import Problem, RunError
from toonforge.files import write_atomic
from toonforge.report.compare_table import link
from toonforge.report.compared import SWEEP, Compared

MARKER, FORMAT = "comparison.json", 1
"""Says that a comparison lies in a folder: of which runs, and which of the files are its own."""
SHOWN = 4
"""Names that a message gives; the rest are counted."""
_OURS = re.compile(r"compare\.html|table\.(md|csv)|(curves|losses)\.(csv|png|svg)|grid-[^/\\]*\.jpg", re.DOTALL)
LONGEST = 80
"""Characters of a folder's name before its hash."""


def default_folder(runs: Sequence[Compared], below: Path = Path("comparisons")) -> Path:
    """`comparisons/NAMES`: the same for the same runs, and another for any others.

    The names stand alone where they are all there and short, and nothing else lies there; else a hash of the runs'
    paths follows, so that no comparison replaces another.
    """
    names = [run.name.replace("/", "-") for run in runs]
    text = "+".join(names[:3]) + (f"+{len(names) - 3}" if names[3:] else "")
    short = text[:LONGEST].strip(". ") or "runs"
    plain = below / short
    whole = short == text and not names[3:]
    if whole and (not plain.exists() or _runs_in(plain) == _links(runs, plain)):
        return plain
    paths = "\n".join(run.folder.resolve().as_posix() for run in runs)
    return below / f"{short}-{hashlib.sha256(paths.encode('utf-8', 'surrogateescape')).hexdigest()[:6]}"


def own_files(folder: Path) -> frozenset[str]:
    """Names of the files in a folder that a comparison has written; never others than it may write."""
    data = _read(folder)
    return frozenset(name for name in data["files"] if _OURS.fullmatch(name)) if data is not None else frozenset()


def claim(folder: Path, runs: Sequence[Compared], files: Iterable[str]) -> None:
    """Say in the folder, which is there, that these files are the comparison's, before any of them is written.

    Raises:
        RunError: where one of them is there already and no comparison has written it, or where the folder holds
            something and is neither a comparison's nor a sweep's.
    """
    wanted, own = set(files), own_files(folder)
    strange = sorted(item.name for item in folder.iterdir())
    if (folder / SWEEP).is_file():  # it began empty, and what compares its runs lies in it
        strange = []
    elif _read(folder) is not None:
        strange = [name for name in strange if name in wanted - own]
    if strange:
        more = f" and {len(strange) - SHOWN} more" if strange[SHOWN:] else ""
        raise RunError(
            Problem(
                message=f"{folder} holds files that no comparison has written",
                found=", ".join(strange[:SHOWN]) + more,
                expected="a new or an empty folder, or that of an earlier comparison",
                hint="choose another folder with -o",
            )
        )
    _write(folder, runs, wanted | own)


def settle(folder: Path, runs: Sequence[Compared], files: Iterable[str]) -> None:
    """Remove what an earlier comparison has left besides these files, and say that these are all."""
    now = set(files)
    for name in own_files(folder) - now:
        (folder / name).unlink(missing_ok=True)
    _write(folder, runs, now)


def _write(folder: Path, runs: Sequence[Compared], files: Iterable[str]) -> None:
    data = {"format": FORMAT, "runs": _links(runs, folder), "files": sorted(files)}
    write_atomic(folder / MARKER, json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def _links(runs: Sequence[Compared], folder: Path) -> list[str]:
    return [link(run.folder, folder) for run in runs]


def _runs_in(folder: Path) -> list[str] | None:
    data = _read(folder)
    return data["runs"] if data is not None else None


def _read(folder: Path) -> dict[str, list[str]] | None:
    """What the marker says; None where there is none that a comparison has written."""
    try:
        data = json.loads((folder / MARKER).read_text("utf-8"))
        runs, files = data["runs"], data["files"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    lists = all(isinstance(found, list) and all(isinstance(one, str) for one in found) for found in (runs, files))
    return {"runs": runs, "files": files} if lists else None
