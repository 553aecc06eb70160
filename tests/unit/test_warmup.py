"""The warmup and the hold: their lengths, their ends, and the cosine over the rest of the cycle."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosine_callbacks import CosineAnnealing
from cosine_callbacks._schedule.cycles import lay_out

from .inputs import annealing, rates


@pytest.mark.parametrize(
    ("given", "units"),
    [
        ({"warmup": 0.0}, 0),
        ({"warmup": 7}, 7),
        ({"warmup": 0.054}, 5),
        ({"warmup": 0.056}, 6),
        ({"warmup": 0.004}, 0),
        ({"warmup": 1e-300}, 0),
        ({"warmup": 0.94, "t_max": 10}, 9),
        ({"warmup": 0.49, "t_max": 1}, 0),
        ({"warmup": 2**63 - 2, "t_max": 2**63 - 1}, 2**63 - 2),
        ({"warmup": 0.2, "t_max": 10, "cycles": 3, "t_mult": 2}, 2),  # of the first cycle
    ],
)
def test_length_in_units_or_as_a_fraction(given, units):
    schedule = annealing(**{"t_max": 100} | given)
    assert lay_out(schedule).warmup == units
    assert schedule(units) == 0.1
    assert (schedule.warmup, type(schedule.warmup)) == (given["warmup"], type(given["warmup"]))


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
        ({"warmup": 10}, "10"),
        ({"warmup": 0.95}, "0.95"),
        ({"warmup": 11, "cycles": 3, "t_mult": 2}, "11"),
        ({"hold": 10}, "10"),
        ({"warmup": 3, "hold": 7}, "3 and 7"),
        ({"warmup": 0.5, "hold": 0.5}, "0.5 and 0.5"),
    ],
)
def test_one_unit_is_left_for_the_cosine(given, got):
    names = [name for name in ("warmup", "hold") if name in given]
    sentence = (
        f"^{' and '.join(names)} must leave the cosine .* 10, got {got}; "
        f"shorten {' or '.join(names)} or lengthen t_max$"
    )
    with pytest.raises(ValueError, match=sentence):
        annealing(**given)


@pytest.mark.parametrize("warmup", [{}, {"warmup": 0}, {"warmup": 0.0}])
def test_a_start_needs_a_warmup(warmup):
    with pytest.raises(ValueError, match=r"^warmup_start_ratio needs a warmup, got .*=0\.5 with"):
        annealing(warmup_start_ratio=0.5, **warmup)
