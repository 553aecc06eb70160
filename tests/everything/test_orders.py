"""All adapters in one process, imported in every order, on each Keras backend."""

import json
import os
import subprocess
import sys
from itertools import permutations
from pathlib import Path

import pytest

from tests.parity.measure import limit

HERE = Path(__file__).parent
ADAPTERS = ["lightning", "pytorch_lightning", "keras", "tensorflow"]
BACKENDS = ["tensorflow", "jax", "torch"]
# Six orders begin with each adapter: shift the backend by one, so that each backend is tried with
# every adapter in every place.
ORDERS = [(BACKENDS[(i + i // 6) % 3], order) for i, order in enumerate(permutations(ADAPTERS))]


@pytest.mark.parametrize(("backend", "order"), ORDERS)
def test_every_order_of_import(backend, order):
    done = subprocess.run(
        [sys.executable, HERE / "in_one_process.py", *order],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    errors = json.loads(done.stdout.splitlines()[-1])
    assert len(errors) == 2 + 2 + 4 + 2
    for label, (name, error) in errors.items():
        assert error <= limit(name), label
