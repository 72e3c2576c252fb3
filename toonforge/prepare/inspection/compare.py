"""What is to be said about several folders beside each other: an imbalance of one is learnt as if it were the style."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Sized
from itertools import combinations

from toonforge.data.picture_source import ASPECT_TOLERANCE
from toonforge.prepare.inspection.figures import Folder
from toonforge.prepare.inspection.finding import FINE, LOOK, MEND, SHOWN, Finding, Shot, some
from toonforge.prepare.inspection.folder import pair_names
from toonforge.prepare.inspection.judge import DARK, LEAST_TO_JUDGE, RARE, command, percent

TIMES = 3.0
"""Times as many pictures, from which on the smaller folder is repeated often."""
BRIGHTER = 0.1
"""Difference of median brightness (of 1) that a translator learns as part of the style."""
LARGER = 2.0
"""Times the median short side, from which on the smaller pictures are softer where both are scaled to one size."""
WIDER = 1.25
"""Times the median aspect, from which on squares cut from them show different parts of a scene."""
ALIKE = 0.5
"""Share of the smaller folder's names found in the other, from which on two folders look like pairs."""


def compare(folders: Sequence[Folder]) -> Iterator[Finding]:
    """All that is to be said; nothing about fewer than two folders with pictures."""
    there = [folder for folder in folders if len(folder)]
    if len(there) < 2:
        return
    for one, other in combinations(there, 2):
        yield from pairs(one, other)
    yield counts(there)
    yield brightness(there)
    yield sizes(there)
    yield shapes(there)


def once(findings: Sequence[Finding]) -> Iterator[Finding]:
    """The findings without what is said of one folder again that is said between folders: that it is dark or light."""
    compared = {
        label
        for finding in findings
        if finding.kind == "imbalance-brightness" and finding.severity != FINE
        for label in finding.folders
    }
    for finding in findings:
        if finding.kind not in ("few-dark", "few-light") or not compared.intersection(finding.folders):
            yield finding


def counts(folders: Sequence[Folder]) -> Finding:
    """How many pictures each has."""
    most, least = max(folders, key=len), min(folders, key=len)
    times = len(most) / len(least)
    if times < TIMES:
        return _fine("imbalance-count", folders, f"about as many pictures: {_each(folders, lambda f: f'{len(f):,}')}")
    return Finding(
        severity=LOOK,
        kind="imbalance-count",
        folders=(most.label, least.label),
        title=f"{most.label} has {times:.1f} times as many pictures as {least.label}: {len(most):,} and {len(least):,}",
        text=f"Unpaired training goes through {most.label} once an epoch, and {times:.1f} times through {least.label}, "
        "whose discriminator learns its pictures by heart.",
        advice=f"Add pictures to {least.label}. Taking some out of {most.label} makes it fairer, not better.",
    )


def brightness(folders: Sequence[Folder]) -> Finding:
    """Whether one is brighter than the other, or has the dark pictures alone."""
    medians = {folder.label: _median(folder, "brightness") for folder in folders}
    darks = {folder.label: float((folder.numbers["brightness"] < DARK).mean()) for folder in folders}
    bright, dim = max(folders, key=lambda f: medians[f.label]), min(folders, key=lambda f: medians[f.label])
    told = _each(folders, lambda f: f"median {medians[f.label]:.2f}, {_some_dark(darks[f.label])}")
    lacking = [f for f in folders if darks[f.label] < RARE / 2 and len(f) >= LEAST_TO_JUDGE]
    alone = [f for f in folders if darks[f.label] >= 2 * RARE and len(f) >= LEAST_TO_JUDGE]
    if medians[bright.label] - medians[dim.label] > BRIGHTER:
        return Finding(
            severity=LOOK,
            kind="imbalance-brightness",
            folders=(bright.label, dim.label),
            title=f"{bright.label} is brighter than {dim.label}",
            text=f"Mean brightness, 0 to 1: {told}. A translator takes the difference for a part of the style: what it "
            f"makes for {bright.label} comes out lighter, and shadows are lost.",
            advice=f"Add dark pictures to {bright.label} or light ones to {dim.label}, or put the ends aside: "
            "manifest.csv has the brightness of each, by which to sort.",
        )
    if lacking and alone:
        return Finding(
            severity=LOOK,
            kind="imbalance-brightness",
            folders=(alone[0].label, lacking[0].label),
            title=f"{alone[0].label} has dark pictures, {lacking[0].label} has hardly any",
            text=f"Mean brightness, 0 to 1: {told}. What is dark in one then has nothing to become in the other, and "
            "comes out worse and blurred.",
            advice=f"Add dark pictures to {lacking[0].label}, or put them aside in {alone[0].label}:",
            command=command("filter", alone[0], options=f"--min-brightness {DARK:g}"),
        )
    return _fine("imbalance-brightness", folders, f"about as bright: {told}")


def sizes(folders: Sequence[Folder]) -> Finding:
    """Whether one has much larger pictures."""
    import numpy as np

    medians = {folder.label: float(np.median(folder.short_side)) for folder in folders}
    large, small = max(folders, key=lambda f: medians[f.label]), min(folders, key=lambda f: medians[f.label])
    told = _each(folders, lambda f: f"{medians[f.label]:.0f} pixels")
    times = medians[large.label] / medians[small.label]
    if times < LARGER:
        return _fine("imbalance-size", folders, f"about as large, by the median short side: {told}")
    return Finding(
        severity=LOOK,
        kind="imbalance-size",
        folders=(large.label, small.label),
        title=f"pictures of {large.label} are {times:.1f} times as large as those of {small.label}",
        text=f"Median short side: {told}. Scaled to one size, the smaller ones are softer: a discriminator tells the "
        "folders apart by that alone.",
        advice=f"Find larger pictures for {small.label}, or put its smallest aside:",
        command=command("filter", small, options=f"--min-side {max(1, round(medians[large.label] / LARGER))}"),
    )


