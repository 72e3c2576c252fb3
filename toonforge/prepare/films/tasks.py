"""The work on films that processes share: reading them once, measuring their frames, and writing those wanted."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from zipfile import BadZipFile

import attrs

from toonforge.data.reading.picture import shown
from toonforge.errors import DataError, Problem
from toonforge.prepare.engine.copying import write_whole
from toonforge.prepare.engine.manifest import is_below
from toonforge.prepare.engine.task import Figure, Outcome, Source
from toonforge.prepare.films.figures import Figures, measure
from toonforge.prepare.films.film import Survey, frames_from, survey
from toonforge.prepare.films.picture import to_picture
from toonforge.prepare.films.plan import LEAD, Piece, Wanted, why_dark

if TYPE_CHECKING:
    import av
    import numpy.typing as npt

    from toonforge.data.transforms import Picture

REMARKS = ("truncated", "converted", "interlaced")
"""What is said of a film as a whole."""

FORMATS: Mapping[str, Mapping[str, Any]] = {
    "jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    "png": {"format": "PNG", "compress_level": 4},
}
"""Ending -> how Pillow saves. JPEG keeps colour at full size, so that lines of cartoons stay as they are."""

AHEAD = 2.0
"""Seconds of film that are rather decoded than jumped over."""


def figures_file(name: str) -> str:
    """Where what was found out about a film or a piece of it lies, below its folder: short, whatever it is called."""
    return f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.npz"


@attrs.frozen
class Surveying:
    """Reads each film once."""

    columns: ClassVar[tuple[str, ...]] = REMARKS

    def __call__(self, source: Source, out: Path) -> Outcome:
        """Write the survey of one film."""
        film = survey(source.path)
        output = figures_file(source.name)
        facts = {
            "base": str(film.base),
            "counted": film.counted,
            "pixel": film.pixel and str(film.pixel),
            "remarks": dict(film.remarks),
        }
        _write(out / output, positions=film.positions, keys=film.keys, facts=json.dumps(facts))
        return Outcome(action="read", output=output, figures=film.remarks)


def load_survey(file: Path) -> Survey:
    """A survey that `Surveying` wrote; kept for the next pieces of the film."""
    return _load_survey(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _load_survey(file: Path, written: int) -> Survey:
    data = _read(file)
    try:
        facts = json.loads(str(data["facts"]))
        return Survey(
            positions=data["positions"],
            keys=data["keys"],
            base=Fraction(facts["base"]),
            counted=facts["counted"],
            pixel=facts["pixel"] and Fraction(facts["pixel"]),
            remarks=facts["remarks"],
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise _damaged(file, error) from error


@attrs.frozen(kw_only=True)
class Measuring:
    """Decodes each piece of a film, and keeps a few figures of each frame."""

    columns: ClassVar[tuple[str, ...]] = ()
    surveys: Path
    films: Mapping[str, str]
    """Piece -> its film."""
    parts: Mapping[str, Piece]

    def __call__(self, source: Source, out: Path) -> Outcome:
        """Write the figures of one piece."""
        film = load_survey(self.surveys / figures_file(self.films[source.name]))
        piece = self.parts[source.name]
        figures = measure(_small_pictures(source.path, film, piece))
        begin = film.seconds(piece.first) + LEAD if piece.first > film.positions[0] else -1.0
        end = float("inf") if piece.end is None else film.seconds(piece.end) + LEAD
        mine = (figures.time >= begin) & (figures.time < end)
        output = figures_file(source.name)
        _write(out / output, **{name: values[mine] for name, values in attrs.asdict(figures).items()})
        return Outcome(action="measured", output=output)


def _small_pictures(path: Path, film: Survey, piece: Piece) -> Iterator[tuple[int, float, Picture]]:
    from toonforge.prepare.quality.measures import STANDARD

    end = float("inf") if piece.end is None else film.seconds(piece.end) + 2 * LEAD
    for position, frame in frames_from(path, film, piece.first):
        time = film.seconds(position)
        if time > end:
            return
        yield position, time, to_picture(frame, film.pixel, STANDARD, fast=True)


def load_figures(files: list[Path]) -> Figures:
    """The figures of all pieces of a film, in order."""
    import numpy as np

    loaded = [_read(file) for file in files]
    for file, data in zip(files, loaded):
        if absent := {field.name for field in attrs.fields(Figures)} - data.keys():
            raise _damaged(file, KeyError(min(absent)))
    return Figures(**{f.name: np.concatenate([data[f.name] for data in loaded]) for f in attrs.fields(Figures)})


@attrs.frozen(kw_only=True)
class Writing:
    """Writes the frames that are wanted of each piece, and says what there is to say of each film."""

    columns: ClassVar[tuple[str, ...]] = ("film", "scene", "time", "sharpness", "brightness")
    surveys: Path
    films: Mapping[str, str]
    """Piece -> its film."""
    folders: Mapping[str, str]
    """Film -> the folder of its frames, a posix path below OUT."""
    frames: Mapping[str, tuple[Wanted, ...]]
    """Piece -> what is wanted of it."""
    said: Mapping[str, Mapping[str, str]]
    """Film -> action -> reason, of films there is something to say about."""
    format: str
    size: int | None

    def __call__(self, source: Source, out: Path) -> list[Outcome]:
        """Write the frames of one piece."""
        if source.name in self.said:
            return [self._say(source, action, reason) for action, reason in self.said[source.name].items()]
        name = self.films[source.name]
        film = load_survey(self.surveys / figures_file(name))
        found = []
        decoded = _Decoded(source.path, film)
        for one in self.frames[source.name]:
            figures: dict[str, Figure] = {"film": name, "scene": one.scene or "", "time": round(one.time, 6)}
            frame = None if one.reason else decoded.at(one.position)
            if frame is None:
                reason = one.reason or "damaged: it cannot be decoded"
                found.append(Outcome(action="skipped", reason=reason, figures=figures))
                continue
            output = f"{self.folders[name]}/{one.time:010.3f}s.{self.format}"
            if not is_below(output):
                raise ValueError(f"an output outside OUT: {output!r}")
            found.append(self._write(to_picture(frame, film.pixel, self.size), out, output, figures))
        return found

    def _write(self, picture: Picture, out: Path, output: str, figures: dict[str, Figure]) -> Outcome:
        from PIL import Image

        from toonforge.prepare.quality.measures import brightness, sharpness

        bright = brightness(picture)
        figures.update(sharpness=float(f"{sharpness(picture):.4g}"), brightness=float(f"{bright:.4g}"))
        if reason := why_dark(bright):
            return Outcome(action="skipped", reason=reason, figures=figures)
        file = io.BytesIO()
        Image.fromarray(picture).save(file, **FORMATS[self.format])
        write_whole(out / output, file.getvalue())
        return Outcome(action="written", output=output, figures=figures)

    def _say(self, source: Source, action: str, reason: str) -> Outcome:
        return Outcome(action=action, reason=reason, figures={"film": source.name})


class _Decoded:
    """Frames of one film at ascending positions."""

    def __init__(self, path: Path, film: Survey) -> None:
        self._path, self._film = path, film
        self._frames: Iterator[tuple[int, av.VideoFrame]] = iter(())
        self._next: int | None = None

    def at(self, position: int) -> av.VideoFrame | None:
        """The frame at a position, or None where there is none any more."""
        if self._next is None or self._is_far(position):
            self._frames = frames_from(self._path, self._film, position)
        for found, frame in self._frames:
            self._next = found + 1
            if found >= position:
                return frame if self._film.seconds(found) < self._film.seconds(position) + AHEAD / 4 else None
        return None

    def _is_far(self, position: int) -> bool:
        """Whether it is worth while to jump to a key frame between here and there."""
        film, here = self._film, self._next or 0
        between = film.keys.searchsorted(position, "right") > film.keys.searchsorted(here, "right")
        return bool(between) and film.seconds(position) - film.seconds(here) > AHEAD


def _write(file: Path, **arrays: Any) -> None:
    import numpy as np

    data = io.BytesIO()
    np.savez_compressed(data, **arrays)
    write_whole(file, data.getvalue())


def _read(file: Path) -> Mapping[str, npt.NDArray[Any]]:
    import numpy as np

    try:
        with np.load(file, allow_pickle=False) as data:
            return {name: data[name] for name in data.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception) -> DataError:
    return DataError(
        Problem(
            message=f"what an earlier call found out about a film cannot be read: {shown(file)}",
            found=str(error) or type(error).__name__,
            hint=f"remove {shown(file)}, and run the same command again",
        )
    )
