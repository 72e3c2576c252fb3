"""What is to be said about a folder's files: licences, strangers, names, and what reading makes of odd pictures."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from toonforge.prepare.inspection.figures import Folder
from toonforge.prepare.inspection.finding import FINE, LOOK, MEND, SHOWN, Finding, printable, singles, some
from toonforge.prepare.inspection.folder import FILMS, UNREAD_PICTURES, collisions, upper_case
from toonforge.prepare.inspection.judge import command, fine, percent
from toonforge.prepare.inspection.measure import CONVERSIONS, TRANSPARENCY
from toonforge.prepare.quality.outputs import KEPT, sorted_by

MANY = 0.1
"""Share of a folder from which on pictures with transparency teach white backgrounds."""
_NAMED = 5


def judge_files(folder: Folder) -> Iterator[Finding]:
    """All that is to be said about them."""
    yield from sorted_out(folder)
    yield licences(folder)
    yield from strangers(folder)
    yield from names(folder)
    yield from converted(folder)


def sorted_out(folder: Folder) -> Iterator[Finding]:
    """Whether it is a folder in which a verb keeps some of its pictures apart from the others."""
    if (verb := sorted_by(folder.path)) is None:
        return
    yield Finding(
        severity=MEND,
        kind="sorted-out",
        folders=(folder.label,),
        title=f"what “toonforge data {verb}” put aside is read together with what it kept",
        text=f"{folder.label} is the folder that it wrote. Training on the whole of it brings back what was put aside.",
        advice=f"Train on {KEPT} in it, and look through that alone:",
        command=command("inspect", attrs.evolve(folder, path=folder.path / KEPT)),
    )


def licences(folder: Folder) -> Finding:
    """Whether anything says under which licence the pictures are."""
    found = folder.beside.licences
    if found:
        above = " (above the folder)" if found[0].startswith("../") else ""
        return fine("licences", folder, f"a file tells licences: {_some(found)}{above}")
    return Finding(
        severity=LOOK,
        kind="licences",
        folders=(folder.label,),
        title="no file tells the licence of these pictures",
        text="Who uses or publishes the trained model will want to know what it learnt from, and whether it may be.",
        advice="Write it down while you know it: LICENSE, CREDITS or README, or a CSV file with a column “licence”.",
    )


def strangers(folder: Folder) -> Iterator[Finding]:
    """Files that are not taken for pictures."""
    kinds = folder.beside.strangers
    unread = {ending: files for ending, files in kinds.items() if ending in UNREAD_PICTURES}
    films = {ending: files for ending, files in kinds.items() if ending in FILMS}
    others = {ending: files for ending, files in kinds.items() if ending not in (*UNREAD_PICTURES, *FILMS)}
    if unread:
        number = sum(map(len, unread.values()))
        yield Finding(
            severity=LOOK,
            kind="unread-format",
            folders=(folder.label,),
            title=f"{some(number, 'picture')} in formats that are not read: {_counts(unread)}",
            text="Training leaves them out, since their endings are none of those that are taken for pictures.",
            advice="Convert them to PNG or JPEG, with ImageMagick for one: magick picture.heic picture.png",
            lines=_lines(unread),
        )
    if films:
        yield Finding(
            severity=LOOK,
            kind="films",
            folders=(folder.label,),
            title=f"{some(sum(map(len, films.values())), 'film')}: {_counts(films)}",
            text="Training reads pictures only.",
            advice="“toonforge data frames” takes pictures out of films.",
            lines=_lines(films),
        )
    if others:
        number = sum(map(len, others.values()))
        yield Finding(
            severity=FINE,
            kind="strangers",
            folders=(folder.label,),
            title=f"{some(number, 'file')} {'is' if number == 1 else 'are'} no picture: {_counts(others)}",
            text="Left alone by every verb and every data set.",
            lines=_lines(others),
        )
    if folder.beside.hidden:
        hidden = folder.beside.hidden
        yield Finding(
            severity=FINE,
            kind="hidden",
            folders=(folder.label,),
            title=f"{some(hidden, 'hidden file or folder', 'hidden files or folders')}",
            text="What begins with a dot is left out by every verb and every data set.",
        )


def names(folder: Folder) -> Iterator[Finding]:
    """Names that trouble pairs or other programs."""
    bare = [folder.bare(name) for name in folder.files]
    groups = collisions(bare)
    if groups:
        yield Finding(
            severity=LOOK,
            kind="collisions",
            folders=(folder.label,),
            title=f"{some(len(groups), 'name')} stand{'s' if len(groups) == 1 else ''} for several pictures",
            text="They differ in their ending or their case of it alone, so nothing tells which of them is of a pair.",
            advice="Rename all but one of each; they are often the same picture, saved twice.",
            lines=tuple(", ".join(group) for group in groups),
        )
    else:
        yield fine("collisions", folder, "every picture has a name of its own")
    if upper := upper_case(bare):
        yield Finding(
            severity=FINE,
            kind="upper-case",
            folders=(folder.label,),
            title=f"{some(len(upper), 'ending')} in upper case, such as {printable(upper[0])}",
            text="They are read like the others. Other programs may not see them on Linux.",
            lines=tuple(upper),
        )


def converted(folder: Folder) -> Iterator[Finding]:
    """Pictures that are not plain RGB, and what reading makes of them."""
    for kind, found in folder.converted().items():
        which, what = CONVERSIONS[kind]
        share = len(found) / len(folder)
        many = kind == TRANSPARENCY and share >= MANY
        yield Finding(
            severity=LOOK if many else FINE,
            kind=kind,
            folders=(folder.label,),
            title=f"{some(len(found), 'picture')} ({percent(share)}) {which}",
            text=what,
            advice="Lay them on backgrounds of your own, or put them aside." if many else "",
            lines=tuple(map(folder.bare, found)),
            groups=singles(folder.shot(name) for name in found[:SHOWN]) if many else (),
        )


def _counts(kinds: dict[str, tuple[str, ...]]) -> str:
    most = sorted(kinds, key=lambda ending: -len(kinds[ending]))
    texts = [f"{len(kinds[ending]):,} {printable(ending) or 'without an ending'}" for ending in most]
    more = f", {len(texts) - _NAMED:,} more kinds" if len(texts) > _NAMED else ""
    return ", ".join(texts[:_NAMED]) + more


def _lines(kinds: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(name for files in kinds.values() for name in files)


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(map(printable, names[:_NAMED])) + more
