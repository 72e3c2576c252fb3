"""Cells of tables that a spreadsheet shows and does not compute.

Spreadsheets take a cell that begins with one of a few characters for a formula, which may start programs or send what
stands beside it elsewhere; names of files may begin so. What we write has an apostrophe before it, as a spreadsheet
writes text; what we read back loses it again.
"""

from __future__ import annotations

import re
from typing import Any

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_WRITTEN = re.compile(r"'+[=+\-@\t\r]")


def cell(value: Any) -> Any:
    """A value as a table has it; numbers are left as they are."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def content(written: str) -> str:
    """What `cell` was given."""
    return written[1:] if _WRITTEN.match(written) else written
