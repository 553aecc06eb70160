"""One value and a million values, against lrsched and a line of NumPy written by hand."""

from __future__ import annotations

from typing import Any

import lrsched
import numpy as np
from harness import Row, alternate, per_call, row

from cosine_callbacks import CosineAnnealing, cosine_annealing

PEAK, FLOOR, T_MAX = 0.1, 0.001, 10**6
MOST_SCALAR, MOST_ARRAY = 1.0, 1.2


def one_shot() -> float:
    """Return one value from the arguments."""
    return cosine_annealing(5, lr_initial=PEAK, lr_min=FLOOR, t_max=T_MAX)


def one_shot_of_theirs() -> float:
    """Return lrsched's value from the arguments."""
    return lrsched.cosine(base_lr=PEAK, min_lr=FLOOR, total_steps=T_MAX)(5)


def by_hand(e: Any) -> Any:
    """Return the textbook formula, clamped."""
    clamped = np.minimum(e, T_MAX)
    return FLOOR + 0.5 * (PEAK - FLOOR) * (1.0 + np.cos(np.pi * clamped / T_MAX))


def measure(*, quick: bool) -> list[Row]:
    """Return our cost as a part of theirs."""
    ours = CosineAnnealing(lr_initial=PEAK, t_max=T_MAX, lr_min=FLOOR)
    theirs = lrsched.cosine(base_lr=PEAK, min_lr=FLOOR, total_steps=T_MAX)
    positions = np.arange(10**3 if quick else 10**6)
    many = 10 if quick else 5000
    cases = [
        (
            "one value, arguments included",
            "lrsched",
            one_shot,
            one_shot_of_theirs,
            many,
            MOST_SCALAR,
        ),
        # For information: ours refuses what is no position, theirs is a bare closure.
        (
            "one value, schedule made before",
            "lrsched",
            lambda: ours(5),
            lambda: theirs(5),
            many,
            None,
        ),
        (
            "a million values",
            "a line of NumPy",
            lambda: ours(positions),
            lambda: by_hand(positions),
            1,
            MOST_ARRAY,
        ),
    ]
    return [
        row(
            what,
            against,
            alternate(
                {"ours": per_call(mine, loops), "theirs": per_call(other, loops)},
                *((3, 1) if quick else (21, 10)),
            ),
            lambda times: times["ours"] / times["theirs"],
            most,
        )
        for what, against, mine, other, loops, most in cases
    ]
