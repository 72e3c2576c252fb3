"""`toonforge doctor`: what this machine has, lacks and gets wrong, and what to do about each."""

from __future__ import annotations

import json
from collections import Counter

import attrs
import click

from toonforge.checkup import AREAS, Finding, examine
from toonforge.cli.text import echo, hanging, heading

COLOURS = {"good": "green", "note": "cyan", "warning": "yellow", "broken": "red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print it for programs.")
def command(as_json: bool) -> int:
    """Tell what this machine has, lacks and gets wrong, and what to do about each.

    That is devices and a GPU that PyTorch cannot use, versions that do not go together, plugins that are broken or do
    not fit, extras that are missing, folders that cannot be written, and room on the disk. The exit code is 2 when
    something is broken.

    \b
    Examples:
      toonforge doctor
      toonforge doctor --json
    """
    findings = examine()
    broken = any(finding.status == "broken" for finding in findings)
    code = 2 if broken else 0
    if as_json:
        told = {"good": not broken, "findings": [attrs.asdict(finding) for finding in findings]}
        echo(json.dumps(told, ensure_ascii=False, indent=1))
        return code
    width = max(len(finding.name) for finding in findings)
    for area in AREAS:
        echo(heading(area))
        for finding in findings:
            if finding.area == area:
                _show(finding, width)
    echo(_summed_up(findings))
    return code


def _show(finding: Finding, width: int) -> None:
    status = click.style(f"{finding.status:<8}", fg=COLOURS[finding.status])
    indent = " " * (12 + width)
    echo(hanging(finding.text, f"  {status}{finding.name:<{width}}  ", indent))
    if finding.advice is not None:
        echo(hanging(finding.advice, f"{indent}-> ", f"{indent}   "))


def _summed_up(findings: list[Finding]) -> str:
    counts = Counter(finding.status for finding in findings)
    said = [f"{counts['broken']} broken"] if counts["broken"] else ["nothing is broken"]
    said += [f"{counts['warning']} warning{'s' * (counts['warning'] > 1)}"] if counts["warning"] else []
    return "\n" + click.style(", ".join(said), fg="red" if counts["broken"] else "green", bold=True)
