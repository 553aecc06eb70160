"""The same parameters give the same rates in real training with every framework.

tox sets the drivers of each environment, as in COSINE_CALLBACKS_DRIVERS="keras tensorflow".
The right rates come from make_table.py.
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
