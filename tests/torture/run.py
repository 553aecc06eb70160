"""Run one of the programs of this folder, and check its counts."""

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
# For each case, in addition to one half-written file; the environment torture sets more.
POINTS = int(os.environ.get("COSINE_CALLBACKS_TORTURE", "1"))


def run_program(folder, program, *arguments):
    """Return the counts of a program, and check that no rate differs."""
    path = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, HERE / program, folder, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout.splitlines()[-1])
    print(program, {name: result[name] for name in list(result)[:5]})
    assert result["differences"] == 0
    assert result["compared"] > result["killed"]
    return result
