"""A process that trains one variant of a recipe and answers questions about it: `python -m toonforge.bench.worker`.

It speaks the lines of `toonforge.bench.lines` on its standard input and output; what libraries print goes to stderr.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import IO, TYPE_CHECKING, Any

from toonforge.bench import lines
from toonforge.errors import ToonforgeError

if TYPE_CHECKING:
    from toonforge.bench.subject import Subject


def main() -> int:
    """Answer until the input is closed; returns the exit code: 2 after a mistake, 1 after a fault of ours."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever prints must not come between the lines
    first = lines.read(sys.stdin)
    if first is None:
        return 0
    try:
        _answer_all(first, output)
    except ToonforgeError as error:
        lines.write(output, lines.told(error))
        return 2
    except Exception:
        lines.write(output, {"fault": traceback.format_exc().rstrip()})
        return 1
    return 0


def _answer_all(first: dict[str, Any], output: IO[str]) -> None:
    from toonforge.bench.subject import Subject

    with Subject(lines.read_start(first)) as subject:
        lines.write(output, subject.described())
        while (question := lines.read(sys.stdin)) is not None:
            lines.write(output, answer(subject, question))


def answer(subject: Subject, question: dict[str, Any]) -> dict[str, Any]:
    """What a question is answered with; see `toonforge.bench.lines`."""
    do = question["do"]
    if do == "warm":
        return subject.warm()
    if do == "turn":
        return subject.turn(question["steps"])
    if do == "parts":
        return subject.parts(question["steps"])
    if do == "flops":
        return {"flops": subject.flops()}
    if do == "rate":
        return {"rates": subject.rates()}
    if do == "losses":
        return {"losses": subject.losses()}
    raise ValueError(f"unknown question: {do!r}")


if __name__ == "__main__":
    sys.exit(main())
