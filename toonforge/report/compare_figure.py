"""Figures of a comparison as papers have them: one panel a metric or loss, one line a run, its name beside its end."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from toonforge.files import beside
from toonforge.report.compare_curves import Curve, alone_in, by_epoch
from toonforge.report.compare_metrics import REFERENCES, Level, Metric, references

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F3C8D", "#4D4D4D")
"""Okabe and Ito's, without the yellow that white paper swallows."""
DASHES = ("-", "--", ":", "-.")
INK, FAINT = "#26262a", "#78787e"
DPI = 150
MOST_PANELS = 12
SMOOTHED_OVER = 0.03
"""A loss is drawn as its mean over so much of the run, and faintly as it was logged."""
BAND = 0.15
"""How opaque the standard error around a curve is drawn."""
REACH = 1.0
"""A reference further from the curves than so many times their range is told at the edge and does not flatten them."""


def draw(
    path: Path, curves: Sequence[Curve], runs: Sequence[str], metrics: Sequence[Metric], title: str
) -> Sequence[Path]:
    """Draw a figure as PNG and as SVG; `ImportError` where matplotlib is not installed.

    Args:
        path: of the figure, without an ending.
        curves: of one kind: metrics or losses.
        runs: names, in the order of their colours.
        metrics: for directions and references; empty for losses.
        title: above all panels.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    names = list(dict.fromkeys(curve.name for curve in curves))[:MOST_PANELS]
    across = min(2 if len(names) < 5 else 3, len(names))
    down = math.ceil(len(names) / across)
    known = {metric.name: metric for metric in metrics}
    levels = references(metrics, REFERENCES[0])
    epochs = by_epoch(curves)
    # Labels stay text in the SVG, and the same curves give the same file. A "$" in a name begins no formula.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "toonforge", "text.parse_math": False}):
        width = 6.4 * across if across < 3 else 5.4 * across
        figure = Figure(figsize=(width, 3.7 * down + 0.4), dpi=DPI)
        FigureCanvasAgg(figure)
        for place, name in enumerate(names, 1):
            axes = figure.add_subplot(down, across, place)
            own = [curve for curve in curves if curve.name == name]
            _panel(axes, own, runs, epochs, known.get(name), levels.get(name, []))
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, color=INK)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of letters that the font lacks, and of names too long for their place
            ConstrainedLayoutEngine().execute(figure)  # once; as the figure's own engine, for each file anew
            return [_save(figure, path.with_name(f"{path.name}.{ending}"), ending) for ending in ("png", "svg")]


def _save(figure: Figure, path: Path, ending: str) -> Path:
    # Without a date, the same figure is the same file.
    with beside(path) as temporary:
        figure.savefig(temporary, format=ending, metadata={"Date": None} if ending == "svg" else None)
    return path


def _panel(
    axes: Axes,
    curves: Sequence[Curve],
    runs: Sequence[str],
    epochs: bool,
    metric: Metric | None,
    levels: Sequence[Level],
) -> None:
    from matplotlib.ticker import MaxNLocator

    ends: list[tuple[float, float, str, str]] = []
    first = math.inf
    for curve in curves:
        number = runs.index(curve.run)
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % len(DASHES)]
        x = list(curve.epochs if epochs and curve.epochs is not None else curve.steps)
        y = list(curve.values)
        first = min(first, x[0])
        if any(map(math.isfinite, curve.errors)):
            low, high = ([v + sign * e for v, e in zip(y, curve.errors)] for sign in (-1, 1))
            axes.fill_between(x, low, high, color=colour, alpha=BAND, linewidth=0)
            if len(x) == 1:
                axes.errorbar(x, y, yerr=list(curve.errors), color=colour, alpha=0.6, linewidth=1.2, capsize=3)
        if curve.kind == "loss" and len(x) > 20:
            axes.plot(x, y, dash, color=colour, linewidth=0.6, alpha=0.22)
            y = smoothed(y, max(1, round(len(x) * SMOOTHED_OVER)))
            axes.plot(x, y, dash, color=colour, linewidth=1.8)
        else:
            marker = "o" if len(x) <= 40 else ""
            axes.plot(x, y, dash, color=colour, linewidth=1.8, marker=marker, markersize=3.5, clip_on=False)
        finite = [(a, b) for a, b in zip(x, y) if math.isfinite(b)]
        if finite:
            ends.append((*finite[-1], curve.run, colour))
    better = f" ({metric.better} is better)" if metric is not None and metric.better else ""
    axes.set_title(curves[0].name + better, loc="left", fontsize=11, color=INK)
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes.set_xlabel("epoch" if epochs else "step", color=FAINT, fontsize=9)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#bbbbbb")
    axes.tick_params(colors=FAINT, labelsize=9)
    if curves[0].kind == "loss":
        _crop(axes, curves)
    if len(levels) == 1:
        _level(axes, levels[0])
    _labels(axes, ends, first)


def smoothed(values: Sequence[float], reach: int) -> list[float]:
    """The mean over `reach` values to either side; nan where there is none."""
    import numpy as np

    given = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(given)
    # Sums up to each place: a window's is the difference of two, whatever its width.
    sums = np.concatenate([[0.0], np.cumsum(np.where(finite, given, 0.0))])
    counts = np.concatenate([[0], np.cumsum(finite)])
    at = np.arange(len(given))
    first, last = np.maximum(at - reach, 0), np.minimum(at + reach + 1, len(given))
    near = counts[last] - counts[first]
    means = np.where(near > 0, (sums[last] - sums[first]) / np.maximum(near, 1), math.nan)
    return [float(mean) for mean in means]


def _crop(axes: Axes, curves: Sequence[Curve]) -> None:
    """From nought to just above all but the highest hundredth: one spike does not flatten a whole training."""
    values = sorted(value for curve in curves for value in curve.values if math.isfinite(value))
    if len(values) < 100 or values[0] < 0:
        return
    high = values[math.ceil(0.99 * len(values)) - 1]
    if high > 0:
        axes.set_ylim(0, 1.08 * high)


def _level(axes: Axes, level: Level) -> None:
    """A dashed line at the untranslated pictures' value, within its standard error; told where it lies far away."""
    low, high = axes.get_ylim()
    height = level.value
    far = max(low - height, height - high) > REACH * (high - low)
    place = (high if height > high else low) if far else height
    arrow = (" ↑" if height > high else " ↓") if far else ""
    text = f"untranslated {height:.4g}" + (f" ± {level.error:.2g}" if math.isfinite(level.error) else "") + arrow
    if not far:
        axes.axhline(height, color=FAINT, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        if math.isfinite(level.error):
            axes.axhspan(height - level.error, height + level.error, color=FAINT, alpha=BAND / 2, linewidth=0, zorder=0)
    sides = [far and height > high] if far else [False, True]
    below, left = min(product(sides, (False, True)), key=lambda side: _crossed(axes, place, *side))
    axes.annotate(
        text,
        (0.01 if left else 0.99, place),
        xycoords=("axes fraction", "data"),
        xytext=(0, -3 if below else 3),
        textcoords="offset points",
        ha="left" if left else "right",
        va="top" if below else "bottom",
        fontsize=8,
        color=FAINT,
    )


def _crossed(axes: Axes, height: float, below: bool, left: bool) -> int:
    """At how many places curves run through a small text above or below a height, at the left or the right."""
    import numpy as np

    (first, last), (low, high) = axes.get_xlim(), axes.get_ylim()
    near = np.linspace(0, 0.4, 20)
    places = first + (near if left else 1 - near) * (last - first)
    bottom = height - (0.08 if below else 0) * (high - low)
    found = 0
    for line in axes.lines:
        x, y = (np.asarray(values, dtype=np.float64) for values in line.get_data())
        if len(x) > 1 and line.get_transform() == axes.transData:
            at = np.interp(places, x, y, left=np.nan, right=np.nan)
            found += int(((at > bottom) & (at < bottom + 0.08 * (high - low))).sum())
    return found


def _labels(axes: Axes, ends: Sequence[tuple[float, float, str, str]], first: float) -> None:
    """Each line's name beside its end, in its colour; a thin leader where it had to move. `first`: the least x."""
    if not ends:
        return
    low, high = axes.get_ylim()
    room = 0.065 * (high - low)
    left, _ = axes.get_xlim()
    right = max(x for x, *_ in ends)
    early = [end for end in ends if end[0] < right - 0.1 * (right - left)]
    late = sorted((end for end in ends if end not in early), key=lambda end: end[1])
    heights = apart([min(max(y, low), high) for _, y, _, _ in late], room)
    for x, y, text, colour in early:
        _label(axes, text, (x, y), (x + 0.012 * (right - left), y + room / 2), colour, inside=True)
    for (x, y, text, colour), at in zip(late, heights):
        moved = x < right or abs(at - y) > room / 3
        _label(axes, text, (x, y), (right + 0.025 * (right - left), at), colour, leader=moved)
    axes.set_xlim(0 if first <= 0.15 * right else left, right)
    axes.set_ylim(min(low, heights[0] - room / 2), max(high, heights[-1] + room / 2))


def _label(
    axes: Axes,
    text: str,
    end: tuple[float, float],
    at: tuple[float, float],
    colour: str,
    leader: bool = False,
    inside: bool = False,
) -> None:
    """One name; where it may lie on a line, legible there too (and then not as text in an SVG)."""
    from matplotlib.patheffects import withStroke

    line = {"arrowstyle": "-", "color": "#bbbbbb", "linewidth": 0.8, "shrinkA": 1, "shrinkB": 2}
    broken = "\n".join(broken_lines(text, 28))
    axes.annotate(
        broken,
        end,
        xytext=at,
        textcoords="data",
        fontsize=9,
        color=colour,
        va="center",
        annotation_clip=False,
        arrowprops=line if leader else None,
        path_effects=[withStroke(linewidth=2.5, foreground="white")] if inside else None,
    )


def broken_lines(text: str, room: int) -> list[str]:
    """A name in lines of about `room` characters, broken behind spaces and where its parts meet; nothing is lost."""
    lines = [""]
    for piece in re.findall(r"[^\s_,/]*[\s_,/]*", text):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > room:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip(" ") for line in lines]


