"""Lists as GitHub reads them: what stands below an item is indented as far as its text, not by four spaces."""

from __future__ import annotations

import re

FENCE = re.compile(r" *(`{3,}|~{3,})")


def four_spaces(markdown: str) -> str:
    """Markdown with every indent doubled, so that Python-Markdown sees the lists that GitHub sees.

    The lines of a code block move as far as its first line does, and no further.
    """
    lines, fence, shift = [], "", 0
    for line in markdown.splitlines():
        match = FENCE.match(line)
        if not fence:
            shift = len(line) - len(line.lstrip(" "))
            fence = match[1] if match else ""
        elif match and match[1].startswith(fence) and not line[match.end() :].strip():
            fence = ""
        lines.append(" " * shift + line if line else line)
    return "\n".join(lines)
