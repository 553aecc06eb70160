"""Whatever is given: a schedule with all rates in range, or a one-line error."""

import json
import math
import pickle

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cosine_callbacks import CosineAnnealing, cosine_annealing
from cosine_callbacks._schedule.cycles import lay_out
from cosine_callbacks._schedule.parameters import Parameters
from tests.fuzz import EXAMPLES, SHAPE, assert_refused, values

from .inputs import lowest_rate

# Mostly valid arguments, so that several invalid ones do not hide each other.
ARGUMENTS = {
    **SHAPE,
    "t_max": st.integers(1, 50) | st.integers(1, 2**63 - 1),
    "warmup": st.integers(0, 3) | st.floats(0, 1),
    "hold": st.integers(0, 3) | st.floats(0, 0.5),
    "cycles": st.none() | st.integers(1, 4) | st.integers(1, 2**63 - 1),
    "t_mult": st.integers(1, 3) | st.integers(1, 2**63 - 1),
}


@st.composite
def arguments(draw, required=("lr_initial", "t_max")):
    """Draw arguments, at most two of them invalid."""
    names = [*required, *draw(st.lists(st.sampled_from([*ARGUMENTS]), max_size=3))]
    wrong = draw(st.sets(st.sampled_from([*ARGUMENTS]), max_size=2))
    return {name: draw(values if name in wrong else ARGUMENTS[name]) for name in names}


@EXAMPLES
@given(arguments())
def test_the_schedule(given):
    """All rates within, at and far beyond the cycles are in range, and copies are equal."""
    try:
        schedule = CosineAnnealing(**given)
    except (TypeError, ValueError) as error:
        assert_refused(error, ARGUMENTS)
        return
    low, high, t_max = lowest_rate(schedule), schedule.lr_initial, schedule.t_max
    near = [-1, 0, 1, t_max - 1, t_max, t_max + 1, 2 * t_max, 3 * t_max - 1]
    for e in (*near, 10**9, 2**53 + 1, 2**63 - 1, 10**300):
        rate = schedule(e)
        assert type(rate) is float
        assert low <= rate <= high, (schedule, e)
    array = schedule(np.array([e for e in (*near, 2**63 - 1) if e < 2**63]))
    assert array.dtype == np.float64
    assert ((low <= array) & (array <= high)).all()
    same = CosineAnnealing.from_dict(json.loads(json.dumps(schedule.to_dict())))
    assert same == schedule == pickle.loads(pickle.dumps(schedule))  # noqa: S301 - our own
    assert hash(same) == hash(schedule)


@EXAMPLES
@given(arguments(), values)
def test_the_formula(given, e):
    shape = {name: given[name] for name in ("lr_initial", "lr_min", "t_max") if name in given}
    try:
        rate = cosine_annealing(e, **shape)
    except (TypeError, ValueError) as error:
        assert_refused(error, [*shape, "e"])
        return
    floor, peak = float(shape.get("lr_min", 0)), float(shape["lr_initial"])
    assert np.shape(rate) == np.shape(e)
    assert ((floor <= np.asarray(rate)) & (np.asarray(rate) <= peak)).all()


@EXAMPLES
@given(arguments(required=()), st.integers(0, 10) | st.integers(0, 2**64))
def test_the_parameters_of_a_callback(given, planned):
    try:
        parameters = Parameters(**given)
        cycles = lay_out(parameters, planned)
    except (TypeError, ValueError) as error:
        assert_refused(error, ARGUMENTS)
        return
    ends = cycles.ends[:1000]
    assert 0 <= cycles.warmup < ends[0]
    assert sorted({*ends}) == [*ends]
    assert cycles.ends[-1] < 2**63
    assert math.isfinite(cycles.first_span)
