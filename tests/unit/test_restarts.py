"""Warm restarts: boundaries in whole units, the floor held after the end, decaying peaks."""

import math
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosine_callbacks import CosineAnnealing
from cosine_callbacks._schedule.cycles import lay_out
from tests.truth import mp, true_rate, ulps

from .inputs import boundaries, schedules


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(
            {"t_mult": 2, "cycles": None},
            {10: 0.1, 30: 0.1, 70: 0.1, 100: 0.06913417},
            id="growing-cycles",
        ),
        pytest.param(
            {"t_mult": 2, "cycles": None, "lr_initial": 1},
            {81910: 1, 327670: 1},
            id="late-restarts",
        ),
        pytest.param(
            {"cycles": 2, "lr_min": 1e-5},
            {9: 0.002456929, 10: 0.1, 19: 0.002456929, 20: 1e-5, 99: 1e-5},
            id="two-cycles-over-a-floor",
        ),
        pytest.param({"t_mult": 2, "cycles": 2}, {10: 0.1, 20: 0.05, 30: 0, 40: 0}, id="t_mult-2"),
        pytest.param(
            {"t_mult": 3, "cycles": 3},
            {10: 0.1, 25: 0.05, 40: 0.1, 85: 0.05, 130: 0},
            id="t_mult-3",
        ),
        pytest.param({"cycles": None}, {10: 0.1, 95: 0.05, 10**6: 0.1, -3: 0.1}, id="for-ever"),
        pytest.param({"t_mult": 7}, {9: 0.002447174, 10: 0, 15: 0}, id="one-cycle"),
        pytest.param(
            {"cycles": 3, "peak_decay": 0.5, "lr_min": 0.02},
            {0: 0.1, 5: 0.06, 10: 0.06, 15: 0.04, 20: 0.04, 25: 0.03, 30: 0.02},
            id="peak_decay",
        ),
        pytest.param(
            {"cycles": None, "t_mult": 2, "peak_decay": 0.5},
            {10: 0.05, 20: 0.025, 30: 0.025, 70: 0.0125},
            id="peak_decay-t_mult",
        ),
    ],
)
def test_rates(given, expected):
    schedule = CosineAnnealing(**{"lr_initial": 0.1, "t_max": 10} | given)
    got = {e: schedule(e) for e in expected}
    assert got == {e: pytest.approx(rate, rel=1e-6, abs=0) for e, rate in expected.items()}


@given(schedules(cycles=st.integers(1, 5)))
def test_peaks_at_boundaries_and_the_held_floor_are_exact(schedule):
    s = schedule
    *inner, end = boundaries(s, s.cycles)
    floor = s.lr_min if s.lr_min_ratio is None else s.lr_min_ratio * s.lr_initial
    if s.peak_decay == 1:
        assert [s(e) for e in inner] == [s.lr_initial] * len(inner)
    assert [s(e) for e in (end, end + 1, 10**18, math.inf)] == [floor] * 4
    for e in inner:
        assert ulps(s(e - 1), true_rate(s, e - 1)) <= 8


@given(st.floats(0.01, 1), st.integers(0, 1000))
def test_decayed_peaks(decay, index):
    schedule = CosineAnnealing(lr_initial=0.1, t_max=3, lr_min=0.02, cycles=None, peak_decay=decay)
    floor = mp.mpf(0.02)
    assert ulps(schedule(3 * index), floor + (mp.mpf(0.1) - floor) * mp.mpf(decay) ** index) <= 2


@pytest.mark.parametrize("t_max", [3, 7, 2**20 + 1, 2**40])
def test_equal_cycles_stay_exact_for_ever(t_max):
    schedule = CosineAnnealing(lr_initial=0.1, t_max=t_max, cycles=None)
    last = schedule(t_max - 1)
    starts = [t_max * i for i in (1, 2, 3, 10**4, 10**6, (2**63 - 1) // t_max - 1)]
    assert {schedule(e) for e in starts} == {0.1}
    assert {schedule(e - 1) for e in starts} == {last}
    assert set(schedule(np.array(starts))) == {0.1}
    assert set(schedule(np.array(starts) - 1)) == {last}


@pytest.mark.parametrize("t_mult", [2, 3, 10])
def test_growing_cycles_stay_exact_to_the_last_position(t_mult):
    schedule = CosineAnnealing(lr_initial=1.0, t_max=7, cycles=None, t_mult=t_mult)
    ends = [e for e in boundaries(schedule, 62) if e <= 2**63 - 1]
    assert {schedule(e) for e in ends[:-1]} == {1.0}
    assert schedule(ends[-1]) == 0
    assert list(lay_out(schedule).ends) == ends


@pytest.mark.parametrize(
    ("t_max", "given"),
    [
        (1, {"cycles": None}),
        (1, {"cycles": 10**18}),
        (7, {"cycles": 2**63 - 1}),
        (1, {"cycles": 10**18, "t_mult": 2}),
        (3, {"cycles": None, "t_mult": 2**61}),
        (2**63 - 1, {}),
        (2**63 - 1, {"cycles": None}),
    ],
)
def test_the_largest_schedules_need_no_time_and_no_table(t_max, given):
    started = perf_counter()
    schedule = CosineAnnealing(lr_initial=0.1, t_max=t_max, lr_min=0.01, **given)
    assert schedule(0) == 0.1
    assert {schedule(e) for e in (2**63 - 1, 2**63, 10**400)} == {0.01}
    assert set(schedule(np.array([2**63 - 1]))) == {0.01}
    if given.get("cycles"):
        assert set(schedule(np.array([1e300, math.inf]))) == {0.01}
    assert len(lay_out(schedule).ends) < 64 or isinstance(lay_out(schedule).ends, range)
    assert perf_counter() - started < 1


def test_infinity_is_the_end_however_many_cycles():
    for cycles in range(10**18 + 1, 10**18 + 400):
        schedule = CosineAnnealing(lr_initial=0.1, t_max=7, lr_min=0.01, cycles=cycles, warmup=2)
        assert schedule(np.array([math.inf, 1e300])).tolist() == [0.01, 0.01]
        assert schedule(math.inf) == 0.01


def test_half_of_the_largest_cycle():
    assert CosineAnnealing(lr_initial=0.1, t_max=2**63 - 1)(2**62) == pytest.approx(0.05, rel=1e-15)


@pytest.mark.parametrize("t_mult", [1, 2, 2**62])
@pytest.mark.parametrize("cycles", [None, 2, 3])
def test_a_cycle_beyond_all_positions_is_left_out(cycles, t_mult):
    schedule = CosineAnnealing(lr_initial=0.1, t_max=2**62, cycles=cycles, t_mult=t_mult)
    assert [schedule(e) for e in (0, 2**62, 2**63 - 1)] == [0.1, 0, 0]
    assert schedule(2**61) == pytest.approx(0.05, rel=1e-15)
