"""OUT, a folder of the verb's own: who may write there, what it was begun with, and what may be removed from it."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from toonforge.data.reading.picture import shown
from toonforge.errors import DataError, Problem, ToonforgeError
from toonforge.files import write_atomic, written_for
from toonforge.prepare.engine import placing
from toonforge.prepare.engine.copying import is_partial
from toonforge.prepare.engine.manifest import CSV, JSON, is_below, one_line
from toonforge.prepare.engine.task import Source

FORMAT = 1
_NOTHING = ".DS_Store"
"""What an empty folder may hold: what macOS leaves where one has looked."""

_ANEW = "--force begins anew (it removes what this verb wrote there); or give another folder with -o"


def refuse_overlap(source: Path, out: Path, sources: Sequence[Source] = ()) -> None:
    """Raise `DataError` where OUT is the source folder, lies in it or holds it, links followed."""
    ours = Path(os.path.realpath(out))
    folders = {source: Path(os.path.realpath(source))}
    for parent in {one.path.parent for one in sources} - {source}:
        folders[parent] = Path(os.path.realpath(parent))
    for given, real in folders.items():
        if real == ours or ours in real.parents or (given == source and real in ours.parents):
            how = "is" if real == ours else "holds" if ours in real.parents else "lies in"
            raise DataError(
                Problem(
                    message=f"the folder to write to {how} the folder that is read",
                    found=f"{shown(out)} {how} {shown(given)}",
                    hint="give a folder beside it with -o",
                )
            )


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Make OUT, and refuse a second call that would work in it at the same time.

    Raises:
        DataError: OUT is no folder, cannot be made, or is at work.
    """
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(out, os.O_RDONLY)
    try:
        try:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(
                Problem(message=f"another command is at work in {shown(out)}", hint="wait for it, or stop it")
            ) from None
        except (ImportError, OSError):  # Windows, or a file system without locks
            pass
        yield
    finally:
        os.close(descriptor)


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Say what is wrong where OUT cannot be written."""
    try:
        yield
    except OSError as error:
        raise cannot_write(out, error) from error


def cannot_write(out: Path, error: OSError) -> ToonforgeError:
    """The message for what the system refused, and what to do."""
    hint = "allow writing there, or give another folder with -o"
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        hint = "make room, and run the same command again: it goes on where it stopped"
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        hint = "a file lies where a folder is wanted: move it, or give another folder with -o"
    where = f" ({shown(os.fspath(error.filename))})" if isinstance(error.filename, str | os.PathLike) else ""
    found = f"{error.strerror or error}{where}"
    return DataError(Problem(message=f"{shown(out)} cannot be written", found=found, hint=hint))


def begun(out: Path, verb: str) -> Mapping[str, Any] | None:
    """What OUT was begun with (its manifest.json), or None where it is empty.

    Raises:
        DataError: it holds something that this verb did not write; such is a link to a folder, through which something
            elsewhere would be written over.
    """
    file = out / JSON
    for folder, inner, _ in os.walk(out):
        for name in inner:
            if os.path.islink(os.path.join(folder, name)):
                link = os.path.join(folder, name)
                raise _not_ours(out, f"{one_line(link)} is a link to a folder elsewhere")
    names = (entry.name for entry in out.iterdir())
    strangers = sorted(name for name in names if name != _NOTHING and written_for(name) != JSON)
    if not strangers:
        return None
    if JSON not in strangers:
        others = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
        raise _not_ours(out, f"{one_line(strangers[0])}{others}, and no {JSON}")
    try:
        data = json.loads(file.read_bytes())
        if not isinstance(data, dict) or not isinstance(data.get("settings"), dict):
            raise ValueError("it holds no settings")
    except (OSError, ValueError, RecursionError) as error:
        raise _not_ours(out, f"{JSON} cannot be read: {error}") from None
    if data.get("verb") != verb or data.get("format") != FORMAT:
        wrote = data.get("verb") if data.get("verb") != verb else f"another version of toonforge ({verb})"
        raise _not_ours(out, f"it was written by: {shown(str(wrote))[:80]}")
    return data


def _not_ours(out: Path, found: str) -> DataError:
    return DataError(
        Problem(
            message=f"{shown(out)} holds what this command did not write",
            found=found,
            expected="a new or empty folder, or one that this command began",
            hint="give another folder with -o",
        )
    )


def refuse_changed(out: Path, before: Mapping[str, Any], settings: Mapping[str, Any], source: Path) -> None:
    """Raise `DataError` where OUT was begun with other settings, or of another folder that is still there."""
    was = before["settings"]
    changed = [key for key in {**was, **settings} if was.get(key, _NONE) != settings.get(key, _NONE)]
    differences = [f"{key} was {_shown(was, key)}, and is {_shown(settings, key)} now" for key in changed]
    folder = before.get("source")
    if folder != str(source) and isinstance(folder, str) and os.path.isdir(folder):
        differences.append(f"it was made of {shown(folder)}, and not of {shown(source)}")
    if differences:
        raise DataError(
            Problem(
                message=f"{shown(out)} was begun with other settings: {'; '.join(differences)}",
                hint=_ANEW,
            )
        )


_NONE = object()


def _shown(settings: Mapping[str, Any], key: str) -> str:
    return json.dumps(settings[key], ensure_ascii=False)[:200] if key in settings else "not there"


def places_of(before: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns that name outputs in a manifest of other settings."""
    places = before.get("places")
    return tuple(map(str, places)) if isinstance(places, list) else ()


