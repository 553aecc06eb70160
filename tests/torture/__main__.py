"""Run the long versions of these tests, each framework and backend in a separate process."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# The number of points at which each case is killed, of examples of each fuzz test, of random runs.
SIZES = {
    "COSINE_CALLBACKS_TORTURE": "17",
    "COSINE_CALLBACKS_EXAMPLES": "10000",
    "COSINE_CALLBACKS_RUNS": "300",
}
FIT = ["tests/torture/test_fit.py", "tests/integration/fit/test_refused.py"]
KERAS = [*FIT, "tests/integration/keras/test_schedule.py", "tests/integration/keras/test_saved.py"]
TENSORFLOW = {"COSINE_CALLBACKS_DRIVERS": "tensorflow"}
RUNS = [
    ({}, ["tests/unit/test_fuzz.py"]),
    ({}, ["tests/torture/test_lightning.py", "tests/integration/lightning/test_fuzz.py"]),
    ({}, ["tests/torture/test_runs.py"]),
    ({}, ["tests/torture/test_soak_lightning.py"]),
    ({"KERAS_BACKEND": "torch"}, KERAS),
    ({"KERAS_BACKEND": "jax"}, [*KERAS, "tests/torture/test_soak_fit.py"]),
    ({"KERAS_BACKEND": "tensorflow"}, KERAS),
    (TENSORFLOW, FIT),
    ({**TENSORFLOW, "TF_USE_LEGACY_KERAS": "1"}, FIT),
]


def main():
    """Run all of it; return how many runs failed."""
    failed = 0
    for variables, files in RUNS:
        print(variables, *files, flush=True)
        command = [sys.executable, "-m", "pytest", "-rP", "--durations=5", "-q", *files]
        environment = {**os.environ, **SIZES, **variables}
        failed += subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
