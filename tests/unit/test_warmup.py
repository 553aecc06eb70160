"""Linear warmup: its start, its end, and the cosine over the rest of the first cycle."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosine_callbacks import CosineAnnealing
from cosine_callbacks._schedule.cycles import lay_out

from .inputs import rates


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(
            {"t_max": 30, "warmup": 5, "lr_initial": 1e-3}, {5: 1e-3, 30: 0}, id="peak-and-end"
        ),
        pytest.param(
            {"t_max": 13, "warmup": 3, "warmup_start_ratio": 0},
            {0: 0, 1: 0.1 / 3, 2: 0.2 / 3, 3: 0.1},
            id="start-at-0",
        ),
        pytest.param({"warmup": 3}, {0: 0.025, 1: 0.05, 2: 0.075, 3: 0.1}, id="default-start"),
        pytest.param({"t_max": 20, "warmup": 10}, {0: 0.1 / 11, 15: 0.05, 20: 0}, id="rest"),
        pytest.param(
            {"t_max": 6, "warmup": 4, "lr_min": 0.04},
            {0: 0.02, 2: 0.06, 4: 0.1, 5: 0.07, 6: 0.04},
            id="start-below-floor",
        ),
        pytest.param(
            {"t_max": 6, "warmup": 4, "lr_min": 0.04, "warmup_start_ratio": 0.5},
            {-1: 0.05, 0: 0.05, 1: 0.0625, 2: 0.075, 3: 0.0875, 4: 0.1, 5: 0.07},
            id="start",
        ),
        pytest.param(
            {"t_max": 6, "warmup": 4, "warmup_start_ratio": 1},
            {0: 0.1, 1: 0.1, 4: 0.1, 5: 0.05},
            id="flat-start",
        ),
        pytest.param({"warmup": 2}, {0.5: 0.1 / 3 + 0.1 / 6, 6: 0.05}, id="between"),
        pytest.param(
            {"warmup": 2, "cycles": 2, "lr_min": 0.02},
            {2: 0.1, 6: 0.06, 10: 0.1, 11: 0.098042260651806, 15: 0.06, 20: 0.02},
            id="first-cycle-only",
        ),
    ],
)
def test_rates(given, expected):
    schedule = CosineAnnealing(**{"lr_initial": 0.1, "t_max": 10} | given)
    got = {e: schedule(e) for e in expected}
    assert got == {e: pytest.approx(rate, rel=1e-14, abs=0) for e, rate in expected.items()}


@pytest.mark.parametrize(
    ("t_max", "warmup", "units"),
    [
        (100, 0, 0),
        (100, 0.0, 0),
        (100, 7, 7),
        (100, 0.05, 5),
        (100, 0.054, 5),
        (100, 0.056, 6),
        (100, 0.004, 0),
        (100, 1e-300, 0),
        (10, 0.94, 9),
        (1, 0.49, 0),
        (2**63 - 1, 2**63 - 2, 2**63 - 2),
    ],
)
def test_length_in_units_or_as_a_fraction(t_max, warmup, units):
    schedule = CosineAnnealing(lr_initial=0.1, t_max=t_max, warmup=warmup)
    assert lay_out(schedule).warmup == units
    assert schedule(units) == 0.1
    assert schedule.warmup == warmup
    assert type(schedule.warmup) is type(warmup)


def test_a_fraction_is_of_the_first_cycle():
    assert (
        lay_out(CosineAnnealing(lr_initial=0.1, t_max=10, cycles=3, t_mult=2, warmup=0.2)).warmup
        == 2
    )


@given(rates, st.integers(1, 10**9), st.floats(0, 1), st.data())
def test_rises_in_one_line_to_the_exact_peak(peak, warmup, ratio, data):
    schedule = CosineAnnealing(
        lr_initial=peak, t_max=2 * warmup + 1, warmup=warmup, warmup_start_ratio=ratio
    )
    assert schedule(0) == peak * ratio
    assert schedule(warmup) == peak
    e = data.draw(st.integers(0, warmup - 1))
    assert schedule(e) <= schedule(e + 1) <= peak
    line = ratio + (1 - ratio) * (e / warmup)
    assert schedule.factor(e) == pytest.approx(line, rel=1e-14, abs=2 * math.ulp(0.0) / peak)


@pytest.mark.parametrize("warmup", [10, 11, 10**18, 0.95, 0.9999])
def test_one_unit_is_left_for_the_cosine(warmup):
    with pytest.raises(ValueError, match=rf"^warmup must leave .* 10, got {warmup}; shorten"):
        CosineAnnealing(lr_initial=0.1, t_max=10, warmup=warmup)
    with pytest.raises(ValueError, match=r"^warmup must leave"):
        CosineAnnealing(lr_initial=0.1, t_max=10, warmup=warmup, cycles=3, t_mult=2)


@pytest.mark.parametrize("warmup", [{}, {"warmup": 0}, {"warmup": 0.0}])
def test_a_start_needs_a_warmup(warmup):
    with pytest.raises(ValueError, match=r"^warmup_start_ratio needs a warmup, got .*=0\.5 with"):
        CosineAnnealing(lr_initial=0.1, t_max=10, warmup_start_ratio=0.5, **warmup)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"hold": 4}, {0: 0.1, 3: 0.1, 4: 0.1, 7: 0.05, 10: 0}, id="hold"),
        pytest.param(
            {"t_max": 20, "warmup": 4, "hold": 6, "lr_min": 0.02},
            {0: 0.02, 3: 0.08, 4: 0.1, 9: 0.1, 10: 0.1, 15: 0.06, 20: 0.02, 99: 0.02},
            id="warmup-and-hold",
        ),
        pytest.param({"hold": 0.4}, {3.5: 0.1, 4: 0.1, 7: 0.05}, id="fraction"),
        pytest.param(
            {"hold": 4, "cycles": 2, "t_mult": 2, "peak_decay": 0.5},
            {3: 0.1, 7: 0.05, 10: 0.05, 20: 0.025, 30: 0},
            id="first-cycle-only",
        ),
        pytest.param({"hold": 9}, {8: 0.1, 9: 0.1, 9.5: 0.05, 10: 0}, id="one-unit-left"),
    ],
)
def test_a_hold_between_warmup_and_cosine(given, expected):
    schedule = CosineAnnealing(**{"lr_initial": 0.1, "t_max": 10} | given)
    right = {e: pytest.approx(rate, rel=1e-14, abs=1e-17) for e, rate in expected.items()}
    assert {e: schedule(e) for e in expected} == right
    positions = np.asarray(list(expected), "float64")
    assert schedule(positions).tolist() == [schedule(e) for e in expected]


@given(rates, st.integers(0, 10**9), st.integers(1, 10**9), st.integers(1, 3), st.data())
def test_the_hold_is_the_peak_exactly(peak, warmup, hold, cycles, data):
    t_max = warmup + hold + data.draw(st.integers(1, 10**9))
    schedule = CosineAnnealing(
        lr_initial=peak, t_max=t_max, warmup=warmup, hold=hold, cycles=cycles, t_mult=cycles
    )
    e = data.draw(st.integers(warmup, warmup + hold))
    assert schedule(e) == schedule(np.asarray([e]))[0] == peak
    # The cosine is that of a run without warmup and hold that begins later.
    later = CosineAnnealing(lr_initial=peak, t_max=t_max - warmup - hold)
    e = data.draw(st.integers(warmup + hold, t_max - 1))
    assert schedule(e) == later(e - warmup - hold)


@pytest.mark.parametrize(
    ("given", "got"),
    [
        ({"hold": 10}, "10"),
        ({"hold": 0.96}, "0.96"),
        ({"warmup": 3, "hold": 7}, "3 and 7"),
        ({"warmup": 0.5, "hold": 0.5}, "0.5 and 0.5"),
        ({"warmup": 12, "hold": 1}, "12 and 1"),
    ],
)
def test_one_unit_is_left_after_the_hold(given, got):
    names, cure = " and ".join(given), " or ".join(given)
    sentence = (
        rf"^{names} must leave the cosine .* 10, got {got}; shorten {cure} or lengthen t_max$"
    )
    with pytest.raises(ValueError, match=sentence):
        CosineAnnealing(lr_initial=0.1, t_max=10, **given)


@pytest.mark.parametrize("hold", [-1, 1.0, 1.5, math.nan])
def test_what_is_no_hold(hold):
    with pytest.raises(ValueError, match=r"^hold must be an int >= 0"):
        CosineAnnealing(lr_initial=0.1, t_max=10, hold=hold)
