"""The lines that a measurement and its processes exchange: one JSON object a line, an answer to each question.

The first line a process reads describes its recipe (`Start`), and its answer is what it made of it. Then, in any order:

    {"do": "turn", "steps": 5}    so many steps of training                       {"steps", "seconds", "data",
                                                                                   "memory", "room"}
    {"do": "warm"}                steps until nothing is done for the first time  the same, of the last of them
    {"do": "parts", "steps": 1}   steps under a profiler                          {"parts", "networks", "seconds"}
    {"do": "flops"}               operations of a step that count as work         {"flops": number}
    {"do": "rate"}                how fast the device multiplies                  {"rates": {name: a second}}
    {"do": "losses"}              those of the last step                          {"losses": {name: value}}

`seconds` are of all the turn's steps, `data` of them those in which it waited for pictures; `memory` is the process's
peak in bytes, and `room` what is free beside it. `parts` are of one step: kind -> direction -> seconds. An answer
{"problems": …} or {"fault": …} is an error, after which the process ends; so it does when its input is closed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

import attrs

from toonforge.errors import Location, Problem, ToonforgeError


@attrs.frozen(kw_only=True)
class Start:
    """The first line.

    Attributes:
        source: the recipe's file, or a packaged recipe's name.
        overrides: changes to it, "KEY=VALUE".
        at: see `toonforge.bench.asked.Asked`.
        cpu: stay on the CPU.
    """

    source: str
    overrides: tuple[str, ...] = ()
    at: int | None = None
    cpu: bool = False


def write(stream: IO[str], what: Mapping[str, Any]) -> None:
    """Send a line."""
    stream.write(json.dumps(what) + "\n")
    stream.flush()


def read(stream: IO[str]) -> dict[str, Any] | None:
    """The next line; None where there is no further one."""
    line = stream.readline()
    if not line:
        return None
    found: dict[str, Any] = json.loads(line)
    return found


def read_start(line: Mapping[str, Any]) -> Start:
    """The first line, as `attrs.asdict` and JSON have made it."""
    return Start(**{**line, "overrides": tuple(line["overrides"])})


def told(error: ToonforgeError) -> dict[str, Any]:
    """A mistake of the user's, as a line."""
    return {"problems": [attrs.asdict(problem) for problem in error.problems]}


def problems(line: Mapping[str, Any]) -> list[Problem]:
    """Those that `told` wrote."""
    return [
        Problem(**{**one, "where": None if one["where"] is None else Location(**one["where"])})
        for one in line["problems"]
    ]
