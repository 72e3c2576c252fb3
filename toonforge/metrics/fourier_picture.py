"""The picture of the `fourier` metric: two spectra on one scale, their difference, and the radial profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from toonforge.metrics.spectrum import HIGH, RING, RINGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image

Array = np.ndarray[Any, Any]

PAPER, INK, FAINT = "#faf9f6", "#26262a", "#8a8a90"
BEFORE, AFTER = "#0072b2", "#d55e00"
"""Blue and vermilion of Okabe and Ito, told apart with any colour vision."""
LEVELS, DIFFERENCE = "cividis", "PuOr_r"
WIDTH, HEIGHT, LEFT, BOTTOM, SIDE = 12.4, 8.6, 0.85, 4.75, 3.0
"""In inches: of the whole, where axes begin, and of the three planes."""
LEAST_SPAN = 3.0
"""Differences up to this many dB never fill the colour scale: rounding must not look like a finding."""


@attrs.frozen(eq=False)
class Spectrum:
    """What is drawn of one expression.

    Attributes:
        label: the expression.
        plane: mean level of each cell in dB, (CELLS, CELLS), zero frequency in the middle.
        profile: mean level of each ring in dB, (RINGS,); nan in rings without frequencies.
    """

    label: str
    plane: Array
    profile: Array


def draw_spectra(before: Spectrum, after: Spectrum, pictures: int) -> Image.Image:
    """1240 x 860 pixels: above, the planes and their difference; below, the profiles."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=100, facecolor=PAPER)
    canvas = FigureCanvasAgg(figure)
    figure.text(
        LEFT / WIDTH,
        1 - 0.32 / HEIGHT,
        f"Fourier spectra of the luma, mean of {pictures} picture{'' if pictures == 1 else 's'}",
        color=INK,
        size=15,
        va="center",
    )
    _draw_planes(figure, before, after)
    _draw_profiles(_axes(figure, LEFT, 0.62, WIDTH - LEFT - 0.3, 3.2), before, after)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return Image.fromarray(pixels).convert("RGB")


def _axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a place given in inches: the three planes stay aligned whatever their labels say."""
    return figure.add_axes((left / WIDTH, bottom / HEIGHT, width / WIDTH, height / HEIGHT))


def _draw_planes(figure: Figure, before: Spectrum, after: Spectrum) -> None:
    """The two spectra with a bar of their common scale, and what changed with one of its own."""
    lefts = (LEFT, LEFT + SIDE + 0.4, WIDTH - 0.95 - SIDE)
    axes = [_axes(figure, left, BOTTOM, SIDE, SIDE) for left in lefts]
    cells = len(before.plane)
    edge = 0.5 / cells  # pixels are centred on their frequencies
    extent = (-0.5 - edge, 0.5 - edge, -0.5 + edge, 0.5 + edge)  # upwards is positive
    both = np.stack([before.plane, after.plane])
    # The few strongest low frequencies would otherwise leave everything else dark.
    low, high = np.percentile(both, 0.5), np.percentile(both, 99.8)
    for ax, side in zip(axes, (before, after)):
        levels = ax.imshow(side.plane, cmap=LEVELS, vmin=low, vmax=max(high, low + 1), extent=extent)
        _finish(ax, side.label)
    _bar(figure, levels, lefts[1] + SIDE, "power (dB)")
    change = after.plane - before.plane
    most = max(LEAST_SPAN, float(np.percentile(np.abs(change), 99.5)))
    shown = axes[2].imshow(change, cmap=DIFFERENCE, vmin=-most, vmax=most, extent=extent)
    _finish(axes[2], "change")
    _bar(figure, shown, lefts[2] + SIDE, "output − input (dB)")
    axes[0].set_ylabel("cycles/pixel, vertical", color=INK)
    for ax in axes[1:]:
        ax.tick_params(labelleft=False)


def _finish(ax: Axes, title: str) -> None:
    ax.set_title(_shorten(title), color=INK, size=13)
    ax.set_xlabel("cycles/pixel, horizontal", color=INK)
    ticks = (-0.5, -0.25, 0, 0.25, 0.5)
    labels = [f"{tick:g}".replace("-", "−") for tick in ticks]
    ax.set_xticks(ticks, labels)
    ax.set_yticks(ticks, labels)
    ax.tick_params(colors=INK, labelsize=9)
    for side in ax.spines.values():
        side.set_visible(False)


def _bar(figure: Figure, shown: Any, left: float, label: str) -> None:
    bar = figure.colorbar(shown, cax=_axes(figure, left + 0.1, BOTTOM, 0.14, SIDE), extend="both", extendfrac=0.03)
    bar.set_label(label, color=INK)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=INK, labelsize=9)


def _draw_profiles(ax: Axes, before: Spectrum, after: Spectrum) -> None:
    """Level against radial frequency, up to the corner of the plane."""
    ax.set_facecolor(PAPER)
    frequencies = (np.arange(RINGS) + 0.5) * RING
    kept = np.isfinite(before.profile) & np.isfinite(after.profile)
    x, low, high = frequencies[kept], before.profile[kept], after.profile[kept]
    ax.fill_between(x, low, high, color=FAINT, alpha=0.18, linewidth=0)
    ax.plot(x, low, color=BEFORE, linewidth=2, label=_shorten(before.label))
    ax.plot(x, high, color=AFTER, linewidth=2, linestyle=(0, (5, 1.5)), label=_shorten(after.label))
    ax.set_xlim(0, RINGS * RING)
    for place, words in ((HIGH, "half the Nyquist frequency"), (0.5, "Nyquist frequency")):
        ax.axvline(place, color=FAINT, linewidth=1, linestyle=":")
        ax.text(place + 0.004, 0.97, words, transform=ax.get_xaxis_transform(), color="#66666c", size=9, va="top")
    ax.set_xlabel("radial frequency (cycles/pixel); only diagonals lie beyond 0.5", color=INK)
    ax.set_ylabel("mean power (dB)", color=INK)
    ax.set_title("Radial profiles", color=INK, size=13, loc="left")
    ax.grid(axis="y", color="#dddcd8", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(colors=INK, labelsize=9)
    for name in ("top", "right"):
        ax.spines[name].set_visible(False)
    ax.legend(frameon=False, labelcolor=INK, loc="upper right", bbox_to_anchor=(1, 0.9), handlelength=3)


def _shorten(text: str) -> str:
    """Labels that would run into each other are cut."""
    return text if len(text) <= 32 else text[:31] + "…"
