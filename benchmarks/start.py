"""How long until something happens? The import of the package, and the whole command."""

from __future__ import annotations

import os
import subprocess
import sys
from time import perf_counter

from harness import Row, alternate

# After the two modules of the standard library that the package rests on.
IMPORT = """
import dataclasses, sys, typing
from time import perf_counter
start = perf_counter()
import cosine_callbacks
print(perf_counter() - start)
assert "numpy" not in sys.modules
"""
PREVIEW = ["-m", "cosine_callbacks", "preview", "--lr_initial", "0.1", "--t_max", "10"]
MOST_IMPORT_MS, MOST_COMMAND_MS = 5.0, 500.0


def importing() -> float:
    """Return how long the import takes in a new interpreter, in milliseconds."""
    compiled = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}  # as after an installation
    command = [sys.executable, "-P", "-c", IMPORT]
    run = subprocess.run(command, capture_output=True, check=True, env=compiled, text=True)
    return 1e3 * float(run.stdout)


def previewing() -> float:
    """Return how long the command takes from its start to its end, in milliseconds."""
    start = perf_counter()
    subprocess.run([sys.executable, *PREVIEW], check=True, stdout=subprocess.DEVNULL)
    return 1e3 * (perf_counter() - start)


def measure(*, quick: bool) -> list[Row]:
    """Return the times of both."""
    rounds = alternate([importing, previewing], *((1, 1) if quick else (9, 7)))
    added, whole = map(list, zip(*rounds, strict=True))
    what, against = "`import cosine_callbacks`, added", "`import dataclasses, typing`"
    command = "`cosine-callbacks preview`, the whole process"
    return [
        Row(what, against, added, MOST_IMPORT_MS, "ms"),
        Row(command, "", whole, MOST_COMMAND_MS, "ms"),
    ]
