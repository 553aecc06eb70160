"""The formula in float64: accurate, exact at both ends, never rising."""

import doctest
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import cosine_callbacks
from cosine_callbacks import CosineAnnealing, cosine_annealing
from tests.truth import mp, true_rate, ulps

from .inputs import annealing, fractions, lengths, lowest_rate, positions, rates, schedules

LENGTHS = [7, 10, 10**3, 10**6, 10**9, 2**53 - 1, 2**63 - 1]


@settings(max_examples=100)
@given(schedules(), st.integers(0, 99))
def test_every_rate_is_the_true_one_and_in_range(schedule, seed):
    for e in positions(schedule, seed):
        rate = schedule(e)
        assert ulps(rate, true_rate(schedule, e)) <= 8
        assert lowest_rate(schedule) <= rate <= schedule.lr_initial


@pytest.mark.parametrize("t_max", LENGTHS)
def test_the_last_unit_before_the_floor(t_max):
    true = mp.mpf(0.1) * mp.sin(mp.pi / 2 / t_max) ** 2
    assert ulps(annealing(t_max=t_max)(t_max - 1), true) <= 8


@given(rates, fractions, st.sampled_from(LENGTHS) | lengths)
@example(peak=0.1, fraction=0.7, t_max=10).via("0.07 + (0.1 - 0.07) is an ulp above 0.1")
@example(peak=0.1, fraction=0.3, t_max=10)
def test_both_ends_are_exact_and_clamped(peak, fraction, t_max):
    floor = peak * fraction
    schedule = CosineAnnealing(lr_initial=peak, t_max=t_max, lr_min=floor)
    assert [schedule(e) for e in (0, -1, -0.5, -math.inf, -(10**400))] == [peak] * 5
    after = (t_max, t_max + 1, 2 * t_max, 3 * t_max, 1e300, math.inf, 10**400)
    assert [schedule(e) for e in after] == [floor] * 7
    assert schedule(np.array([-1.0, 0.0, math.inf])).tolist() == [peak, peak, floor]
    ratio = CosineAnnealing(lr_initial=peak, t_max=t_max, lr_min_ratio=fraction)
    assert ratio(t_max) == fraction * peak


def test_near_the_peak_the_sum_never_passes_it():
    random = np.random.default_rng(1)
    for peak, fraction in random.random((3000, 2)).tolist():
        schedule = CosineAnnealing(lr_initial=peak, t_max=10**9, lr_min=peak * fraction)
        near = [schedule(e) for e in (0, 1, 2, 5, 20, 50, 100, 1000, 10**5)]
        assert near == sorted(near, reverse=True)
        assert near[0] == peak


@given(rates, lengths, fractions)
def test_a_floor_at_the_peak_is_constant(rate, t_max, fraction):
    at = 0, 1, round(fraction * t_max), t_max - 1, t_max + 1
    for given_floor in ({"lr_min": rate}, {"lr_min_ratio": 1, "cycles": None, "peak_decay": 0.5}):
        schedule = CosineAnnealing(lr_initial=rate, t_max=t_max, **given_floor)
        assert {schedule(e) for e in at} == {rate}


@pytest.mark.parametrize("floor", [0.0, 1e-9, 0.03, 0.0999999])
@pytest.mark.parametrize("t_max", [10, 12345, 10**6, 10**9, 2**40 + 1])
def test_never_rises_anywhere(t_max, floor):
    schedule = annealing(t_max=t_max, lr_min=floor)
    near = np.arange(min(t_max, 200_000) + 1)
    for e in (near, t_max - near[::-1], t_max // 2 + near):
        assert (np.diff(schedule(e)) <= 0).all()
    if not floor:
        assert (np.diff(schedule(t_max - near[::-1][-1000:])) < 0).all()


def test_all_arguments_but_the_position_are_keyword_only():
    with pytest.raises(TypeError, match="positional"):
        cosine_annealing(5, 0.1, 0.0, 10)


def test_the_examples_in_the_docstrings():
    result = doctest.testmod(cosine_callbacks)
    assert result.attempted >= 4
    assert not result.failed
