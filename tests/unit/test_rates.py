"""Known rates of every kind of curve, by number and by array."""

import json
from math import cos, pi, sin, sqrt

import numpy as np
import pytest

from cosine_callbacks import cosine_annealing
from tests.parity.make_table import TABLE, table

from .inputs import annealing

COSINES = {0: 1, 30: sqrt(3) / 2, 45: sqrt(2) / 2, 60: 0.5, 90: 0, 120: -0.5, 180: -1}
NINE_TENTHS = 0.02 + 0.04 * (1 + cos(pi / 10))
# Arguments beside a peak of 0.1 and a t_max of 10, and the rates at some positions.
RATES = {
    "plain": ({}, {-1: 0.1, 0: 0.1, 5: 0.05, **dict.fromkeys(range(10, 21), 0)}),
    "degrees": (
        {"t_max": 180, "lr_min": 0.02},
        {degrees: 0.02 + 0.04 * (1 + cosine) for degrees, cosine in COSINES.items()},
    ),
    "floor": ({"lr_min": 0.001}, {0: 0.1, 5: 0.0505, 10: 0.001, 99: 0.001}),
    "ratio": ({"lr_initial": 1e-4, "lr_min_ratio": 0.01}, {5: 5.05e-5, 10: 1e-6}),
    "tail": ({"t_max": 10**6}, {999_923: 0.1 * sin(77 * pi / 2e6) ** 2}),
    "warmup": ({"warmup": 3}, {0: 0.025, 1: 0.05, 2: 0.075, 3: 0.1, 10: 0}),
    "from 0": (
        {"t_max": 13, "warmup": 3, "warmup_start_ratio": 0},
        {0: 0, 1: 0.1 / 3, 2: 0.2 / 3, 3: 0.1},
    ),
    "from below the floor": (
        {"t_max": 6, "warmup": 4, "lr_min": 0.04},
        {0: 0.02, 2: 0.06, 4: 0.1, 5: 0.07, 6: 0.04},
    ),
    "from a half": (
        {"t_max": 6, "warmup": 4, "lr_min": 0.04, "warmup_start_ratio": 0.5},
        {-1: 0.05, 0: 0.05, 1: 0.0625, 3: 0.0875, 4: 0.1, 5: 0.07},
    ),
    "flat": ({"t_max": 6, "warmup": 4, "warmup_start_ratio": 1}, {0: 0.1, 1: 0.1, 4: 0.1, 5: 0.05}),
    "between": ({"warmup": 2}, {0.5: 0.1 / 3 + 0.1 / 6, 6: 0.05}),
    "hold": ({"hold": 4}, {0: 0.1, 3: 0.1, 3.5: 0.1, 4: 0.1, 7: 0.05, 10: 0}),
    "longest hold": ({"hold": 9}, {8: 0.1, 9: 0.1, 9.5: 0.05, 10: 0}),
    "warmup and hold": (
        {"t_max": 20, "warmup": 4, "hold": 6, "lr_min": 0.02},
        {0: 0.02, 3: 0.08, 4: 0.1, 9: 0.1, 10: 0.1, 15: 0.06, 20: 0.02, 99: 0.02},
    ),
    "restarts": (
        {"cycles": 2, "lr_min": 0.02},
        {1: NINE_TENTHS, 5: 0.06, 10: 0.1, 11: NINE_TENTHS, 20: 0.02, 99: 0.02},
    ),
    "warmup of the first cycle only": (
        {"warmup": 2, "cycles": 2, "lr_min": 0.02},
        {2: 0.1, 6: 0.06, 10: 0.1, 11: NINE_TENTHS, 15: 0.06, 20: 0.02},
    ),
    "hold of the first cycle only": (
        {"hold": 4, "cycles": 2, "t_mult": 2, "peak_decay": 0.5},
        {3: 0.1, 7: 0.05, 10: 0.05, 20: 0.025, 30: 0},
    ),
    "thrice as long": ({"t_mult": 3, "cycles": 3}, {10: 0.1, 25: 0.05, 40: 0.1, 85: 0.05, 130: 0}),
    "one cycle has no next one": ({"t_mult": 7}, {5: 0.05, 10: 0, 15: 0}),
    "for ever": ({"cycles": None}, {-3: 0.1, 10: 0.1, 95: 0.05, 10**6: 0.1}),
    "growing for ever": (
        {"t_mult": 2, "cycles": None},
        {10: 0.1, 30: 0.1, 50: 0.05, 70: 0.1, 81910: 0.1, 327670: 0.1},
    ),
    "lower and lower": (
        {"cycles": 3, "peak_decay": 0.5, "lr_min": 0.02},
        {0: 0.1, 5: 0.06, 10: 0.06, 15: 0.04, 20: 0.04, 25: 0.03, 30: 0.02},
    ),
    "longer and lower": (
        {"cycles": None, "t_mult": 2, "peak_decay": 0.5},
        {10: 0.05, 20: 0.025, 30: 0.025, 70: 0.0125},
    ),
}


@pytest.mark.parametrize(("given", "expected"), RATES.values(), ids=RATES)
def test_known_rates(given, expected):
    schedule = annealing(**given)
    rates = {e: schedule(e) for e in expected}
    assert rates == {e: pytest.approx(rate, rel=1e-14, abs=0) for e, rate in expected.items()}
    assert schedule(np.array([*expected], float)).tolist() == [*rates.values()]
    if given.keys() <= {"t_max", "lr_min"}:  # the bare formula has no more
        shape = {"lr_initial": 0.1, "t_max": 10, **given}
        assert rates == {e: cosine_annealing(e, **shape) for e in expected}


def test_the_table_of_tests_parity_is_what_its_script_makes():
    assert json.loads(TABLE.read_text()) == table()
