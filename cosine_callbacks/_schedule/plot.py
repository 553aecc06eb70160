"""The curve as a picture: which positions show it, and the drawing by matplotlib."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from cosine_callbacks._schedule.extras import required

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cosine_callbacks._schedule.cycles import Cycles

# More points than a screen has columns, but few enough to draw a run of any length at once.
SAMPLES, BOUNDARIES = 600, 100
# Leading digits of the distance between ticks.
DIGITS = 1, 2, 5, 10


def samples(cycles: Cycles, until: int) -> list[int]:
    """Return positions from 0 to until: evenly spaced ones, and both sides of each corner."""
    corners = [
        *(at for at, _ in cycles.corners()),
        *(at for end in cycles.ends[:BOUNDARIES] for at in (end - 1, end)),
    ]
    even = range(0, until, max(1, until // SAMPLES))
    return sorted({*even, *(at for at in corners if at < until), until})


def ticks(until: int, most: int) -> range:
    """Return round positions from 0 to until, of which there are at most so many."""
    steps = (digit * 10**k for k in count() for digit in DIGITS[:-1])
    return range(0, until + 1, next(step for step in steps if until // step < most))


def new_axes(figure: Figure) -> Axes:
    """Return the Axes of an empty figure, with round positions for ticks."""
    axes: Axes = figure.subplots()
    axes.locator_params("x", integer=True, steps=DIGITS)
    return axes


def draw(
    rate: Callable[[int], float], cycles: Cycles, until: int, ax: Axes | None, unit: str = "e"
) -> Axes:
    """Draw the rate from 0 to until into the Axes, or into those of a new figure.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    if ax is None:
        with required("matplotlib", "plot"):
            from matplotlib import pyplot as plt  # noqa: PLC0415 - numbers need no matplotlib
        ax = new_axes(plt.figure(layout="constrained"))
    at = samples(cycles, until)
    if cycles.warmup:
        ax.axvspan(0, min(cycles.warmup, until), color="0.92", label="warmup")
        ax.legend()
    ax.plot(at, [rate(e) for e in at])
    ax.set(xlabel=unit, ylabel="learning rate", xlim=(0, until), ylim=(0, None))
    return ax
