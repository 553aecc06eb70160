"""Warm restarts: boundaries in whole units, the floor held after the end, decaying peaks."""

import math
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosine_callbacks._schedule.cycles import lay_out
from tests.truth import mp, true_rate, ulps

from .inputs import annealing, boundaries, schedules

LAST = 2**63 - 1


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
    schedule = annealing(t_max=3, lr_min=0.02, cycles=None, peak_decay=decay)
    floor = mp.mpf(0.02)
    assert ulps(schedule(3 * index), floor + (mp.mpf(0.1) - floor) * mp.mpf(decay) ** index) <= 2


@pytest.mark.parametrize("t_max", [3, 7, 2**20 + 1, 2**40])
def test_equal_cycles_stay_exact_for_ever(t_max):
    schedule = annealing(t_max=t_max, cycles=None)
    starts = [t_max * i for i in (1, 2, 3, 10**4, 10**6, LAST // t_max - 1)]
    for back, rate in ((0, 0.1), (1, schedule(t_max - 1))):
        assert {schedule(e - back) for e in starts} == {rate}
        assert set(schedule(np.array(starts) - back)) == {rate}


@pytest.mark.parametrize("t_mult", [2, 3, 10])
def test_growing_cycles_stay_exact_to_the_last_position(t_mult):
    schedule = annealing(t_max=7, cycles=None, t_mult=t_mult)
    ends = [e for e in boundaries(schedule, 62) if e <= LAST]
    assert {schedule(e) for e in ends[:-1]} == {0.1}
    assert schedule(ends[-1]) == 0
    assert list(lay_out(schedule).ends) == ends


@pytest.mark.parametrize(
    ("t_max", "given"),
    [
        (1, {"cycles": None}),
        (1, {"cycles": 10**18}),
        (7, {"cycles": LAST}),
        (1, {"cycles": 10**18, "t_mult": 2}),
        (3, {"cycles": None, "t_mult": 2**61}),
        (2**62, {"cycles": 2}),  # the second one would end beyond all positions
        (LAST, {}),
        (LAST, {"cycles": None}),
    ],
)
def test_the_largest_schedules_need_no_time_and_no_table(t_max, given):
    started = perf_counter()
    schedule = annealing(t_max=t_max, lr_min=0.01, **given)
    assert schedule(0) == 0.1
    assert {schedule(e) for e in (LAST, LAST + 1, 10**400)} == {0.01}
    assert set(schedule(np.array([LAST]))) == {0.01}
    if given.get("cycles"):
        assert set(schedule(np.array([1e300, math.inf]))) == {0.01}
    assert len(lay_out(schedule).ends) < 64 or isinstance(lay_out(schedule).ends, range)
    assert perf_counter() - started < 1


def test_infinity_is_the_end_however_many_cycles():
    for cycles in range(10**18 + 1, 10**18 + 400):
        schedule = annealing(t_max=7, lr_min=0.01, cycles=cycles, warmup=2)
        assert schedule(np.array([math.inf, 1e300])).tolist() == [0.01, 0.01]
        assert schedule(math.inf) == 0.01
