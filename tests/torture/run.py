"""Run one of the programs of this folder, and check its counts."""

import os
from pathlib import Path

from tests import programs

HERE = Path(__file__).parent
# For each case, in addition to one half-written file; the environment torture sets more.
POINTS = int(os.environ.get("COSINE_CALLBACKS_TORTURE", "1"))


def run_program(folder, program, *arguments):
    """Return the counts of a program, and check that no rate differs."""
    result = programs.run_program(HERE / program, folder, *arguments, timeout=None)
    print(program, {name: result[name] for name in list(result)[:5]})
    assert result["differences"] == 0
    assert result["compared"] > result["killed"]
    return result
