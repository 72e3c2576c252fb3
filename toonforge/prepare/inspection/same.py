"""Pictures that are there several times: the same file or nearly the same picture, in one folder or in two."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from toonforge.data.files import item_name
from toonforge.prepare.duplicates.keepers import keepers
from toonforge.prepare.duplicates.near import near_pairs
from toonforge.prepare.duplicates.preference import ranked
from toonforge.prepare.inspection.compare import ALIKE, share_names
from toonforge.prepare.inspection.figures import Folder
from toonforge.prepare.inspection.finding import FINE, LOOK, MEND, Finding, Group, Shot, some
from toonforge.prepare.inspection.judge import command, fine, percent, shape
from toonforge.prepare.verbs.dedupe import DISTANCE

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from toonforge.prepare.duplicates.near import Hashes

GROUPS, OF_GROUP = 5, 3
"""Groups shown with a finding, and pictures of each."""

Same = tuple[str, ...]
"""Pictures that are the same or nearly so, the one to keep first."""


def same_pictures(folders: Sequence[Folder]) -> Iterator[Finding]:
    """All that is to be said about them."""
    there = [folder for folder in folders if len(folder)]
    for one, other in combinations(there, 2):
        yield from between(one, other, alone=len(there) == 2)
    for folder in there:
        yield from within(folder)


def within(folder: Folder) -> Iterator[Finding]:
    """Copies in one folder."""
    exact = [same for same in _by_digest(folder).values() if len(same) > 1]
    near = _near(folder)
    surplus = sum(map(len, exact)) - len(exact)
    if exact:
        yield Finding(
            severity=LOOK,
            kind="duplicates",
            folders=(folder.label,),
            title=f"{some(surplus, 'file')} {'is a copy' if surplus == 1 else 'are copies'} of others, byte for byte",
            text="Training sees these pictures more often than the others; and where a copy is in the validation part, "
            "the measures are too good.",
            advice="Keep one of each:",
            command=command("dedupe", folder),
            lines=tuple(", ".join(map(folder.bare, same)) for same in exact),
            groups=_shown(folder, exact),
        )
    if near:
        surplus = sum(map(len, near)) - len(near)
        yield Finding(
            severity=LOOK,
            kind="near-duplicates",
            folders=(folder.label,),
            title=f"{some(surplus, 'picture')} ({percent(surplus / len(folder))}) "
            f"{'is' if surplus == 1 else 'are'} nearly the same as others",
            text="Scaled or saved anew, or neighbouring frames of a film. Training sees these scenes more often than "
            "the others; and where one is in the validation part, the measures are too good.",
            advice="Keep the best of each:",
            command=command("dedupe", folder),
            lines=tuple(", ".join(map(folder.bare, same)) for same in near),
            groups=_shown(folder, near),
        )
    if not exact and not near:
        yield fine("duplicates", folder, "no picture is there twice, or nearly so")


def between(one: Folder, other: Folder, alone: bool = True) -> Iterator[Finding]:
    """The same pictures in two folders; in pairs, those of one name may well be alike.

    Args:
        alone: there is no third folder, so they may be two styles.
    """
    first, second = _by_digest(one), _by_digest(other)
    both = [(first[digest][0], second[digest][0]) for digest in first if digest in second]
    labels = (one.label, other.label)
    if both:
        yield Finding(
            severity=MEND,
            kind="duplicates-between",
            folders=labels,
            title=f"{some(len(both), 'picture')} {'is' if len(both) == 1 else 'are'} in both {one.label} and "
            f"{other.label}, byte for byte",
            text="As two styles, there is nothing to translate between them; as training and validation, the measures "
            "are too good.",
            advice="Remove them from the one in which they do not belong.",
            lines=tuple(f"{left} = {right}" for left, right in both),
            groups=tuple((Shot(left), Shot(right)) for left, right in both[:GROUPS]),
        )
    near = [pair for pair in _near_between(one, other) if pair not in set(both)]
    as_pairs = share_names(one, other)
    if as_pairs:
        near = [(left, right) for left, right in near if item_name(one.bare(left)) != item_name(other.bare(right))]
    made = len(near) >= max(2, ALIKE * min(len(one), len(other)))
    if near:
        yield Finding(
            severity=LOOK,
            kind="near-duplicates-between",
            folders=labels,
            title=f"{some(len(near), 'picture')} of {one.label} {'has' if len(near) == 1 else 'have'} nearly the same "
            f"picture in {other.label}",
            text=_if_shared(made, as_pairs, alone),
            advice="To train them in pairs, give the two of each one name: “toonforge data pair” brings them together."
            if made and alone
            else "Look at them, and take away the one of each that does not belong.",
            lines=tuple(f"{left} ≈ {right}" for left, right in near),
            groups=tuple((Shot(left), Shot(right)) for left, right in near[:GROUPS]),
        )
    if not both and not near:
        title = f"no picture of {one.label} is in {other.label}, nor one nearly the same"
        yield Finding(severity=FINE, kind="duplicates-between", folders=labels, title=title)


def _if_shared(made: bool, as_pairs: bool, alone: bool) -> str:
    """What it means that pictures of one folder are nearly in the other: that depends on what the two are."""
    text = "As training and validation, the measures are too good."
    if not alone:
        return text
    if made:
        return f"{text} As two styles, one may have been made of the other: they look like pairs under other names."
    if as_pairs:
        return f"{text} As pairs, some may have the wrong partner, or show one scene again."
    return f"{text} As two styles, some may be in the wrong folder, or made of pictures in the other."


def _by_digest(folder: Folder) -> Mapping[str, Same]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, digest in zip(folder.names, folder.prints["digest"]):
        found[digest].append(name)
    return {digest: tuple(names) for digest, names in found.items()}


def _near(folder: Folder) -> list[Same]:
    """Groups of pictures that are near each other but not the same file, the one that `dedupe` keeps of each first."""
    chosen, hashes = _hashes(folder)
    if not len(hashes):
        return []
    columns = ("width", "height", "colour_spread", "sharpness")
    rank = ranked(*(folder.numbers[column][chosen] for column in columns))
    found: defaultdict[int, list[str]] = defaultdict(list)
    for place, kept in enumerate(keepers(hashes, rank, DISTANCE).kept.tolist()):
        if kept != place:
            found[kept].append(folder.names[chosen[place]])
    return [(folder.names[chosen[kept]], *names) for kept, names in sorted(found.items())]


def _near_between(one: Folder, other: Folder) -> list[tuple[str, str]]:
    """Pictures of one folder with the nearest of the other, where one is near."""
    import numpy as np

    sides = [_hashes(folder) for folder in (one, other)]
    # Each hash once: a folder of like frames would have too many pairs.
    unique = [np.unique(hashes, return_index=True) for _, hashes in sides]
    border = len(unique[0][0])
    first, second, bits = near_pairs(np.concatenate([hashes for hashes, _ in unique]), DISTANCE)
    across = (first < border) & (second >= border)
    first, second, bits = first[across], second[across], bits[across]
    nearest = np.lexsort((second, bits, first))
    _, starts = np.unique(first[nearest], return_index=True)
    found = []
    for place in nearest[starts]:
        left = sides[0][0][unique[0][1][first[place]]]
        right = sides[1][0][unique[1][1][second[place] - border]]
        found.append((one.names[left], other.names[right]))
    return sorted(found)


def _hashes(folder: Folder) -> tuple[npt.NDArray[np.int64], Hashes]:
    """Places of the pictures that have a hash, each file once however often it was copied; and their hashes."""
    import numpy as np

    first: dict[str, int] = {}
    for place, (digest, text) in enumerate(zip(folder.prints["digest"], folder.prints["hash"])):
        if text:
            first.setdefault(digest, place)
    places = np.array(sorted(first.values()), np.int64)
    return places, np.array([int(folder.prints["hash"][place], 16) for place in places], np.uint64)


def _shown(folder: Folder, groups: Sequence[Same]) -> tuple[Group, ...]:
    """The largest groups, with the size of each picture."""
    some_groups = sorted(groups, key=lambda same: -len(same))[:GROUPS]
    places = {name: place for place, name in enumerate(folder.names)}
    return tuple(
        tuple(folder.shot(name, shape(folder, places[name])) for name in same[:OF_GROUP]) for same in some_groups
    )
