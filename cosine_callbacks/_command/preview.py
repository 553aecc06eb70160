"""What is shown of curves: picture, rows that matter, numbers; and of rates that a run logged."""

import json
import textwrap
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cosine_callbacks._command.plan import Plan
from cosine_callbacks._schedule import plot
from cosine_callbacks._schedule.extras import required
from cosine_callbacks._schedule.parameters import as_dict

# Restarts shown to people, and to programs.
RESTARTS, LISTED = 8, 1000
# Lines of a picture in the terminal, and columns of the title in a file.
HEIGHT, WIDTH = 16, 110
# Where the output cannot encode box-drawing characters.
PLAIN = str.maketrans("┌┐└┘├┤┬┴┼─│", "+++++++++-|")


class Logged(NamedTuple):
    """Some of the logged rates by their positions, and the first that is not as planned."""

    rates: dict[int, float]
    first: dict[int, float]


NOTHING = Logged({}, {})


def marks(plan: Plan, most: int) -> dict[int, str]:
    """Return the positions that matter and why, with the restarts of the run or the first ones."""
    cycles, endless = plan.cycles, plan.parameters.cycles is None
    ends, single = cycles.ends, len(cycles.ends) == 1 and not endless
    # Flags alone describe a run as long as the curve; the length of a config's run may be unknown.
    used = plan.length or (0 if endless or plan.configured else ends[-1])
    middle = (cycles.cosine_start + cycles.first) // 2
    found = [(0, "start"), (middle, "middle" if single else "middle of cycle 1"), *cycles.corners()]
    restarts = ends if endless else ends[:-1]
    within = bisect_left(restarts, used or plan.until + 1)
    for i, end in enumerate(restarts[: min(within, most)], 1):
        more = i == most < within or (endless and not used and i == within)
        found.append((end, f"restart {i}{', ...' * more}"))
    if used:
        found.append((used - 1, "last used"))
    if not endless:
        found += [(ends[-1], "t_max" if single else "end"), (ends[-1] + 1, "after")]
    labels: dict[int, list[str]] = {}
    for e, label in found:
        labels.setdefault(e, []).append(label)
    return {e: ", ".join(labels[e]) for e in sorted(labels)}


def as_text(plans: Sequence[Plan], width: int, encoding: str) -> str:
    """Return title, picture and rows of the curves of one callback."""
    table = [(plans[0].interval, *("rate" for _ in plans), "")]
    for e, what in marks(plans[0], RESTARTS).items():
        table.append((str(e), *(f"{plan.rate(e):.6g}" for plan in plans), what))
    wide = [max(map(len, column)) for column in zip(*table, strict=True)]
    aligned = [f">{wide[0]}", *(f"<{each}" for each in wide[1:])]
    lines = ("  ".join(map(format, row, aligned)).rstrip() for row in table)
    return "\n".join([*_title(plans, width), in_terminal(plans, width, encoding), *lines])


def as_csv(plans: Sequence[Plan]) -> Iterator[str]:
    """Yield every position with the rate of each curve."""
    units = {plan.interval for plan in plans}
    if len(units) > 1:
        raise ValueError("csv must have one unit, got epochs and steps; choose by --optimizers")
    yield ",".join([*units, *("learning_rate" for _ in plans)])
    for e in range(max(plan.length or plan.until + 1 for plan in plans)):
        yield ",".join(map(str, (e, *(plan.rate(e) for plan in plans))))


def as_json(plans: Sequence[Plan]) -> str:
    """Return what matters of each curve."""
    facts: list[dict[str, Any]] = [
        {"parameters": as_dict(plan.parameters)}
        | {name: getattr(plan, name) for name in ("optimizers", "lr_initial_from", "interval")}
        | {"length": plan.length}
        | {"rows": [{"e": e, "rate": plan.rate(e), "what": marked[e]} for e in marked]}
        for plan in plans
        for marked in [marks(plan, LISTED)]
    ]
    return json.dumps(facts, indent=2)


