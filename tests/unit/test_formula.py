"""The plain formula in float64: accurate, exact at both ends, never rising."""

import doctest
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import cosine_callbacks
from cosine_callbacks import CosineAnnealing, cosine_annealing
from cosine_callbacks._schedule.cycles import lay_out
from tests.truth import mp, true_rate, ulps

from .inputs import fractions, lengths, lowest_rate, rates, schedules, schedules_and_positions

WHOLE_LENGTHS = [1, 2, 3, 7, 10, 10**3, 10**6, 10**9, 2**53 - 1, 2**63 - 1]
COSINES = {
    0: 1,
    30: math.sqrt(3) / 2,
    45: math.sqrt(2) / 2,
    60: 0.5,
    90: 0,
    120: -0.5,
    180: -1,
}


@pytest.mark.parametrize(("degrees", "cosine"), COSINES.items())
def test_closed_forms_over_a_floor(degrees, cosine):
    rate = cosine_annealing(degrees, lr_initial=0.1, lr_min=0.02, t_max=180)
    assert rate == pytest.approx(0.02 + 0.04 * (1 + cosine), rel=1e-15)
    assert CosineAnnealing(lr_initial=0.1, t_max=180, lr_min=0.02)(degrees) == rate


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, {10: 0, 11: 0, 15: 0, 20: 0, -1: 0.1}, id="floor-held-after-the-end"),
        pytest.param({"t_max": 20}, {24: 0}, id="loader-longer-than-t_max"),
        pytest.param({}, dict.fromkeys(range(10, 21), 0), id="every-position-after-the-end"),
        pytest.param({"lr_min": 0.01}, {8: 0.01859424}, id="floor-of-0.01"),
        pytest.param({"lr_min": 0.001}, {0: 0.1, 5: 0.0505, 10: 0.001}, id="start-middle-and-end"),
        pytest.param(
            {"t_max": 20},
            {5: 0.08535534, 6: 0.07938926, 7: 0.07269952, 8: 0.06545085},
            id="resumed-at-5-of-20",
        ),
        pytest.param(
            {"lr_initial": 1e-3, "t_max": 50},
            {43: 4.758647e-5, 60: 0},
            id="resumed-at-43-with-a-shorter-t_max",
        ),
        pytest.param({"t_max": 4}, {1: 0.08535534, 2: 0.05}, id="epochs-1-and-2-of-4"),
        pytest.param({}, {9: 0.002447174}, id="last-update-of-10"),
        pytest.param({"t_max": 25}, {5: 0.09045085, 8: 0.07679134}, id="updates-5-and-8-of-25"),
        pytest.param({"t_max": 30}, {29: 0.0002739052}, id="last-update-of-30"),
        pytest.param(
            {"t_max": 8},
            {0: 0.1, 1: 0.09619398, 2: 0.08535534, 3: 0.06913417},
            id="first-updates-of-8",
        ),
        pytest.param({}, {1: 0.09755283}, id="second-update"),
        pytest.param({"lr_initial": 0.01}, {1: 0.009755283}, id="second-update-of-a-smaller-rate"),
        pytest.param(
            {"lr_initial": 1e-4, "lr_min_ratio": 0.01}, {5: 5.05e-5}, id="floor-as-a-ratio"
        ),
        pytest.param({"t_max": 10**6}, {999_923: 1.462922e-9}, id="tail-of-a-million"),
        pytest.param({"t_max": 10**4}, {9999: 2.467401e-9}, id="tail-of-ten-thousand"),
    ],
)
def test_known_rates(given, expected):
    schedule = CosineAnnealing(**{"lr_initial": 0.1, "t_max": 10} | given)
    rates = {e: schedule(e) for e in expected}
    assert rates == {e: pytest.approx(rate, rel=1e-6, abs=0) for e, rate in expected.items()}


@settings(max_examples=1500)
@given(schedules_and_positions())
def test_8_ulp_from_the_true_rate(drawn):
    schedule, e = drawn
    assert ulps(schedule(e), true_rate(schedule, e)) <= 8


@given(rates, lengths, st.data())
def test_8_ulp_from_the_true_rate_in_the_tail(peak, t_max, data):
    left = data.draw(st.integers(0, min(t_max, 1000)))
    schedule = CosineAnnealing(lr_initial=peak, t_max=t_max)
    assert ulps(schedule(t_max - left), true_rate(schedule, t_max - left)) <= 8


