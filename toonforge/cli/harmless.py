"""Output that obeys nobody but this program: what a file is called, or says of itself, is shown and not obeyed.

Terminals take more for commands than colours: to name their window, to write the clipboard, to answer as if the user
had typed. Names of files and texts of data, logs and recipes may hold such commands, so everything that is written
passes here. Colours, and how progress is drawn in place, pass; in a name they do not, since whoever makes a message
shows a name by `toonforge.errors.escaped`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

COMMAND = re.compile(
    # Begins anything but colours, erasing a line, a line up, a cursor that is hidden: what progress is drawn with.
    r"\x1b(?!\[(?:(?![0;]*8[;m])[0-9;]{0,40}m|[012]?K|[0-9]{0,2}A|\?25[hl]))"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]"
    r"|[\u202a-\u202e\u2066-\u2069]"  # turn the direction of writing: "gpj.exe" reads as "exe.jpg"
)


def harmless(text: str, encoding: str = "utf-8") -> str:
    """The text with commands written as escapes, and so whatever an encoding does not know (bytes of file names)."""
    plain = COMMAND.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
    return plain.encode(encoding, "backslashreplace").decode(encoding)


class Harmless:
    """A text stream that writes no command."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """As of any text stream."""
        self._stream.write(harmless(text, getattr(self._stream, "encoding", None) or "utf-8"))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """As of any text stream."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def obeying_nobody() -> Iterator[None]:
    """Let everything that is written to stdout and stderr be harmless."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, stream and Harmless(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