def in_terminal(plans: Sequence[Plan], width: int, encoding: str, log: Logged = NOTHING) -> str:
    """Return curves of one unit as lines of text, in characters that the encoding has."""
    with required("plotext", "preview"):
        import plotext as plt  # noqa: PLC0415 - only the terminal needs it
    fine = "\u28ff".encode(encoding, "ignore")  # the fullest sign of braille
    until, top = _limits(plans, log)
    plt.clear_figure()
    plt.plotsize(width, HEIGHT)
    for plan in plans:
        at = plot.samples(plan.cycles, until)
        # Plot fractions of the highest rate: plotext cannot scale very small or large ones.
        plt.plot(at, [plan.rate(e) / top for e in at], marker="braille" if fine else "*")
    for mark, label, points in (("o", "logged", log.rates), ("X", "differs", log.first)):
        if points:
            heights = [rate / top for rate in points.values()]
            plt.scatter([*points], heights, marker=mark, label=label)
    levels = [0.0, 0.25, 0.5, 0.75, 1.0]
    plt.yticks(levels, [f"{top * level:.3g}" for level in levels])
    ticks = plot.ticks(until, max(2, width // 10))
    plt.xticks(ticks, [str(tick) if until < 10**7 else f"{tick:g}" for tick in ticks])
    plt.ylim(0, 1)
    drawn = "\n".join(map(str.rstrip, plt.uncolorize(plt.build()).splitlines()))
    return drawn if fine else drawn.translate(PLAIN)


def save(curves: Sequence[Sequence[Plan]], path: str, log: Logged = NOTHING) -> None:
    """Draw curves into a file, those of different callbacks below each other."""
    file = Path(path)
    if file.suffix not in {".png", ".svg"} or not file.parent.is_dir():
        raise ValueError(
            f"save must be a name in a folder that exists and end in .png or .svg, got {path}; "
            f"make the folder {file.parent}, or give another name"
        )
    with required("matplotlib", "plot"):
        from matplotlib import rc_context  # noqa: PLC0415 - only this file needs it
        from matplotlib.figure import Figure  # noqa: PLC0415 - likewise
    figure = Figure((8, 4 * len(curves)), layout="constrained")
    for plans, part in zip(curves, figure.subfigures(len(curves), squeeze=False).flat, strict=True):
        axes, until = plot.new_axes(part), _limits(plans, log)[0]
        if log.rates:
            axes.plot([*log.rates], [*log.rates.values()], ".", color="C1", label="logged")
        for e, rate in log.first.items():
            axes.axvline(e, color="C3", linewidth=1)
            axes.plot(e, rate, "o", color="C3", label="first difference")
        # The highest comes last: it sets the limits.
        for plan in sorted(plans, key=lambda plan: plan.peak):
            plot.draw(plan.rate, plan.cycles, until, axes, plan.interval)
        axes.set_title("\n".join(_title(plans, WIDTH)), fontsize="small")
        if log.rates:
            axes.legend()
    # No date, random ids or font outlines, so that the same curve gives the same file.
    metadata = {"Date": None, "Creator": None} if file.suffix == ".svg" else {}
    with rc_context({"svg.hashsalt": "cosine-callbacks", "svg.fonttype": "none"}):
        figure.savefig(path, dpi=150, metadata=metadata)


def _title(plans: Sequence[Plan], width: int) -> list[str]:
    """Return the title of curves that differ in their peaks, as lines."""
    return textwrap.wrap(plans[0].title(" and ".join(str(plan.peak) for plan in plans)), width)


def _limits(plans: Sequence[Plan], log: Logged) -> tuple[int, float]:
    """Return the last position and the highest rate of curves and log."""
    return max(plans[0].until, *log.rates, 0), max(
        *(plan.peak for plan in plans), *log.rates.values(), 0
    )
