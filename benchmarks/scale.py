"""Does a long run stay as fast and as small? A late value, and the memory after a million."""

from __future__ import annotations

import tracemalloc
from array import array
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from harness import Row, per_call, ratios

from cosine_callbacks import CosineAnnealing

if TYPE_CHECKING:
    from collections.abc import Callable

EARLY, LATE = 10, 2**40
MOST_LATE = 1.25  # "constant": a Python int beyond 2**30 is itself slower than a small one
MOST_BYTES = 64.0  # "flat": a float and a larger int


def memory_row(what: str, update: Callable[[int], Any], *, quick: bool) -> Row:
    """Return the bytes in use beyond those after a thousand updates, at ten later points."""
    million = 10**4 if quick else 10**6
    points = [0, million // 1000, *range(million // 10, million + 1, million // 10)]
    used = array("q", bytes(8 * 11))  # made before, so that it does not count itself
    tracemalloc.start()
    for i, (begin, end) in enumerate(pairwise(points)):
        for e in range(begin, end):
            update(e)
        used[i] = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    grown = [float(later - used[0]) for later in used[1:]]
    return Row(f"memory after a million {what}", "the first thousand", grown, MOST_BYTES, "bytes")


def measure(*, quick: bool) -> list[Row]:
    """Return the cost of a late value as a fraction of an early one's, and the growth."""
    size, loops = ((1, 1), 10) if quick else ((21, 10), 5000)
    rows = []
    for t_mult in (1, 2):
        made = CosineAnnealing(lr_initial=0.1, t_max=10, lr_min=0.001, cycles=None, t_mult=t_mult)
        late, early = (per_call(lambda s=made, e=e: s(e), loops) for e in (LATE, EARLY))
        what = f"a value at e = 2**40, restarts for ever, t_mult={t_mult}"
        rows.append(Row(what, "at e = 10", ratios(late, early, *size), MOST_LATE))
    endless = CosineAnnealing(lr_initial=0.1, t_max=10, lr_min=0.001, cycles=None)
    return [*rows, memory_row("values of endless restarts", endless, quick=quick)]