def apart(heights: Sequence[float], room: float) -> list[float]:
    """Rising heights moved as little as it takes to lie `room` from each other."""
    blocks: list[tuple[float, int]] = []  # the middle of labels that touch, and how many they are
    for height in heights:
        middle, count = height, 1
        while blocks and middle - blocks[-1][0] < room * (count + blocks[-1][1]) / 2:
            other, others = blocks.pop()
            middle, count = (middle * count + other * others) / (count + others), count + others
        blocks.append((middle, count))
    return [middle + room * (i - (count - 1) / 2) for middle, count in blocks for i in range(count)]


def figures(
    folder: Path, curves: Sequence[Curve], runs: Sequence[str], metrics: Sequence[Metric], title: str
) -> tuple[list[Path], list[str]]:
    """`curves.png/svg` of the metrics and `losses.png/svg`: what was made, and what could not be.

    Only what was measured more than once, in some run, is a curve; and only losses that several runs have.
    """
    parts: Mapping[str, Sequence[str]] = {metric.name: metric.parts for metric in metrics}
    lines = {(curve.kind, curve.name) for curve in curves if len(curve.steps) > 1}
    drawn = [curve for curve in curves if (curve.kind, curve.name) in lines]
    alone = alone_in(curves)
    wanted = {
        "curves": [c for c in drawn if c.kind == "metric" and _drawn(c.name, parts)],
        "losses": [c for c in drawn if c.kind == "loss" and c.name not in alone],
    }
    made: list[Path] = []
    for name, own in wanted.items():
        if not own:
            continue
        try:
            made += draw(folder / name, own, runs, metrics, title)
        except ImportError:
            return made, ['curves.png and losses.png need matplotlib: pip install "toonforge[plots]"']
        except Exception as error:  # a chart is not worth a comparison
            return made, [f"{name}.png could not be drawn: {type(error).__name__}: {error}"]
    return made, []


def _drawn(name: str, parts: Mapping[str, Sequence[str]]) -> bool:
    metric, _, part = name.partition(".")
    return not part or part in parts.get(metric, ())
