"""Cycles laid out over a run whose length only the trainer knows."""

from dataclasses import astuple
from fractions import Fraction
from itertools import accumulate, pairwise
from math import floor
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosine_callbacks._schedule.cycles import lay_out, lost_warmup
from cosine_callbacks._schedule.parameters import Parameters, floor_under


@pytest.mark.parametrize(
    ("given", "planned", "ends"),
    [
        ({}, 10, [10]),
        ({}, 1, [1]),
        ({"cycles": 2}, 10, [5, 10]),
        ({"cycles": 2}, 11, [6, 11]),  # 5.5 is rounded up
        ({"cycles": 4}, 10, [3, 5, 8, 10]),  # 2.5 and 7.5 too
        ({"cycles": 3}, 10, [3, 7, 10]),
        ({"cycles": 3}, 3, [1, 2, 3]),
        ({"cycles": 3, "t_mult": 2}, 70, [10, 30, 70]),
        ({"cycles": 3, "t_mult": 2}, 10, [1, 4, 10]),
        ({"cycles": 2, "t_mult": 3}, 2, [1, 2]),  # 0.5 is rounded up
        ({"t_max": 1.0}, 10, [10]),
        ({"t_max": 0.26}, 10, [3]),
        ({"t_max": 0.001}, 10, [1]),
        ({"t_max": 5e-324}, 10**9, [1]),
        ({"t_max": 0.5, "cycles": 2}, 10, [5, 10]),
        ({"t_max": 0.25, "cycles": 3, "t_mult": 2}, 100, [25, 75, 175]),
        ({"t_max": 1, "cycles": 3}, 10, [1, 2, 3]),
        ({"t_max": 7}, 0, [7]),
    ],
)
def test_ends(given, planned, ends):
    assert list(lay_out(Parameters(**given), planned).ends) == ends


@pytest.mark.parametrize(
    ("given", "last", "ends"),
    [
        ({"cycles": None}, 35, [10, 20, 30]),
        ({"cycles": 2}, 35, [10, 20]),
        ({"cycles": None}, 10, [10]),
        ({"cycles": None, "t_mult": 2}, 70, [10, 30, 70]),
        ({"cycles": 9, "t_mult": 2}, 69, [10, 30]),
    ],
)
def test_cycles_that_would_end_beyond_the_last_position_are_left_out(given, last, ends):
    assert list(lay_out(Parameters(t_max=10, **given), last=last).ends) == ends


@given(st.integers(1, 10**6), st.integers(1, 60), st.integers(1, 4))
def test_filling_rounds_half_up_and_ends_exactly(planned, cycles, t_mult):
    sums = list(accumulate(t_mult**i for i in range(cycles)))
    ends = [floor(Fraction(planned * part, sums[-1]) + Fraction(1, 2)) for part in sums]
    parameters = Parameters(cycles=cycles, t_mult=t_mult)
    if all(start < end for start, end in pairwise([0, *ends])):
        assert list(lay_out(parameters, planned).ends) == ends
        assert ends[-1] == planned
    else:
        with pytest.raises(ValueError, match=r"^cycles must each get at least one unit"):
            lay_out(parameters, planned)


@pytest.mark.parametrize(
    ("given", "planned"),
    [
        ({}, 0),
        ({"cycles": 3}, 2),
        ({"cycles": 11}, 10),
        ({"cycles": 10**5}, 99_999),
        ({"cycles": 10**5, "t_mult": 2}, 10**12),
        ({"cycles": 10**5, "t_mult": 2**63 - 1}, 10**18),
    ],
)
def test_cycles_shorter_than_a_unit_are_refused_at_once(given, planned):
    started = perf_counter()
    cure = rf"^cycles must each get .* planned {planned}, got .* give fewer cycles or t_max="
    with pytest.raises(ValueError, match=cure):
        lay_out(Parameters(**given), planned)
    assert perf_counter() - started < 1


def test_too_many_cycles_for_a_table():
    assert len(lay_out(Parameters(cycles=10**5), 10**6).ends) == 10**5
    sentence = "cycles must be at most 100000 where they fill the planned run, got 100001; give"
    with pytest.raises(ValueError, match=f"^{sentence} fewer cycles or t_max=$"):
        Parameters(cycles=10**5 + 1)
    assert lay_out(Parameters(t_max=1, cycles=10**18)).end == 10**18


@pytest.mark.parametrize("parameters", [{}, {"t_max": 1.0}, {"t_max": 1e-300}, {"cycles": 3}])
def test_a_run_longer_than_any_counter(parameters):
    given = Parameters(**parameters)
    if given.t_max != 1e-300:
        # 2**53 + 1 and 2**63 - 1 cannot be floats.
        assert [lay_out(given, n).end for n in (2**53 + 1, 2**63 - 1)] == [2**53 + 1, 2**63 - 1]
    sentence = r"^t_max must be given where .* got \d+ units; give t_max="
    with pytest.raises(ValueError, match=sentence):
        lay_out(given, 2**63)


def test_warmup_is_checked_against_the_planned_first_cycle():
    parameters = Parameters(warmup=5, cycles=2)
    assert lay_out(parameters, 12).warmup == 5
    with pytest.raises(ValueError, match=r"^warmup must leave .* 5, got 5; shorten warmup"):
        lay_out(parameters, 10)
    cycles = lay_out(Parameters(warmup=0.1), 100)
    assert astuple(cycles)[:5] == ((100,), 10, 0, 1 / 11, 1.0)


@pytest.mark.parametrize(
    ("given", "planned", "interval", "what"),
    [
        ({"warmup": 0.05}, 10, "epoch", "0.05 of 10 epochs, which is 0 epochs; give interval="),
        ({"warmup": 0.25, "t_max": 0.1}, 20, "step", "0.25 of 2 steps, which is 0 steps; give an"),
        ({"warmup": 0.05}, 11, "epoch", None),
        ({"warmup": 0.0}, 10, "epoch", None),
        ({"warmup": 1}, 10, "epoch", None),
    ],
)
def test_a_warmup_that_is_rounded_to_nothing(given, planned, interval, what):
    parameters = Parameters(**given)
    sentence = lost_warmup(parameters, lay_out(parameters, planned), interval)
    begin = f"warmup must be more than half a unit of the first cycle, got {what}"
    assert sentence.startswith(begin) if what else sentence is None


def test_cycles_for_ever_need_a_length():
    with pytest.raises(ValueError, match=r"^t_max must be given with cycles=None, got None; give"):
        Parameters(cycles=None)
    assert lay_out(Parameters(t_max=0.5, cycles=None), 20).ends == range(10, 2**63, 10)


def test_what_only_a_trainer_knows_may_be_left_out():
    parameters = Parameters(lr_min=0.5)
    assert (parameters.lr_initial, parameters.t_max) == (None, None)
    assert repr(parameters) == "Parameters(lr_min=0.5)"


def test_the_floor_of_each_group():
    assert floor_under(Parameters(lr_min_ratio=0.25), 0.5) == 0.125
    assert floor_under(Parameters(lr_min=1e-3), 1e-3) == 1e-3
    sentence = (
        r"^lr_min must be <= the rate of group 1 \(0\.0001\), got 0\.001; lower lr_min or give"
    )
    with pytest.raises(ValueError, match=sentence):
        floor_under(Parameters(lr_min=1e-3), 1e-4, "the rate of group 1")
