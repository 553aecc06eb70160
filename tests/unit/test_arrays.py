"""NumPy arrays give bit for bit the rates of their elements, whatever the dtype."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosine_callbacks import cosine_annealing

from .inputs import annealing, boundaries, positions, schedules

KINDS = {
    "plain": {},
    "warmup": {"warmup": 3, "lr_min": 0.01},
    "equal": {"cycles": 3, "peak_decay": 0.5},
    "growing": {"cycles": 3, "t_mult": 2, "peak_decay": 0.7, "warmup": 0.2},
}
each_kind = pytest.mark.parametrize("given", KINDS.values(), ids=KINDS)


def assert_same(schedule, es, numbers):
    """Check that the rates of the array es are those of the numbers."""
    rates = schedule(es)
    assert type(rates) is np.ndarray
    assert rates.dtype == np.float64
    assert rates.ravel().tolist() == [schedule(e) for e in numbers]


@settings(max_examples=60)
@given(schedules(), st.integers(0, 99))
def test_equal_bits(schedule, seed):
    es = positions(schedule, seed)
    assert_same(schedule, np.array(es), es)
    assert schedule.factor(np.array(es)).tolist() == [schedule.factor(e) for e in es]
    whole = [int(e) for e in es]
    assert_same(schedule, np.array(whole), whole)
    assert_same(schedule, np.array(whole, float), whole)


@settings(max_examples=50)
@given(schedules(t_max=st.integers(1, 2**63 - 1), cycles=st.just(1)), st.data())
def test_equal_bits_of_the_largest_integers(schedule, data):
    end = boundaries(schedule, 1)[0]
    anywhere = st.integers(-5, 2**63 - 1) | st.integers(max(0, end - 5), end)
    es = data.draw(st.lists(anywhere, min_size=1, max_size=9))
    assert_same(schedule, np.array(es), es)


def test_equal_bits_of_many_decayed_peaks():
    schedule = annealing(t_max=2, cycles=None, peak_decay=0.987654321)
    assert_same(schedule, np.arange(20_000), range(20_000))


@each_kind
@pytest.mark.parametrize("dtype", [*np.typecodes["AllInteger"], *np.typecodes["Float"]])
def test_every_dtype(given, dtype):
    assert_same(annealing(**given), np.arange(100, dtype=dtype), range(100))
    assert_same(annealing(t_max=10**9), np.array([1, 100], dtype), [1, 100])


@pytest.mark.parametrize("t_max", [10, 2**63 - 1])
def test_unsigned_positions_beyond_int64_are_the_end(t_max):
    es = np.array([0, 2**63 - 1, 2**63, 2**64 - 1], np.uint64)
    assert annealing(t_max=t_max, lr_min=0.01)(es).tolist() == [0.1, 0.01, 0.01, 0.01]


@each_kind
def test_nan_stays_nan_and_infinity_is_the_end(given):
    schedule = annealing(**given)
    rates = schedule(np.array([math.nan, 5, -math.inf, math.inf, 1e300, math.nan]))
    assert np.isnan(rates).tolist() == [True, False, False, False, False, True]
    floor = schedule.lr_min
    assert rates[1:5].tolist() == [schedule(5), schedule(0), floor, floor]
    assert schedule(math.inf) == floor


@each_kind
def test_shapes_views_and_subclasses(given):
    schedule = annealing(**given)
    es = np.arange(12).reshape(3, 4)
    es.setflags(write=False)
    view = es.T[::2, ::-1]
    for array in (es, view, np.matrix([[1, 2], [3, 4]]), np.array([5]), np.empty((0, 3), int)):
        assert schedule(array).shape == array.shape
        assert_same(schedule, array, np.asarray(array).ravel().tolist())
    assert es.tolist() == np.arange(12).reshape(3, 4).tolist()


@pytest.mark.parametrize(
    "e",
    [np.array(5), np.array(5.0), np.int8(5), np.uint64(5), np.float16(5), np.float32(5)],
    ids=repr,
)
def test_numpy_scalars_and_0d_arrays_give_plain_floats(e):
    schedule = annealing(cycles=None, t_mult=2, warmup=2)
    for rate in (schedule(e), schedule.factor(e), cosine_annealing(e, lr_initial=0.1, t_max=10)):
        assert type(rate) is float
    assert schedule(e) == schedule(5)


def test_the_bare_formula_takes_arrays():
    rates = cosine_annealing(np.array([0, 5, 10, 11]), lr_initial=0.1, lr_min=0.02, t_max=10)
    assert rates.tolist() == [0.1, pytest.approx(0.06, rel=1e-15), 0.02, 0.02]
    rate, floor, length = np.array(0.1), np.array(0.02), np.array(10)
    assert cosine_annealing(10, lr_initial=rate, lr_min=floor, t_max=length) == 0.02


def test_long_arrays():
    """Long arrays are computed in blocks, whose borders must not show in the rates."""
    schedule = annealing(t_max=40_000, lr_min=0.001, warmup=1000, cycles=2, peak_decay=0.5)
    es = np.arange(-1, 80_001).reshape(-1, 2)[::-1]
    assert schedule(es).shape == es.shape
    assert_same(schedule, es, es.ravel().tolist())


@pytest.mark.parametrize(
    "e",
    [
        np.array([True, False]),
        np.array(["1", "2"]),
        np.array([b"1"]),
        np.array([1, None], object),
        np.array([1 + 0j]),
        np.array(["2020-01-01"], "datetime64[D]"),
        np.array([1], "timedelta64[s]"),
        np.array([(1,)], [("e", int)]),
    ],
    ids=lambda e: str(e.dtype),
)
def test_arrays_of_other_kinds_are_refused(e):
    with pytest.raises(TypeError, match=r"^e must hold integers or floats, got dtype .*; convert"):
        annealing()(e)


@pytest.mark.parametrize(
    "e", [np.array([1, math.inf]), np.array(math.inf), np.float32("inf"), math.inf], ids=repr
)
def test_without_a_last_cycle_there_is_no_end(e):
    schedule = annealing(cycles=None)
    with pytest.raises(ValueError, match=r"^e must be finite with cycles=None, got inf; give"):
        schedule(e)
    assert schedule(-math.inf) == schedule(np.array([-math.inf]))[0] == 0.1
    assert math.isnan(schedule(np.array([math.nan]))[0])
