"""Translates a film: read, computed, steadied and written at the same time, in constant memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from toonforge.data.reading.picture import shown, why_not_opened
from toonforge.data.transforms import scaled_size
from toonforge.errors import Problem, RunError, UnreadableImage
from toonforge.extras import need
from toonforge.files import beside, refuse_special
from toonforge.use.look import AS_IT_IS, Look
from toonforge.use.video.ahead import ahead
from toonforge.use.video.kinds import container_of
from toonforge.use.video.pieces import Piece

if TYPE_CHECKING:
    from toonforge.use.video.reading import Film
    from toonforge.use.video.translating import Translator


EARLY = 16
"""Pieces that are held until the first frame tells how the translation is written: some 64 MiB of sound. Where a film
holds more sound before its frames, the first frame is looked up instead."""


@attrs.frozen(kw_only=True)
class Outcome:
    """What became of a film.

    Attributes:
        target: where its translation is.
        frames: how many were translated.
        seconds: from the beginning of its first frame to the end of its last.
        size: width and height of the translation, in pixels.
        notes: what is not as in the film, in words.
        damage: what was wrong with the film, in words; empty for a whole one. What could be read is in `target`.
        stopped: `stop` ended it before the film was over, and nothing was written.
    """

    target: Path
    frames: int
    seconds: float
    size: tuple[int, int]
    notes: tuple[str, ...] = ()
    damage: tuple[str, ...] = ()
    stopped: bool = False


def translate_video(
    model: Translator,
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    to: str | None = None,
    *,
    look: Look = AS_IT_IS,
    steady: float = 0.0,
    size: int | None = None,
    batch: int | None = None,
    force: bool = False,
    progress: Callable[[int, int | None], None] | None = None,
    note: Callable[[str], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Outcome:
    """Translate a film frame by frame, with its sound, subtitles, times, titles and chapters.

    The film is written beside the target and takes its place when it is whole; whatever ends the work before leaves
    the target as it was.

    Args:
        model: as `toonforge.load` gives it.
        source: the film.
        target: where the translation goes; its ending is one of `toonforge.use.video.WRITTEN`.
        to: the domain to translate to; the recipe's first when left out.
        look: what is done to each translated frame.
        steady: how much flicker is taken out, 0 to 1 (see `toonforge.use.video.steady`). Needs OpenCV.
        size: the short side to which larger frames are scaled down first; None keeps their size.
        batch: frames that are translated at once; None for as many as suit their size.
        force: overwrite the target.
        progress: called with the frames done and, where the film says so, all there are.
        note: called with each note as soon as it is known.
        stop: asked between frames whether to end; nothing is written then.

    Raises:
        RunError: for a source that is no film, one with damage that leaves nothing, a target that is there already,
            that is the source, that has an ending of no film or cannot be written.
        ToonforgeError: PyAV, or with `steady` OpenCV, is not installed.

    Examples:
        >>> import toonforge
        >>> from toonforge.use.video import Outcome, translate_video
        >>> outcome: Outcome = translate_video(toonforge.load("runs/small"), "film.mp4", "drawn.mp4")
        >>> outcome.frames, outcome.size, outcome.damage
        (8, (64, 48), ())
    """
    source, target = Path(source), Path(target)
    kind = container_of(target)
    refuse(source, target, force, steady)
    need("av", "films need")
    if steady:
        need("cv2", "steady films need")
    from av import FFmpegError

    from toonforge.use.video.reading import Film, first_facts
    from toonforge.use.video.steady import steadied
    from toonforge.use.video.translating import batch_for, translated
    from toonforge.use.video.writing import Writer, encoder_of

    encoder_of(kind)
    notes: list[str] = []

    def tell(remarks: list[str]) -> None:
        for remark in remarks:
            if remark not in notes:
                notes.append(remark)
                if note is not None:
                    note(remark)

    done, last, written = 0, 0.0, (0, 0)
    begin: int | None = None
    try:
        with ExitStack() as stack:
            film = stack.enter_context(Film(source, short=size))
            film.batch = batch or batch_for(model.device.type, *_sides(film.stream.height, film.stream.width, size))
            pieces: Iterator[Piece] = ahead(film.pieces())
            pieces = ahead(translated(model, pieces, to, look, lambda text: tell([text])))
            if steady:
                pieces = ahead(steadied(pieces, steady))
            pieces = stack.enter_context(closing(pieces))
            early = [next(pieces)]
            while early[-1].facts is None and len(early) < EARLY:  # sound before the first frame
                early.append(next(pieces))
            facts = early[-1].facts or first_facts(source, size)
            with beside(target, flush=True) as partial, partial.open("xb") as file:
                with Writer(file, kind, facts, film.container) as writer:
                    written = writer.width, writer.height
                    tell(film.remarks + writer.remarks)
                    for piece in _chained(early, pieces):
                        if stop is not None and stop():
                            raise _Stopped
                        writer.add(piece)
                        done += len(piece.shots)
                        if piece.shots:
                            begin = piece.shots[0].time if begin is None else begin
                            last = float((piece.shots[-1].time + piece.shots[-1].length - begin) * facts.unit)
                        if progress is not None:
                            progress(done, film.total)
                tell(film.remarks + writer.remarks)
            damage = tuple(film.damage)
    except _Stopped:
        return Outcome(target=target, frames=done, seconds=last, size=written, notes=tuple(notes), stopped=True)
    except UnreadableImage as error:
        raise RunError(Problem(message=f"{shown(source)} cannot be translated", found=error.reason)) from error
    except FFmpegError as error:  # the encoder's word: the target is a file of ours, whose errors are the system's
        raise unfit(source, film, error) from error
    except OSError as error:
        raise unwritable(target, error) from error
    return Outcome(target=target, frames=done, seconds=last, size=written, notes=tuple(notes), damage=damage)


def _sides(height: int, width: int, short: int | None) -> tuple[int, int]:
    return scaled_size(height, width, short) if short and short < min(height, width) else (height, width)


class _Stopped(Exception):
    """`stop` said so."""


def _chained(early: list[Piece], later: Iterator[Piece]) -> Iterator[Piece]:
    """The pieces read so far, which are let go of, and those that follow."""
    while early:
        yield early.pop(0)
    yield from later


def refuse(source: Path | None, target: Path | None, force: bool, steady: float) -> None:
    """Raise `RunError` for what cannot be done as asked; None for what is no file. The target's folder is made."""
    if not 0 <= steady <= 1:
        raise RunError(Problem(message="steady cannot be used", found=str(steady), expected="a number from 0 to 1"))
    if source is not None:
        try:
            source.stat()
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                raise RunError(Problem(message=f"{shown(source)} is not there", expected="a film")) from error
            raise RunError(
                Problem(message=f"{shown(source)} cannot be translated", found=why_not_opened(error))
            ) from error
    if target is None:
        return
    if target.exists():
        if source is not None and source.samefile(target):
            raise RunError(Problem(message=f"{shown(target)} is the film itself", hint="give another name with -o"))
        if not force:
            raise RunError(
                Problem(message=f"{shown(target)} is there already", hint="--force overwrites it, or give another -o")
            )
    try:
        refuse_special(target)
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(target, error) from error


def unfit(source: Path, film: Film, error: Exception) -> RunError:
    """What an encoder says of a film whose frames, or times, it does not take."""
    size = f"{film.stream.width}x{film.stream.height} pixels"
    rate = f"{float(film.rate):.3g} frames a second"
    return RunError(
        Problem(
            message=f"{shown(source)} cannot be encoded",
            found=f"frames of {size}, {rate}: {getattr(error, 'strerror', None) or error}",
            hint="--size makes frames smaller; .mkv and .webm take other sizes and times than .mp4",
        )
    )


def unwritable(target: Path, error: Exception) -> RunError:
    """Why a film is not there: a full disk, no permission, an encoder that gave up."""
    reason = getattr(error, "strerror", None) or str(error)
    return RunError(
        Problem(
            message=f"{shown(target)} cannot be written", found=reason, hint="nothing of it was kept; choose another -o"
        )
    )
