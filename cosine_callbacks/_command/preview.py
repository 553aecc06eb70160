"""The command that shows a curve before training: picture, rows that matter, files."""

from __future__ import annotations

import json
import sys
import textwrap
from bisect import bisect_left
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, NamedTuple

from cosine_callbacks._schedule import plot
from cosine_callbacks._schedule.extras import required
from cosine_callbacks._schedule.parameters import as_dict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cosine_callbacks._command.plan import Plan

# Restarts shown to people, and to programs.
RESTARTS, LISTED = 8, 1000
HEIGHT = 16
WIDTH = 110  # of the title above a figure
# Box-drawing characters, and their replacements where the output cannot encode them.
BOX, PLAIN = "┌┐└┘├┤┬┴┼─│", "+++++++++-|"


class Row(NamedTuple):
    """A position that matters: its rate, and why it matters."""

    e: int
    rate: float
    what: str


def rows(plan: Plan, most: int) -> list[Row]:
    """Return the rows that matter, in order, with the restarts of the run or the first of them."""
    ends, endless = plan.cycles.ends, plan.parameters.cycles is None
    # Flags alone describe a run as long as the curve; the length of a config's run may be unknown.
    used = plan.length or (0 if endless or plan.configured else ends[-1])
    marks = [*_first_marks(plan), *_restart_marks(plan, used, most)]
    if used:
        marks.append((used - 1, "last used"))
    if not endless:
        marks += [(ends[-1], "t_max" if len(ends) == 1 else "end"), (ends[-1] + 1, "after")]
    labels: dict[int, list[str]] = {}
    for e, label in marks:
        labels.setdefault(e, []).append(label)
    return [Row(e, plan.rate(e), ", ".join(labels[e])) for e in sorted(labels)]


def _first_marks(plan: Plan) -> list[tuple[int, str]]:
    """Return the marks of the first cycle."""
    cycles = plan.cycles
    single = plan.parameters.cycles is not None and len(cycles.ends) == 1
    middle = (cycles.cosine_start + cycles.first) // 2
    return [
        (0, "start"),
        (middle, "middle" if single else "middle of cycle 1"),
        *cycles.corners(),
    ]


def _restart_marks(plan: Plan, used: int, most: int) -> list[tuple[int, str]]:
    """Return the restarts of the run; the last mark says so where there are more."""
    endless = plan.parameters.cycles is None
    restarts = plan.cycles.ends if endless else plan.cycles.ends[:-1]
    within = bisect_left(restarts, used or plan.until + 1)
    marks = [(end, f"restart {i}") for i, end in enumerate(restarts[: min(within, most)], 1)]
    if within > most or (endless and not used):
        end, label = marks[-1]
        marks[-1] = end, f"{label}, ..."
    return marks


def picture(plan: Plan, width: int, marker: str) -> str:
    """Return the curve as lines of text.

    Raises:
        ModuleNotFoundError: plotext is not installed.
    """
    with required("plotext", "preview"):
        import plotext as plt  # noqa: PLC0415 - only the terminal needs it
    at = plot.samples(plan.cycles, plan.until)
    plt.clear_figure()
    plt.plotsize(width, HEIGHT)
    # Plot fractions of the peak: plotext cannot scale very small or large rates.
    plt.plot(at, [plan.rate(e) / plan.peak for e in at], marker=marker)
    heights = [0.0, 0.25, 0.5, 0.75, 1.0]
    plt.yticks(heights, [f"{plan.peak * height:.3g}" for height in heights])
    ticks = plot.ticks(plan.until, max(2, width // 10))
    plt.xticks(ticks, [str(tick) if plan.until < 10**7 else f"{tick:g}" for tick in ticks])
    plt.ylim(0, 1)
    return "\n".join(map(str.rstrip, plt.uncolorize(plt.build()).splitlines()))


def text(plan: Plan, width: int, encoding: str) -> str:
    """Return title, picture and rows, in characters that the encoding has."""
    try:
        BOX.encode(encoding)
        drawn = picture(plan, width, "braille")
        drawn.encode(encoding)
    except UnicodeEncodeError:
        drawn = picture(plan, width, "*").translate(str.maketrans(BOX, PLAIN))
    table = [(str(e), f"{rate:.6g}", what) for e, rate, what in rows(plan, RESTARTS)]
    table.insert(0, (plan.interval, "rate", ""))
    wide = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = (f"{e:>{wide[0]}}  {rate:<{wide[1]}}  {what}".rstrip() for e, rate, what in table)
    return "\n".join([*textwrap.wrap(plan.title(), width), drawn, *lines])


def save(plan: Plan, path: str) -> None:
    """Draw the curve into a file.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
        OSError: The file cannot be written.
        ValueError: The name does not end in .png or .svg.
    """
    if Path(path).suffix not in (".png", ".svg"):
        raise ValueError(f"save must end in .png or .svg, got {path}; give such a name")
    with required("matplotlib", "plot"):
        from matplotlib import rc_context  # noqa: PLC0415 - only this file needs it
        from matplotlib.figure import Figure  # noqa: PLC0415 - likewise
    figure = Figure((8, 4), layout="constrained")
    axes = plot.draw(plan.rate, plan.cycles, plan.until, plot.new_axes(figure), plan.interval)
    axes.set_title("\n".join(textwrap.wrap(plan.title(), WIDTH)), fontsize="small")
    # No date, random ids or font outlines, so that the same curve gives the same file.
    metadata = {"Date": None, "Creator": None} if path.endswith(".svg") else {}
    with rc_context({"svg.hashsalt": "cosine-callbacks", "svg.fonttype": "none"}):
        figure.savefig(path, dpi=150, metadata=metadata)


def lines(plan: Plan, *, as_csv: bool, as_json: bool) -> Iterator[str]:
    """Yield every position as CSV, what matters as JSON, or a picture for people.

    Raises:
        ModuleNotFoundError: The picture is wanted, and plotext is not installed.
    """
    if as_csv:
        yield f"{plan.interval},learning_rate"
        for e in range(plan.length or plan.until + 1):
            yield f"{e},{plan.rate(e)}"
    elif as_json:
        facts = {
            "parameters": as_dict(plan.parameters),
            "lr_initial_from": plan.source,
            "interval": plan.interval,
            "length": plan.length,
            "rows": [row._asdict() for row in rows(plan, LISTED)],
        }
        yield json.dumps(facts, indent=2)
    else:
        yield text(plan, get_terminal_size().columns, sys.stdout.encoding)
