"""All adapters in one process, imported in every order, on each Keras backend."""

from itertools import permutations
from pathlib import Path

import pytest

from tests.parity.measure import limit
from tests.programs import run_program

PROGRAM = Path(__file__).with_name("in_one_process.py")
ADAPTERS = ["lightning", "pytorch_lightning", "keras", "tensorflow"]
BACKENDS = ["tensorflow", "jax", "torch"]
# Six orders begin with each adapter: shift the backend by one, so that each backend is tried with
# every adapter in every place.
ORDERS = [(BACKENDS[(i + i // 6) % 3], order) for i, order in enumerate(permutations(ADAPTERS))]


@pytest.mark.parametrize(("backend", "order"), ORDERS)
def test_every_order_of_import(backend, order):
    errors = run_program(PROGRAM, *order, KERAS_BACKEND=backend)
    assert len(errors) == 2 + 2 + 4 + 2
    for label, (name, error) in errors.items():
        assert error <= limit(name), label
