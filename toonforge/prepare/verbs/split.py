"""`toonforge data split`: pictures parted into training, validation and test pictures, as the data sets part them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import cast

import attrs

from toonforge.data.files import item_name
from toonforge.data.split import SPLITS, parts_of
from toonforge.errors import DataError, Problem, UnreadableImage
from toonforge.prepare.engine import manifest
from toonforge.prepare.engine.copying import unreadable as cannot_read
from toonforge.prepare.engine.out_folder import refuse_overlap
from toonforge.prepare.engine.sources import pictures_below
from toonforge.prepare.engine.task import Outcome, Progress, Source
from toonforge.prepare.engine.work import Report, Row, work
from toonforge.prepare.pairing.groups import (
    MATCHED,
    PART,
    Group,
    columns_for,
    forget,
    groups,
    output_name,
    place_all,
    unreadable,
)
from toonforge.prepare.pairing.matching import beside_all, match

SHARES = "60/20/20"
"""Training, validation and test pictures in a hundred."""

ONE = "picture"
"""The column of the pictures' paths, where there is one source folder."""


@attrs.frozen(kw_only=True)
class SplitReport(Report):
    """What was parted.

    Attributes:
        columns: of the manifest, one a source folder: the paths of its pictures, relative to OUT.
        parts: part -> how many items it has: pictures, or pictures of one name in several folders.
        moved: items that were in another part before: name -> (then, now). That happens to few, where a set is so
            small that its shares alone would leave a part empty.
    """

    columns: tuple[str, ...]
    parts: Mapping[str, int]
    moved: Mapping[str, tuple[str, str]]


def split(
    sources: str | Path | Sequence[str | Path],
    out: str | Path | None = None,
    shares: str | Sequence[float] = SHARES,
    *,
    seed: int = 0,
    list_only: bool = False,
    link: bool = False,
    workers: int | None = None,
    force: bool = False,
    prune: bool = False,
    progress: Progress | None = None,
) -> SplitReport:
    """Part the pictures of a folder, or of several folders matched by name.

    Which part a picture is in depends on its name, the shares and the seed: the data sets part the same folder alike
    (`validation`, `test`, `split_seed`), and further pictures move none of the others. Files are not opened:
    `filter_pictures` before it, for what cannot be read.

    Args:
        sources: the folder, or folders. Of several, files of one name (their endings aside) are in one part, and those
            without a match in every folder are left out.
        out: gets train/…, validation/… and test/…, with a folder for each source where there are several. When left
            out, a folder beside the first source, "photos-split".
        shares: of training, validation and test pictures, "60/20/20" or [60, 20, 20]; their sum is 100 or 1.
        seed: another seed, another split.
        list_only: write no pictures, only the manifest, from which the data set `listed` trains.
        link: hard links in place of copies.
        prune: remove pictures whose sources are gone, one of them or all.
        workers, force, progress: as `work` takes them.

    Raises:
        DataError: the shares will not do, there are fewer names than parts, or a folder cannot be used.

    Examples:
        >>> from toonforge.prepare import split
        >>> dict(split("photos", "parted", "50/25/25", workers=1).parts)
        {'train': 2, 'validation': 1, 'test': 1}
    """
    folders = [*map(Path, [sources] if isinstance(sources, str | os.PathLike) else sources)]
    if not folders:
        raise DataError(Problem(message="no folder is given", expected="one folder of pictures, or several"))
    out = beside_all(folders, "split") if out is None else Path(out)
    numbers = parsed_shares(shares)
    _, validation, test = numbers
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    own: tuple[str, ...]
    if len(folders) == 1:
        found = tuple(Group(one.name, one.path) for one in pictures_below(folders[0]))
        names = [item_name(one.name) for one in found]
        labels, columns, own = (), (ONE,), (PART, ONE)
    else:
        matching = match(folders)
        found, names = groups(matching), [item.name for item in matching.items]
        labels, columns = matching.labels, columns_for(matching.labels)
        own = (PART, *columns, MATCHED)
    for folder in folders:
        refuse_overlap(folder, out)
    parts = _parts(names, validation, test, seed, folders)
    parted = tuple(attrs.evolve(group, part=part) for group, part in zip(found, [*parts, *[""] * len(found)]))
    task = Parting(columns=own, pictures=columns, link=link, list_only=list_only)
    settings = {
        "folders": labels,
        "shares": "/".join(f"{round(100 * number, 9):g}" for number in numbers),
        "seed": seed,
        "list_only": list_only,
        "link": link,
    }
    now = {group.name: group.part for group in parted}
    dropped: tuple[Row, ...] = ()
    if not force:
        dropped, parted = forget("split", folders[0], parted, out, settings, own, task.places, prune)
    report = work(
        "split",
        folders[0],
        parted,
        task,
        out,
        settings,
        workers=workers,
        force=force,
        prune=prune,
        progress=progress,
    )
    moved = {row.source: (str(row.figures[PART]), now[row.source]) for row in dropped}
    items = {row.source: str(row.figures[PART]) for row in report.rows if row.figures[PART]}
    return SplitReport(
        **{field.name: getattr(report, field.name) for field in attrs.fields(Report)},
        columns=columns,
        parts={part: number for part in SPLITS if (number := Counter(items.values())[part])},
        moved={name: (then, part) for name, (then, part) in moved.items() if then and part and then != part},
    )


