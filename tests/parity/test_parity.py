"""One set of numbers gives one curve in every framework: the rates used in real training.

tox says whose drivers belong to its environment: COSINE_CALLBACKS_DRIVERS="keras tensorflow".
make_table.py made the right rates.
"""

import os

import pytest

from cosine_callbacks import CosineAnnealing

from .measure import DOUBLES, TABLE, drivers, limit, worst_error

DRIVERS = {
    label: (name, *driver)
    for name in os.environ["COSINE_CALLBACKS_DRIVERS"].split()
    for label, driver in drivers(name).items()
}


@pytest.mark.parametrize("label", DRIVERS)
@pytest.mark.parametrize("parameters", TABLE)
def test_the_rates_used(parameters, label, record_property):
    given, (name, train, updates) = TABLE[parameters], DRIVERS[label]
    used = train(given)
    worst = worst_error(name, used, updates, given)
    record_property("worst_error", worst)
    assert worst <= limit(name)
    if name in DOUBLES:
        schedule, start = CosineAnnealing.from_dict(given["parameters"]), given["start"]
        assert used == [schedule(start + i // updates) for i in range(len(used))]
