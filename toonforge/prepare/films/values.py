"""The values that frames are chosen by, under the names of the options of `toonforge data frames`."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from toonforge.errors import DataError, Problem
from toonforge.prepare.films.plan import Choice
from toonforge.prepare.films.scenes import THRESHOLD
from toonforge.prepare.films.tasks import FORMATS


def named(choice: Choice) -> Mapping[str, object]:
    """A choice under the names of the options."""
    return {f"--{_OPTIONS.get(name, name).replace('_', '-')}": value for name, value in attrs.asdict(choice).items()}


_OPTIONS = {"begin": "from", "end": "until", "most": "max"}


def check(choice: Choice, size: int | None, format: str) -> None:
    """Raise `DataError` for values out of their range."""
    problems = [
        Problem(message="out of range", key=key, found=str(value), expected=expected)
        for key, value, expected, right in (
            ("--every", choice.every, "seconds, more than 0", choice.every is None or 0 < choice.every < float("inf")),
            ("--per-scene", choice.per_scene, "1 or more", choice.per_scene >= 1),
            ("--threshold", choice.threshold, "more than 1", choice.threshold > 1),
            ("--from", choice.begin, "0 seconds or more", 0 <= choice.begin < float("inf")),
            ("--size", size, "16 pixels or more", size is None or size >= 16),
            ("--format", format, " or ".join(FORMATS), format in FORMATS),
            ("--max", choice.most, "1 or more", choice.most is None or choice.most >= 1),
        )
        if not right
    ]
    if choice.end is not None and not choice.end > choice.begin:
        expected = f"more than {choice.begin:g} seconds"
        problems.append(
            Problem(message="it must be after --from", key="--until", found=f"{choice.end:g}", expected=expected)
        )
    if choice.every is not None and (choice.per_scene, choice.threshold) != (1, THRESHOLD):
        hint = "leave --every out, or --per-scene and --threshold"
        problems.append(Problem(message="scenes are not looked for where a frame is taken every so often", hint=hint))
    if problems:
        raise DataError(*problems)