@attrs.frozen(kw_only=True)
class Parting:
    """Puts a group's files into the folder of its part, or only lists them."""

    columns: tuple[str, ...]
    pictures: tuple[str, ...]
    link: bool
    list_only: bool

    @property
    def places(self) -> tuple[str, ...]:
        """The columns that name what is written; a list names the sources."""
        return () if self.list_only else self.pictures

    def __call__(self, source: Source, out: Path) -> Outcome:
        """One outcome a group, with the paths of all its files."""
        group = cast("Group", source)
        if group.left_out is not None:
            action, reason = group.left_out
            return Outcome(action=action, reason=reason)
        figures = {PART: group.part, **({MATCHED: group.matched} if group.others else {})}
        if self.list_only:
            return self._listed(group, out, figures)
        targets = [f"{group.part}/{output_name(file.name)}" for file in group.files]
        if (wrong := place_all(group, targets, out, self.link)) is not None:
            return attrs.evolve(wrong, figures=figures)
        paths = dict(zip(self.pictures, targets))
        return Outcome(action="written", output=targets[0], figures={**figures, **paths})

    def _listed(self, group: Group, out: Path, figures: Mapping[str, str]) -> Outcome:
        """Paths relative to OUT's own place, whichever links lead there."""
        paths: dict[str, str] = {}
        for column, file in zip(self.pictures, group.files):
            path = os.path.relpath(os.path.abspath(file.path), os.path.realpath(out))
            try:
                with file.path.open("rb"):
                    pass
                if manifest.text(path) != path:
                    raise UnreadableImage(file.name, "its path is no text that a list can hold")
            except OSError as error:
                return attrs.evolve(unreadable(group, file, cannot_read(file.path, error)), figures=figures)
            except UnreadableImage as error:
                return attrs.evolve(unreadable(group, file, error), figures=figures)
            paths[column] = path.replace(os.sep, "/")
        return Outcome(action="listed", figures={**figures, **paths})


def parsed_shares(shares: str | Sequence[float]) -> tuple[float, float, float]:
    """Shares of training, validation and test pictures, from "60/20/20", "0.6/0.2/0.2" or three numbers.

    Raises:
        DataError: there are not three numbers, their sum is neither 100 nor 1, or nothing is left for training.
    """
    text = "/".join(map(str, shares)) if isinstance(shares, Sequence) and not isinstance(shares, str) else str(shares)
    try:
        numbers = [Decimal(part.strip()) for part in text.split("/")]
        if len(numbers) != 3 or not all(number.is_finite() and number >= 0 for number in numbers):
            raise ValueError
    except (InvalidOperation, ValueError):
        raise _no_shares(text, "three numbers, of training, validation and test pictures") from None
    total = sum(numbers)
    if total not in (1, 100):
        raise _no_shares(f"{text}, together {total}", "numbers whose sum is 100 (or 1)")
    if not numbers[0]:
        raise _no_shares(text, "a share of training pictures greater than 0")
    # Divided as decimals: 20 of 100 is then the very number that 0.2 in a recipe is.
    train, validation, test = (float(number / total) for number in numbers)
    return train, validation, test


def _no_shares(found: str, expected: str) -> DataError:
    hint = "write 60/20/20, or 80/20/0 to do without test pictures"
    return DataError(
        Problem(message="these shares will not do", key="shares", found=found, expected=expected, hint=hint)
    )


def _parts(names: Sequence[str], validation: float, test: float, seed: int, folders: Sequence[Path]) -> list[str]:
    """The part of each name."""
    wanted = 1 + (validation > 0) + (test > 0)
    numbers = parts_of(names, validation=validation, test=test, seed=seed).tolist() if names else []
    if len(set(numbers)) < wanted:
        several = len(folders) > 1
        raise DataError(
            Problem(
                message=f"there are too few {'pictures of one name in all folders' if several else 'pictures'}",
                found=f"{len(set(names))} name{'s' * (len(set(names)) != 1)}",
                expected=f"at least {wanted}, one for each part",
                hint="pairs are matched by file name, its ending aside" if several and not names else None,
            )
        )
    return [SPLITS[number] for number in numbers]
