"""Metrics over the training of every run: `curves.csv`, and `curves.png` where matplotlib is installed."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from toonforge.files import write_atomic
from toonforge.runs.folder import writing
from toonforge.sweeps.plan import Plan
from toonforge.sweeps.results import Point, Row, read_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F3C8D", "#4D4D4D")
"""Okabe and Ito's, without the yellow that white paper swallows."""
INK, FAINT = "#26262a", "#78787e"


def write_curves(folder: Path, plan: Plan, rows: Sequence[Row], cpu: bool = False) -> tuple[list[Path], list[str]]:
    """Write the curves of the runs, if any run was measured more than once; what was made, and what could not be."""
    points = [point for run, row in zip(plan.runs, rows) for point in read_points(run, row.folder)]
    if not any(len({point.step for point in points if point.run == run.name}) > 1 for run in plan.runs):
        return [], []
    table = folder / "curves.csv"
    with writing(folder):
        write_atomic(table, comma_separated(points))
    picture = folder / "curves.png"
    try:
        draw(plan, points, picture)
    except ImportError:
        return [table], ['curves.png needs matplotlib: pip install "toonforge[plots]"']
    except Exception as error:  # a chart is not worth a sweep
        return [table], [f"curves.png could not be drawn: {type(error).__name__}: {error}"]
    return [table, picture], []


def comma_separated(points: Sequence[Point]) -> str:
    """One line a measurement."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["run", "step", "epoch", "metric", "value"])
    writer.writerows([p.run, p.step, f"{p.epoch:.6g}", p.metric, p.value] for p in points)
    return stream.getvalue()


def draw(plan: Plan, points: Sequence[Point], path: Path) -> None:
    """One panel a metric, one line a run; `ImportError` where matplotlib is not installed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    metrics = [m for m in dict.fromkeys(point.metric for point in points) if "." not in m]
    across = min(2, len(metrics))
    down = math.ceil(len(metrics) / across)
    figure = Figure(figsize=(6.4 * across, 3.9 * down + 0.5), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    # Runs of other batch sizes take other numbers of steps for the same epochs.
    by_epoch = max(point.epoch for point in points) >= 2
    for place, metric in enumerate(metrics, 1):
        axes = figure.add_subplot(down, across, place)
        _panel(axes, plan, points, metric, by_epoch)
    varied = ", ".join(axis.label for axis in plan.axes)
    figure.suptitle(f"{plan.name} by {varied}", x=0.01, ha="left", fontsize=13, color=INK)
    temporary = path.with_name(f".{path.name}.partial")
    figure.savefig(temporary, format="png")
    temporary.replace(path)


def _panel(axes: Axes, plan: Plan, points: Sequence[Point], metric: str, by_epoch: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    ends: list[tuple[float, float, str, str]] = []
    for number, run in enumerate(plan.runs):
        own = [p for p in points if p.run == run.name and p.metric == metric]
        if not own:
            continue
        colour = COLOURS[number % len(COLOURS)]
        style = ("-", "--", ":", "-.")[number // len(COLOURS) % 4]
        x = [p.epoch if by_epoch else p.step for p in own]
        y = [p.value for p in own]
        axes.plot(x, y, style, color=colour, linewidth=1.8, marker="o", markersize=3, clip_on=False)
        finite = [(a, b) for a, b in zip(x, y) if math.isfinite(b)]
        if finite:
            ends.append((*finite[-1], ", ".join(run.values.values()), colour))
    lower = next((r.recipe.metrics[metric].lower_is_better for r in plan.runs if metric in r.recipe.metrics), None)
    better = {True: " (lower is better)", False: " (higher is better)", None: ""}[lower]
    axes.set_title(metric + better, loc="left", fontsize=11, color=INK)
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes.set_xlabel("epoch" if by_epoch else "step", color=FAINT, fontsize=9)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#bbbbbb")
    axes.tick_params(colors=FAINT, labelsize=9)
    _baseline(axes, points, metric)
    _labels(axes, ends)


def _baseline(axes: Axes, points: Sequence[Point], metric: str) -> None:
    """A dashed line at the untranslated pictures' value, where all runs share one."""
    values = {round(p.value, 6) for p in points if p.metric == f"{metric}.baseline" and math.isfinite(p.value)}
    if len(values) != 1:
        return
    (height,) = values
    axes.axhline(height, color=FAINT, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.annotate(
        "untranslated",
        (0.99, height),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        fontsize=8,
        color=FAINT,
    )


def _labels(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Each line's name beside its end, in its colour; a thin leader where it had to move."""
    if not ends:
        return
    low, high = axes.get_ylim()
    room = 0.06 * (high - low)
    left, _ = axes.get_xlim()
    right = max(x for x, *_ in ends)
    early = [end for end in ends if end[0] < right - 0.1 * (right - left)]
    late = sorted((end for end in ends if end not in early), key=lambda end: end[1])
    heights = apart([y for _, y, _, _ in late], room)
    for x, y, text, colour in early:
        _label(axes, text, (x, y), (x + 0.012 * (right - left), y + room / 2), colour)
    for (x, y, text, colour), at in zip(late, heights):
        moved = x < right or abs(at - y) > room / 3
        _label(axes, text, (x, y), (right + 0.025 * (right - left), at), colour, leader=moved)
    axes.set_xlim(left, right)
    axes.set_ylim(min(low, heights[0] - room / 2), max(high, heights[-1] + room / 2))


def _label(
    axes: Axes, text: str, end: tuple[float, float], at: tuple[float, float], colour: str, leader: bool = False
) -> None:
    """One name, legible also where it lies on a line."""
    from matplotlib.patheffects import withStroke

    line = {"arrowstyle": "-", "color": "#bbbbbb", "linewidth": 0.8, "shrinkA": 1, "shrinkB": 2}
    axes.annotate(
        text,
        end,
        xytext=at,
        textcoords="data",
        fontsize=9,
        color=colour,
        va="center",
        annotation_clip=False,
        arrowprops=line if leader else None,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )


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
