"""Schedules and positions: made by hand, and drawn by Hypothesis."""

import math
import sys
from itertools import accumulate
from random import Random

from hypothesis import strategies as st

from cosine_callbacks import CosineAnnealing


def annealing(**given):
    """Return a schedule from 0.1 in 10 units, where nothing else is given."""
    return CosineAnnealing(**{"lr_initial": 0.1, "t_max": 10} | given)


def boundaries(schedule, count=5):
    """Return where the first `count` cycles end, or would end if there were as many."""
    return list(accumulate(schedule.t_max * schedule.t_mult**i for i in range(count)))


def lowest_rate(schedule):
    """Return the lowest rate of the schedule."""
    s = schedule
    floor = s.lr_min if s.lr_min_ratio is None else s.lr_min_ratio * s.lr_initial
    if not s.warmup:
        return floor
    length = s.warmup if isinstance(s.warmup, int) else round(s.warmup * s.t_max)
    start = 1 / (length + 1) if s.warmup_start_ratio is None else s.warmup_start_ratio
    return min(floor, start * s.lr_initial)


lengths = st.integers(1, 100) | st.integers(1, 10**9)
counts = st.none() | st.integers(1, 5) | st.just(10**18)
fractions = st.floats(0, 1)
rates = st.floats(math.ulp(0.0), sys.float_info.max)


@st.composite
def schedules(draw, t_max=lengths, cycles=counts):
    """Draw any valid schedule."""
    peak, t_max = draw(rates), draw(t_max)
    given = {"cycles": draw(cycles), "t_mult": draw(st.integers(1, 3))}
    floor = draw(st.sampled_from(["none", "lr_min", "lr_min_ratio"]))
    if floor != "none":
        given[floor] = draw(fractions) * (peak if floor == "lr_min" else 1)
    # For a huge t_max, 1 - 1 / t_max rounds to 1.
    most = min(1 - 1 / t_max, math.nextafter(1, 0))
    warmup = draw(st.just(0) | st.integers(0, t_max - 1) | st.floats(0, most))
    units = round(warmup * t_max) if isinstance(warmup, float) else warmup
    if units < t_max:
        given["warmup"] = warmup
        if warmup:
            given["warmup_start_ratio"] = draw(st.none() | fractions)
        given["hold"] = draw(st.just(0) | st.integers(0, t_max - 1 - units))
    if draw(st.booleans()):
        given["peak_decay"] = draw(st.floats(0.01, 1))
    return CosineAnnealing(lr_initial=peak, t_max=t_max, **given)


def positions(schedule, seed):
    """Return positions next to boundaries, in the tails and anywhere, and fractions of units."""
    random, ends = Random(seed), boundaries(schedule)
    beside = [e + k for e in (0, *ends) for k in (-2, -1, 0, 1, 2)]
    tails = [e - random.randint(0, 1000) for e in ends]
    anywhere = [random.randint(-10, ends[-1] + 10) for _ in ends]
    return [e + random.choice([0, 0, 0.25, 0.5]) for e in (*beside, *tails, *anywhere)]