def plain(settings: Mapping[str, object]) -> Mapping[str, Any]:
    """Settings as JSON gives them back: tuples are lists, paths are text."""
    data: Mapping[str, Any] = json.loads(json.dumps(settings, default=str))
    return data


def write_begun(
    out: Path,
    verb: str,
    settings: Mapping[str, Any],
    source: Path,
    counts: Mapping[str, int] | None = None,
    places: Sequence[str] = (),
) -> None:
    """Write manifest.json. `places`: columns of the manifest that name outputs besides its `output`."""
    from toonforge import __version__

    data = {
        "format": FORMAT,
        "verb": verb,
        "toonforge": __version__,
        "source": shown(source),
        "settings": settings,
        "places": [*places],
        "counts": counts or {},
    }
    write_atomic(out / JSON, shown(json.dumps(data, indent=2, ensure_ascii=False)) + "\n")


def clean(out: Path) -> None:
    """Remove the parts of files that a call left behind when it was killed."""
    for folder, _, files in os.walk(out):
        for name in filter(is_partial, files):
            os.unlink(os.path.join(folder, name))


def sweep(out: Path) -> None:
    """Remove the parts of files that this call leaves behind, as far as possible."""
    for folder, _, files in os.walk(out):
        for name in filter(is_partial, files):
            with suppress(OSError):
                os.unlink(os.path.join(folder, name))


@contextmanager
def swept(out: Path) -> Iterator[None]:
    """Leave no parts of files behind where the work ends in an error. OUT is known to be ours."""
    try:
        yield
    except BaseException:
        sweep(out)
        raise


def settle(out: Path, named: Container[str]) -> None:
    """Remove what was put into place and is in no row: the call that did it was ended before it could say so.

    Args:
        named: all outputs that the rows name.
    """
    remove(out, [output for output in placing.noted(out) if output not in named])
    placing.forget_notes(out)


def remove(out: Path, outputs: Iterable[str]) -> None:
    """Remove files that the manifest names, and folders that become empty. What lies outside OUT is never touched."""
    root = Path(os.path.realpath(out))
    for output in outputs:
        file = root / output
        # Neither by its words nor through a link: the manifest may have been written by anyone.
        if not is_below(output) or output in (CSV, JSON) or Path(os.path.realpath(file.parent)) != file.parent:
            continue
        with suppress(FileNotFoundError, NotADirectoryError):
            if not file.is_dir() or file.is_symlink():
                file.unlink()
        for folder in file.parents:
            if folder == root:
                break
            try:
                folder.rmdir()
            except OSError:  # not empty
                break
