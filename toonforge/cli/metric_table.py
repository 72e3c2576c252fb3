"""The table of metrics in a terminal: each number beside what it has to beat, and how it was made."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from toonforge import events
from toonforge.cli.text import number, width
from toonforge.components import Metric

HEADLINES = ("", "std", "baseline", "baseline_std")


def metric_lines(
    metrics: Mapping[str, Mapping[str, float]], about: Mapping[str, events.About], configs: Mapping[str, Metric]
) -> list[str]:
    """A table of metrics: the untranslated pictures as the baseline, the translated ones, then what else each says."""
    parts = ["baseline"] if any("baseline" in results for results in metrics.values()) else []
    parts.append("")
    rows = [["metrics", *({"baseline": "untranslated", "": "translated"}[part] for part in parts)]]
    rows += [[f"  {name}", *(_value(results, part) for part in parts)] for name, results in metrics.items()]
    sizes = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines: list[str] = []
    for row in rows:
        cells = [f"{row[0]:<{sizes[0]}}", *(f"{cell:>{size}}" for cell, size in zip(row[1:], sizes[1:], strict=True))]
        notes = _notes(row[0].strip(), metrics, configs) if lines else []
        lines.append("  ".join(cells) + (f"  ({'; '.join(notes)})" if notes else ""))
    return lines + _protocol_lines(list(metrics), configs)


def _protocol_lines(names: list[str], configs: Mapping[str, Metric]) -> list[str]:
    """How each metric is measured; what several say alike is said once, with all their names."""
    sayers: dict[str, list[str]] = {}
    for name in names:
        for part in configs[name].protocol().split("; ") if name in configs else ():
            sayers.setdefault(part, []).append(name)
    said: dict[tuple[str, ...], list[str]] = {}
    for part, who in sayers.items():
        if part:
            said.setdefault(tuple(who), []).append(part)
    texts = [f"{', '.join(who)}: {'; '.join(parts)}" for who, parts in said.items()]
    return [
        line
        for text in texts
        for line in textwrap.wrap(text, width() - 1, initial_indent="  ", subsequent_indent="    ")
    ]


def _notes(name: str, metrics: Mapping[str, Mapping[str, float]], configs: Mapping[str, Metric]) -> list[str]:
    """Which way is better, and a metric's results besides its headline."""
    config, results = configs.get(name), metrics[name]
    lower = config.lower_is_better if config is not None else None
    better = [] if lower is None else [f"{'lower' if lower else 'higher'} is better"]
    others = [part for part in results if part not in HEADLINES and not part.endswith("_std")]
    return [*better, *(f"{part.replace('_', ' ')} {_value(results, part)}" for part in others)]


def _value(results: Mapping[str, float], part: str) -> str:
    """A result with its standard error where the metric gives one; "-" where it has no such result."""
    if part not in results:
        return "-"
    error = results.get(f"{part}_std" if part else "std")
    return number(results[part]) + (f" ± {error:.2g}" if error is not None else "")
