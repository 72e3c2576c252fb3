"""What is to be said about the pictures of one folder. Each check says something, also where all is well."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import attrs

from toonforge.prepare.inspection.figures import Folder
from toonforge.prepare.inspection.finding import FINE, LOOK, MEND, SHOWN, Finding, printable, singles, some
from toonforge.prepare.quality.judging import Limits

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from toonforge.prepare.inspection.figures import Column

DARK, LIGHT = 0.3, 0.6
"""Mean brightness below which a picture is dark, and above which it is light. Most photographs by day lie between."""
RARE = 0.05
"""A kind of picture that less than this share of a folder is of is hardly learnt."""
LEAST_TO_JUDGE = 20
"""Shares of fewer pictures say nothing."""
LEAST_TO_TRY = 20
"""Of fewer pictures too few are left for validation, and a trial shows nothing."""
FEW = 100
"""Fewer pictures are learnt by heart."""


def judge(folder: Folder, limits: Limits) -> Iterator[Finding]:
    """All that is to be said about a folder by itself, but for what cannot be read."""
    if len(folder):
        yield count(folder)
        yield from by_figures(folder, limits)
        yield from tones(folder)


def readable(folder: Folder) -> Iterator[Finding]:
    """Files that cannot be read, and links that lead nowhere."""
    dangling = {folder.prefix + name for name in folder.beside.dangling}
    damaged = [(name, reason) for name, reason in folder.unreadable if name not in dangling]
    if damaged:
        yield Finding(
            severity=MEND,
            kind="unreadable",
            folders=(folder.label,),
            title=f"{len(damaged):,} of {some(len(folder.files), 'picture file')} cannot be read",
            text="Training leaves them out. Damaged files are often what an interrupted download or copy left.",
            advice="Fetch them again, or leave them out:" if len(folder) else "Fetch them again.",
            command=command("filter", folder) if len(folder) else "",
            lines=tuple(f"{folder.bare(name)}: {reason}" for name, reason in damaged),
        )
    else:
        yield fine("unreadable", folder, "every picture file can be read")
    if dangling:
        yield Finding(
            severity=MEND,
            kind="dangling",
            folders=(folder.label,),
            title=f"{some(len(dangling), 'link')} {'leads' if len(dangling) == 1 else 'lead'} nowhere",
            text="The file was moved or removed, or is on a disk that is not mounted.",
            advice="Bring it back, or remove the link."
            if len(dangling) == 1
            else "Bring them back, or remove the links.",
            lines=folder.beside.dangling,
        )


def count(folder: Folder) -> Finding:
    """Whether there is enough to learn from."""
    if len(folder) >= FEW:
        return fine("few", folder, f"at least {FEW} pictures")
    return Finding(
        severity=LOOK,
        kind="few",
        folders=(folder.label,),
        title=f"{some(len(folder), 'picture')}: "
        + ("enough for a trial, few for a training" if len(folder) >= LEAST_TO_TRY else "too few, even for a trial"),
        text="A network learns so few by heart, and does worse on pictures that it has not seen.",
        advice="Add pictures: some hundreds are a beginning, and most methods' papers used thousands.",
    )


def marked(folder: Folder, limits: Limits) -> Mapping[str, npt.NDArray[np.bool_]]:
    """Kind of trouble -> which pictures have it: those that `toonforge data filter` would put aside.

    What is empty or black is grey and blurred too, but that is not the point: it is not called so.
    """
    numbers = folder.numbers
    empty, black = numbers["contrast"] < limits.min_contrast, numbers["brightness"] < limits.min_brightness
    return {
        "small": folder.short_side < limits.min_side,
        "long": folder.length > limits.max_aspect,
        "empty": empty,
        "black": black & ~empty,
        "grey": (numbers["colour_spread"] < limits.min_colour) & ~empty & ~black,
        "blurred": (numbers["sharpness"] < limits.min_sharpness) & ~empty & ~black,
        "bars": numbers["bars"] > 0,
    }


@attrs.frozen(kw_only=True)
class Kind:
    """How a kind of trouble is told.

    Attributes:
        title: after "3 of 60 pictures (5%)".
        text: what it means.
        otherwise: where there is none.
        order: sorts the worst pictures first.
        caption: what is to be seen in a picture.
        options: of the command that puts them aside.
    """

    title: str
    text: str
    otherwise: str
    order: Callable[[Folder], Column]
    caption: Callable[[Folder, int], str]
    options: str = ""


def kinds(limits: Limits) -> Mapping[str, Kind]:
    """Kind of trouble -> how it is told, in the order told."""
    return {
        "small": Kind(
            title=f"smaller than {limits.min_side} pixels on the short side",
            text="They are scaled up for training, and what is scaled up is soft: that is learnt too.",
            otherwise=f"no picture is smaller than {limits.min_side} pixels",
            order=lambda folder: folder.short_side,
            caption=shape,
            options="" if limits.min_side == Limits().min_side else f"--min-side {limits.min_side}",
        ),
        "long": Kind(
            title=f"longer than {limits.max_aspect:g}:1",
            text="Training cuts squares out of them, which show little of each.",
            otherwise=f"no picture is longer than {limits.max_aspect:g}:1",
            order=lambda folder: -folder.length,
            caption=shape,
        ),
        "empty": Kind(
            title="empty: nearly of one tone",
            text="There is nothing to learn from them.",
            otherwise="no picture is empty",
            order=_least("contrast"),
            caption=_figure("contrast", ".3f"),
        ),
        "black": Kind(
            title="nearly black",
            text="Little is to be seen in them.",
            otherwise="no picture is nearly black",
            order=_least("brightness"),
            caption=_figure("brightness", ".2f"),
        ),
        "grey": Kind(
            title="grey, or of a single tint such as sepia",
            text="A translator that sees many of them learns pale colours. Where they are meant so, add --keep-gray.",
            otherwise="no picture is grey",
            order=_least("colour_spread"),
            caption=_figure("colour_spread", ".1f"),
        ),
        "blurred": Kind(
            title="blurred",
            text="Blurred pictures teach blurred edges. A drawing of few lines is found so too: look first.",
            otherwise="no picture is blurred",
            order=_least("sharpness"),
            caption=_figure("sharpness", ".0f"),
        ),
        "bars": Kind(
            title="with bars or a frame around the scene",
            text="They are learnt as if they were part of every scene. --letterbox crop cuts them off.",
            otherwise="no picture has bars around it",
            order=lambda folder: -folder.numbers["bars"],
            caption=lambda folder, index: f"bars: {folder.numbers['bars'][index]:.0%} of it",
            options="--letterbox crop",
        ),
    }


def by_figures(folder: Folder, limits: Limits) -> Iterator[Finding]:
    """Pictures with figures beyond a limit, the worst first; or that there are none."""
    import numpy as np

    masks = marked(folder, limits)
    for name, kind in kinds(limits).items():
        indices = np.flatnonzero(masks[name])
        if not len(indices):
            yield fine(name, folder, kind.otherwise)
            continue
        order = np.argsort(kind.order(folder)[indices], kind="stable")
        worst = [int(i) for i in indices[order]]
        of = f"{len(indices):,} of {some(len(folder), 'picture')} ({percent(len(indices) / len(folder))})"
        verb = "" if kind.title.startswith("with") else "is " if len(indices) == 1 else "are "
        yield Finding(
            severity=LOOK,
            kind=name,
            folders=(folder.label,),
            title=f"{of} {verb}{kind.title}",
            text=kind.text,
            advice="Look at them, and put them aside:",
            command=command("filter", folder, options=kind.options),
            lines=tuple(f"{folder.bare(folder.names[i])}: {kind.caption(folder, i)}" for i in worst),
            groups=singles(folder.shot(folder.names[i], kind.caption(folder, i)) for i in worst[:SHOWN]),
        )


def _least(column: str) -> Callable[[Folder], Column]:
    return lambda folder: folder.numbers[column]


def _figure(column: str, form: str) -> Callable[[Folder, int], str]:
    return lambda folder, index: f"{column.replace('_', ' ')} {folder.numbers[column][index]:{form}}"


def tones(folder: Folder) -> Iterator[Finding]:
    """Whether dark and light pictures are there to learn from."""
    if len(folder) < LEAST_TO_JUDGE:
        return
    brightness = folder.numbers["brightness"]
    ends = (("dark", brightness < DARK, f"under {DARK:g}"), ("light", brightness > LIGHT, f"over {LIGHT:g}"))
    for tone, which, bounds in ends:
        number = int(which.sum())
        share = number / len(folder)
        if share >= RARE:
            yield fine(f"few-{tone}", folder, f"{tone} pictures are at least {percent(RARE)} of all")
            continue
        yield Finding(
            severity=LOOK,
            kind=f"few-{tone}",
            folders=(folder.label,),
            title=f"only {number:,} of {some(len(folder), 'picture')} ({percent(share)}) "
            f"{'is' if number == 1 else 'are'} {tone}"
            if number
            else f"none of {some(len(folder), 'picture')} is {tone}",
            text=f"Dark means a mean brightness {bounds}, of 1. A translator does badly on what it saw little of: "
            f"{tone} pictures come out worse and blurred.".replace("Dark", tone.capitalize(), 1),
            advice=f"Add {tone} pictures, or keep {tone} ones away from the trained translator.",
        )


def shape(folder: Folder, index: int) -> str:
    """Width and height of a picture."""
    return " × ".join(f"{folder.numbers[column][index]:.0f}" for column in ("width", "height"))


def fine(kind: str, folder: Folder, title: str) -> Finding:
    """All is well."""
    return Finding(severity=FINE, kind=kind, folders=(folder.label,), title=title)


def command(verb: str, *folders: Folder, options: str = "") -> str:
    """What to type in a shell; names of folders as text, even where they are no UTF-8."""
    paths = (shlex.quote(printable(str(folder.path))) for folder in folders)
    return " ".join(filter(None, ["toonforge data", verb, *paths, options]))


def percent(share: float) -> str:
    """A share in words: never 0 % of something that is there, nor 100 % of what is not whole."""
    if 0 < share < 0.005:
        return "under 1%"
    return f"{min(share, 0.99) if share < 1 else share:.0%}"