@given(rates, lengths, st.floats(0, 1))
def test_fractional_positions(peak, t_max, fraction):
    schedule = CosineAnnealing(lr_initial=peak, t_max=t_max, lr_min_ratio=0.25)
    e = round(fraction * t_max * 4) / 4
    assert ulps(schedule(e), true_rate(schedule, e)) <= 8


@given(rates, fractions, st.sampled_from(WHOLE_LENGTHS) | lengths)
@example(peak=0.1, fraction=0.7, t_max=10).via("0.07 + (0.1 - 0.07) is an ulp above 0.1")
@example(peak=0.1, fraction=0.3, t_max=10)
def test_both_ends_are_exact_and_clamped(peak, fraction, t_max):
    floor = peak * fraction
    schedule = CosineAnnealing(lr_initial=peak, t_max=t_max, lr_min=floor)
    assert [schedule(e) for e in (0, -1, -0.5, -math.inf, -(10**400))] == [peak] * 5
    after = (t_max, t_max + 1, 2 * t_max, 3 * t_max, 1e300, math.inf, 10**400)
    assert [schedule(e) for e in after] == [floor] * 7
    assert (
        CosineAnnealing(lr_initial=peak, t_max=t_max, lr_min_ratio=fraction)(t_max)
        == fraction * peak
    )


def test_near_the_peak_the_sum_never_passes_it():
    random = np.random.default_rng(1)
    for peak, fraction in random.random((3000, 2)).tolist():
        floor = peak * fraction
        schedule = CosineAnnealing(lr_initial=peak, t_max=10**9, lr_min=floor)
        near = [schedule(e) for e in (0, 1, 2, 5, 20, 50, 100, 1000, 10**5)]
        assert near == sorted(near, reverse=True)
        assert near[0] == peak


@given(schedules_and_positions())
def test_no_rate_leaves_floor_and_peak(drawn):
    schedule, e = drawn
    assert lowest_rate(schedule) <= schedule(e) <= schedule.lr_initial


@given(rates, lengths, fractions)
def test_a_floor_at_the_peak_is_constant(rate, t_max, fraction):
    for schedule in (
        CosineAnnealing(lr_initial=rate, t_max=t_max, lr_min=rate),
        CosineAnnealing(lr_initial=rate, t_max=t_max, lr_min_ratio=1, cycles=None, peak_decay=0.5),
    ):
        assert {schedule(e) for e in (0, 1, round(fraction * t_max), t_max - 1, t_max + 1)} == {
            rate
        }


@settings(max_examples=500)
@given(schedules(cycles=st.just(1)), st.data())
def test_never_rises(schedule, data):
    warmup = lay_out(schedule).warmup
    e = data.draw(
        st.integers(warmup, schedule.t_max)
        | st.integers(warmup, min(warmup + 100, schedule.t_max))
        | st.integers(max(warmup, schedule.t_max - 100), schedule.t_max + 1)
    )
    assert schedule(e) >= schedule(e + 1)


@pytest.mark.parametrize("floor", [0.0, 1e-9, 0.03, 0.0999999])
@pytest.mark.parametrize("t_max", [10, 12345, 10**6, 10**9, 2**40 + 1])
def test_never_rises_anywhere(t_max, floor):
    schedule = CosineAnnealing(lr_initial=0.1, t_max=t_max, lr_min=floor)
    near = np.arange(min(t_max, 200_000) + 1)
    for e in (near, t_max - near[::-1], t_max // 2 + near):
        assert (np.diff(schedule(e)) <= 0).all()
    if not floor:
        assert (np.diff(schedule(t_max - near[::-1][-1000:])) < 0).all()


@pytest.mark.parametrize("t_max", WHOLE_LENGTHS[3:])
def test_the_last_unit_before_the_floor(t_max):
    true = mp.mpf(0.1) * mp.sin(mp.pi / 2 / t_max) ** 2
    assert ulps(CosineAnnealing(lr_initial=0.1, t_max=t_max)(t_max - 1), true) <= 8


def test_all_arguments_but_the_position_are_keyword_only():
    with pytest.raises(TypeError, match="positional"):
        cosine_annealing(5, 0.1, 0.0, 10)


def test_the_examples_in_the_docstrings():
    result = doctest.testmod(cosine_callbacks)
    assert result.attempted >= 4
    assert not result.failed
