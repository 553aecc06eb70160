"""What a value costs late in a run, and what a long run leaves in memory."""

from __future__ import annotations

import tracemalloc
from array import array
from typing import TYPE_CHECKING, Any

from harness import Row, alternate, per_call, row

from cosine_callbacks import CosineAnnealing

if TYPE_CHECKING:
    from collections.abc import Callable

EARLY, LATE = 10, 2**40
MOST_LATE = 1.25  # "constant": a Python int beyond 2**30 is itself slower than a small one
UPDATES, SETTLED = 10**6, 1000
MOST_BYTES = 64.0  # "flat": a float and a larger int


def grown(update: Callable[[int], Any], updates: int, settled: int) -> list[dict[str, float]]:
    """Return how many bytes more are in use than after the first updates, at ten later points."""
    points = array("q", bytes(10 * 8))  # made before, so that it does not count itself
    tracemalloc.start()
    for e in range(updates):
        update(e)
        if e >= settled and (e + 1) % (updates // 10) == 0:
            points[(e + 1) * 10 // updates - 1] = tracemalloc.get_traced_memory()[0]
        elif e == settled:
            first = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return [{"bytes": float(point - first)} for point in points]


def memory_row(what: str, update: Callable[[int], Any], *, quick: bool) -> Row:
    """Return the growth over a long run."""
    points = grown(update, *((100, 5) if quick else (UPDATES, SETTLED)))
    count = "100" if quick else "a million"
    against = "the first few" if quick else "the first thousand"
    return row(
        f"memory after {count} {what}", against, points, lambda at: at["bytes"], MOST_BYTES, "bytes"
    )


def measure(*, quick: bool) -> list[Row]:
    """Return the cost of a late value as a part of an early one's, and the growth."""
    endless = CosineAnnealing(lr_initial=0.1, t_max=10, lr_min=0.001, cycles=None)
    rows = []
    for t_mult in (1, 2):
        schedule = CosineAnnealing(
            lr_initial=0.1, t_max=10, lr_min=0.001, cycles=None, t_mult=t_mult
        )
        loops = 10 if quick else 5000
        timers = {
            "late": per_call(lambda made=schedule: made(LATE), loops),
            "early": per_call(lambda made=schedule: made(EARLY), loops),
        }
        rounds = alternate(timers, *((3, 1) if quick else (21, 10)))
        rows.append(
            row(
                f"a value at e = 2**40, restarts for ever, t_mult={t_mult}",
                "at e = 10",
                rounds,
                lambda times: times["late"] / times["early"],
                MOST_LATE,
            )
        )
    return [*rows, memory_row("values of endless restarts", endless, quick=quick)]
