"""Run one of the programs here, and look at what it counted."""

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
# Of each case, beside one half of a file: eight or six in all. The environment torture takes more.
POINTS = int(os.environ.get("COSINE_CALLBACKS_TORTURE", "1"))


def run_program(folder, program, *arguments):
    """Return the counts of a program, of whose rates none may differ."""
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