def shapes(folders: Sequence[Folder]) -> Finding:
    """Whether one has much wider pictures."""
    import numpy as np

    medians = {folder.label: float(np.median(folder.aspect)) for folder in folders}
    wide, tall = max(folders, key=lambda f: medians[f.label]), min(folders, key=lambda f: medians[f.label])
    told = _each(folders, lambda f: f"{medians[f.label]:.2f}")
    if medians[wide.label] / medians[tall.label] < WIDER:
        return _fine("imbalance-aspect", folders, f"about as wide, by the median of width ÷ height: {told}")
    return Finding(
        severity=LOOK,
        kind="imbalance-aspect",
        folders=(wide.label, tall.label),
        title=f"pictures of {wide.label} are wider than those of {tall.label}",
        text=f"Median of width ÷ height: {told}. Squares are cut out of them, so from wide pictures come their sides, "
        "from tall ones their tops and bottoms: one sees more sky, the other more walls.",
        advice="Choose pictures of similar shapes, or cut them to one shape beforehand.",
    )


def pairs(one: Folder, other: Folder) -> Iterator[Finding]:
    """Whether two folders look like pairs, and whether they would do as such."""
    first, second = (pair_names(map(folder.bare, folder.files)) for folder in (one, other))
    both = [name for name in first if name in second]
    if not _largely(both, first, second):
        return
    whole = len(both) == len(first) == len(second)
    differing = list(_differing(one, other, [(first[name], second[name]) for name in both]))
    matched = f"{len(both):,} of {len(first):,} names of {one.label} are in {other.label}, which has {len(second):,}"
    labels = (one.label, other.label)
    if len(differing) > len(both) / 2:
        yield Finding(
            severity=LOOK,
            kind="pairs",
            folders=labels,
            title=f"{one.label} and {other.label} have the same names, but hardly the same scenes",
            text=f"{matched}; but the shapes of {some(len(differing), 'pair')} differ. Both may just be numbered.",
            advice='Train them unpaired: type = "unpaired-folders".',
            lines=tuple(line for line, _ in differing),
        )
        return
    if differing:
        yield Finding(
            severity=MEND,
            kind="pair-aspects",
            folders=labels,
            title=f"{some(len(differing), 'pair')} of {one.label} and {other.label} "
            f"{'does' if len(differing) == 1 else 'do'} not have one shape",
            text=f"Width ÷ height differs by more than {ASPECT_TOLERANCE:.0%}, so they do not show the same scene. "
            "Training in pairs leaves them out.",
            advice="Cut both to the same part of the scene, or put them aside.",
            lines=tuple(line for line, _ in differing),
            groups=tuple(group for _, group in differing[: SHOWN // 2]),
        )
    if whole:
        yield Finding(
            severity=FINE,
            kind="pairs",
            folders=labels,
            title=f"{one.label} and {other.label} look like pairs: all {len(both):,} names match"
            + (", and their shapes agree" if not differing else ""),
            text='They can be trained as pairs: type = "paired-folders".',
        )
        return
    singles = [*(first[n] for n in first if n not in second), *(second[n] for n in second if n not in first)]
    owners = [*([one] * (len(first) - len(both))), *([other] * (len(second) - len(both)))]
    yield Finding(
        severity=LOOK,
        kind="pairs",
        folders=labels,
        title=f"{one.label} and {other.label} look like pairs, but {some(len(singles), 'picture')} "
        f"{'has' if len(singles) == 1 else 'have'} no partner",
        text=f"{matched}. Training in pairs refuses folders that do not match whole.",
        advice="Put those without a partner aside:",
        command=command("pair", one, other),
        lines=tuple(owner.prefix + name for owner, name in zip(owners, singles)),
    )


def share_names(one: Folder, other: Folder) -> bool:
    """Whether two folders look like pairs by the names of their files."""
    first, second = (pair_names(map(folder.bare, folder.files)) for folder in (one, other))
    return _largely([name for name in first if name in second], first, second)


def _largely(both: Sequence[str], first: Sized, second: Sized) -> bool:
    return len(both) >= max(2, ALIKE * min(len(first), len(second)))


def _differing(
    one: Folder, other: Folder, matched: Sequence[tuple[str, str]]
) -> Iterator[tuple[str, tuple[Shot, ...]]]:
    """Pairs whose aspects differ: a line about each, and its pictures."""
    aspects = [dict(zip(folder.names, folder.aspect)) for folder in (one, other)]
    for first, second in matched:
        names = (one.prefix + first, other.prefix + second)
        ratios = [float(side[name]) for side, name in zip(aspects, names) if name in side]
        if len(ratios) == 2 and abs(ratios[1] / ratios[0] - 1) > ASPECT_TOLERANCE:
            shots = tuple(Shot(name, f"width ÷ height {ratio:.2f}") for name, ratio in zip(names, ratios))
            yield f"{names[0]} {ratios[0]:.2f}, {names[1]} {ratios[1]:.2f}", shots


def _some_dark(share: float) -> str:
    return f"{percent(share)} dark" if share else "none dark"


def _fine(kind: str, folders: Sequence[Folder], title: str) -> Finding:
    return Finding(severity=FINE, kind=kind, folders=tuple(folder.label for folder in folders), title=title)


def _each(folders: Sequence[Folder], tell: Callable[[Folder], str]) -> str:
    return "; ".join(f"{folder.label} {tell(folder)}" for folder in folders)


def _median(folder: Folder, column: str) -> float:
    import numpy as np

    return float(np.median(folder.numbers[column]))
