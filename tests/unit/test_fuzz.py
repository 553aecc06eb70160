"""Whatever is given: a schedule with all rates in range, or a one-line error."""

import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosine_callbacks import CosineAnnealing, cosine_annealing
from cosine_callbacks._schedule.cycles import lay_out
from cosine_callbacks._schedule.parameters import Parameters
from tests.fuzz import EXAMPLES, assert_refused, values

from .inputs import lowest_rate

NAMES = [
    "lr_initial",
    "t_max",
    "lr_min",
    "lr_min_ratio",
    "warmup",
    "hold",
    "warmup_start_ratio",
    "cycles",
    "t_mult",
    "peak_decay",
]
# Mostly valid arguments, so that several invalid ones do not hide each other.
VALID = {
    "lr_initial": st.floats(1e-5, 1),
    "t_max": st.integers(1, 50),
    "lr_min": st.just(0.0) | st.floats(0, 1e-5),
    "lr_min_ratio": st.none() | st.floats(0, 1),
    "warmup": st.integers(0, 3) | st.floats(0, 0.5),
    "hold": st.integers(0, 3) | st.floats(0, 0.5),
    "warmup_start_ratio": st.none() | st.floats(0, 1),
    "cycles": st.none() | st.integers(1, 4),
    "t_mult": st.integers(1, 3),
    "peak_decay": st.floats(0.1, 1),
}


@st.composite
def arguments(draw, required=("lr_initial", "t_max"), invalid=values):
    """Draw arguments, at most two of them invalid."""
    names = [*required, *draw(st.lists(st.sampled_from(NAMES), max_size=3))]
    wrong = draw(st.sets(st.sampled_from(NAMES), max_size=2))
    return {name: draw(invalid if name in wrong else VALID[name]) for name in names}


def positions(schedule):
    """Return positions within, at and far beyond the cycles."""
    t_max = schedule.t_max
    near = [0, 1, t_max - 1, t_max, t_max + 1, 2 * t_max, 3 * t_max - 1]
    return [e for e in (-1, *near, 10**9, 2**53 + 1, 2**63 - 1, 10**300) if e < 2**63 or e > 2**64]


def assert_in_range(schedule):
    """Check that all rates are in range, for numbers and for an array."""
    low, high = lowest_rate(schedule), schedule.lr_initial
    at = positions(schedule)
    rates = [schedule(e) for e in at]
    for e, rate in zip(at, rates, strict=True):
        assert type(rate) is float
        assert low <= rate <= high, (schedule, e)
    fitting = [e for e in at if e < 2**63]
    array = schedule(np.array(fitting))
    assert array.dtype == np.float64
    assert (low <= array).all()
    assert (array <= high).all()


@EXAMPLES
@given(arguments())
def test_the_schedule(given):
    try:
        schedule = CosineAnnealing(**given)
    except (TypeError, ValueError) as error:
        assert_refused(error, NAMES)
        return
    assert_in_range(schedule)
    same = CosineAnnealing.from_dict(json.loads(json.dumps(schedule.to_dict())))
    assert same == schedule == pickle.loads(pickle.dumps(schedule))  # noqa: S301 - our own
    assert hash(same) == hash(schedule)


@EXAMPLES
@given(st.dictionaries(st.sampled_from([*NAMES, "", "e", "interval"]), values, max_size=4))
def test_from_dict(given):
    if unknown := given.keys() - {*NAMES}:
        # Python's own message names the key.
        with pytest.raises(TypeError, match="|".join(repr(name) for name in unknown)):
            CosineAnnealing.from_dict(given)
        return
    if missing := {"lr_initial", "t_max"} - given.keys():
        with pytest.raises(TypeError, match=f"missing .*{min(missing)}"):
            CosineAnnealing.from_dict(given)
        return
    try:
        schedule = CosineAnnealing.from_dict(given)
    except (TypeError, ValueError) as error:
        assert_refused(error, NAMES)
    else:
        assert_in_range(schedule)


@EXAMPLES
@given(arguments(), values)
def test_the_formula(given, e):
    shape = {name: given[name] for name in ("lr_initial", "lr_min", "t_max") if name in given}
    try:
        rate = cosine_annealing(e, **shape)
    except (TypeError, ValueError) as error:
        assert_refused(error, [*NAMES, "e"])
        return
    floor, peak = float(shape.get("lr_min", 0)), float(shape["lr_initial"])
    if isinstance(e, np.ndarray) and e.ndim:
        assert rate.shape == e.shape
        assert ((floor <= rate) & (rate <= peak)).all()
    else:
        assert floor <= rate <= peak


@EXAMPLES
@given(arguments(required=()), st.integers(0, 10) | st.integers(0, 2**64))
def test_the_parameters_of_a_callback(given, planned):
    try:
        parameters = Parameters(**given)
        cycles = lay_out(parameters, planned)
    except (TypeError, ValueError) as error:
        assert_refused(error, NAMES)
        return
    assert 0 < cycles.first <= cycles.end < 2**63
    assert 0 <= cycles.warmup < cycles.first
    assert math.isfinite(cycles.first_span)
