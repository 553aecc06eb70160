"""`import cosine_callbacks`, against the two modules of the standard library that it rests on."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial

from harness import Row, alternate, row

PROGRAM = """
from time import perf_counter
start = perf_counter()
import dataclasses, typing
{}
print(perf_counter() - start)
import sys
assert "numpy" not in sys.modules
"""
MOST_MS = 5.0


def seconds(statement: str) -> float:
    """Return how long the imports take in a new interpreter."""
    command = [sys.executable, "-P", "-c", PROGRAM.format(statement)]
    compiled = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}  # as after an installation
    run = subprocess.run(command, capture_output=True, check=True, env=compiled, text=True)
    return float(run.stdout)


def measure(*, quick: bool) -> list[Row]:
    """Return what our import adds, in milliseconds and as a part of the other."""
    timers = {
        "ours": partial(seconds, "import cosine_callbacks"),
        "theirs": partial(seconds, ""),
    }
    rounds = alternate(timers, *((2, 1) if quick else (7, 15)))
    what, against = "`import cosine_callbacks`, added", "`import dataclasses, typing`"
    return [
        row(
            what,
            against,
            rounds,
            lambda times: 1e3 * (times["ours"] - times["theirs"]),
            MOST_MS,
            "ms",
        ),
        row(what, against, rounds, lambda times: times["ours"] / times["theirs"] - 1),
    ]
