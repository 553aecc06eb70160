"""The command line from its start to its end, against an interpreter that does nothing."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from time import perf_counter

from harness import Row, alternate, row

PREVIEW = ["-m", "cosine_callbacks", "preview", "--lr_initial", "0.1", "--t_max", "10"]
MOST_MS = 500.0


def seconds(arguments: list[str]) -> float:
    """Return how long an interpreter takes with these arguments."""
    start = perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - start


def measure(*, quick: bool) -> list[Row]:
    """Return the time of `preview`, in milliseconds and as a multiple of the interpreter's own."""
    timers = {"ours": partial(seconds, PREVIEW), "theirs": partial(seconds, ["-c", ""])}
    rounds = alternate(timers, *((2, 1) if quick else (11, 3)))
    what, against = "`cosine-callbacks preview`, the whole process", "`python -c ''`"
    return [
        row(what, against, rounds, lambda times: 1e3 * times["ours"], MOST_MS, "ms"),
        row(what, against, rounds, lambda times: times["ours"] / times["theirs"]),
    ]
