"""NumPy arrays give bit for bit the rates of their elements, whatever the dtype."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosine_callbacks import CosineAnnealing, cosine_annealing

from .inputs import boundaries, lengths, schedules

KINDS = {
    "plain": {},
    "warmup": {"warmup": 3, "lr_min": 0.01},
    "equal": {"cycles": 3, "peak_decay": 0.5},
    "growing": {"cycles": 3, "t_mult": 2, "peak_decay": 0.7, "warmup": 0.2},
}
each_kind = pytest.mark.parametrize("given", KINDS.values(), ids=KINDS)


def assert_same(rates, numbers):
    assert type(rates) is np.ndarray
    assert rates.dtype == np.float64
    assert rates.ravel().tolist() == numbers


@settings(max_examples=300)
@given(schedules(t_max=lengths | st.integers(1, 2**53)), st.data())
def test_equal_bits(schedule, data):
    ends = [e for e in boundaries(schedule) if e < 2**53]
    whole = st.sampled_from([0, *ends]).flatmap(lambda e: st.integers(e - 2, e + 2))
    whole |= st.integers(-5, max(ends, default=10) + 5)
    es = data.draw(st.lists(whole, min_size=1, max_size=30))
    assert_same(schedule(np.array(es)), [schedule(e) for e in es])
    assert_same(schedule(np.array(es, float)), [schedule(e) for e in es])
    es = [e + data.draw(st.sampled_from([0.25, 0.5, 0.75])) for e in es]
    assert_same(schedule(np.array(es)), [schedule(e) for e in es])
    assert_same(schedule.factor(np.array(es)), [schedule.factor(e) for e in es])


@given(schedules(t_max=st.integers(2**53, 2**63 - 1), cycles=st.just(1)), st.data())
def test_equal_bits_of_the_largest_integers(schedule, data):
    es = data.draw(st.lists(st.integers(-5, 2**63 - 1), min_size=1))
    assert_same(schedule(np.array(es)), [schedule(e) for e in es])


def test_equal_bits_of_many_decayed_peaks():
    schedule = CosineAnnealing(lr_initial=0.1, t_max=2, cycles=None, peak_decay=0.987654321)
    assert_same(schedule(np.arange(20_000)), [schedule(e) for e in range(20_000)])


@each_kind
@pytest.mark.parametrize("dtype", [*np.typecodes["AllInteger"], *np.typecodes["Float"]])
def test_every_dtype(given, dtype):
    schedule = CosineAnnealing(lr_initial=0.1, **{"t_max": 10} | given)
    assert_same(schedule(np.arange(100, dtype=dtype)), [schedule(e) for e in range(100)])
    long = CosineAnnealing(lr_initial=0.1, t_max=10**9)
    assert_same(long(np.array([1, 100], dtype)), [long(1), long(100)])


def test_small_integers_do_not_overflow():
    schedule = CosineAnnealing(lr_initial=0.1, t_max=1000, lr_min=0.01, cycles=4, warmup=300)
    es = [-128, -1, 0, 1, 126, 127]
    assert_same(schedule(np.array(es, np.int8)), [schedule(e) for e in es])


def test_unsigned_positions_beyond_int64_are_the_end():
    es = np.array([0, 2**63 - 1, 2**63, 2**64 - 1], np.uint64)
    assert_same(CosineAnnealing(lr_initial=0.1, t_max=10, lr_min=0.01)(es), [0.1, 0.01, 0.01, 0.01])
    assert_same(
        CosineAnnealing(lr_initial=0.1, t_max=2**63 - 1, lr_min=0.01)(es), [0.1, 0.01, 0.01, 0.01]
    )


@each_kind
def test_nan_stays_nan_and_infinity_is_the_end(given):
    schedule = CosineAnnealing(lr_initial=0.1, **{"t_max": 10} | given)
    rates = schedule(np.array([math.nan, 5, -math.inf, math.inf, 1e300, math.nan]))
    assert np.isnan(rates).tolist() == [True, False, False, False, False, True]
    floor = schedule.lr_min
    assert rates[1:5].tolist() == [schedule(5), schedule(0), floor, floor]
    assert schedule(math.inf) == floor


@each_kind
def test_shapes_views_and_subclasses(given):
    schedule = CosineAnnealing(lr_initial=0.1, **{"t_max": 10} | given)
    es = np.arange(12).reshape(3, 4)
    es.setflags(write=False)
    assert schedule(es).shape == (3, 4)
    assert_same(schedule(es), [schedule(e) for e in range(12)])
    assert_same(schedule(es.T[::2, ::-1]), [schedule(e) for e in es.T[::2, ::-1].ravel().tolist()])
    assert_same(schedule(np.matrix([[1, 2], [3, 4]])), [schedule(e) for e in (1, 2, 3, 4)])
    assert_same(schedule(np.array([5])), [schedule(5)])
    assert_same(schedule(np.array([])), [])
    assert schedule(np.empty((0, 3), int)).shape == (0, 3)
    assert es.tolist() == np.arange(12).reshape(3, 4).tolist()


@pytest.mark.parametrize(
    "e",
    [np.array(5), np.array(5.0), np.int8(5), np.uint64(5), np.float16(5), np.float32(5)],
    ids=repr,
)
def test_numpy_scalars_and_0d_arrays_give_plain_floats(e):
    schedule = CosineAnnealing(lr_initial=0.1, t_max=10, cycles=None, t_mult=2, warmup=2)
    for rate in (schedule(e), schedule.factor(e), cosine_annealing(e, lr_initial=0.1, t_max=10)):
        assert type(rate) is float
    assert schedule(e) == schedule(5)


def test_the_bare_formula_takes_arrays():
    rates = cosine_annealing(np.array([0, 5, 10, 11]), lr_initial=0.1, lr_min=0.02, t_max=10)
    assert_same(rates, [0.1, pytest.approx(0.06, rel=1e-15), 0.02, 0.02])


def test_the_bare_formula_takes_0d_arrays_as_arguments():
    rate, floor, length = np.array(0.1), np.array(0.02), np.array(10)
    assert cosine_annealing(10, lr_initial=rate, lr_min=floor, t_max=length) == 0.02


def test_long_arrays():
    """Long arrays are computed in blocks, whose borders must not show in the rates."""
    schedule = CosineAnnealing(
        lr_initial=0.1, t_max=40_000, lr_min=0.001, warmup=1000, cycles=2, peak_decay=0.5
    )
    es = np.arange(-1, 80_001).reshape(-1, 2)[::-1]
    rates = schedule(es)
    assert rates.shape == es.shape
    assert_same(rates.ravel(), [schedule(e) for e in es.ravel().tolist()])


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
        CosineAnnealing(lr_initial=0.1, t_max=10)(e)


@pytest.mark.parametrize("e", [[1, 2], (1,), range(3), {}], ids=repr)
def test_other_sequences_are_refused(e):
    with pytest.raises(TypeError, match=rf"^e must be a number, got .* \({type(e).__name__}\)$"):
        CosineAnnealing(lr_initial=0.1, t_max=10)(e)


@pytest.mark.parametrize(
    "e", [np.array([1, math.inf]), np.array(math.inf), np.float32("inf"), math.inf], ids=repr
)
def test_without_a_last_cycle_there_is_no_end(e):
    schedule = CosineAnnealing(lr_initial=0.1, t_max=10, cycles=None)
    with pytest.raises(ValueError, match=r"^e must be finite with cycles=None, got inf; give"):
        schedule(e)
    assert schedule(-math.inf) == schedule(np.array([-math.inf]))[0] == 0.1
    assert math.isnan(schedule(np.array([math.nan]))[0])
