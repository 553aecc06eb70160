"""What does a value cost? One, against lrsched, and a million, against a line of NumPy."""

from __future__ import annotations

import lrsched
import numpy as np
from harness import Row, per_call, ratios

from cosine_callbacks import CosineAnnealing, cosine_annealing

PEAK, FLOOR, T_MAX = 0.1, 0.001, 10**6
MOST_SCALAR, MOST_ARRAY = 1.0, 1.2


def measure(*, quick: bool) -> list[Row]:
    """Return our cost as a fraction of theirs."""
    positions = np.arange(10**3 if quick else 10**6)
    ours = CosineAnnealing(lr_initial=PEAK, t_max=T_MAX, lr_min=FLOOR)
    theirs = lrsched.cosine(base_lr=PEAK, min_lr=FLOOR, total_steps=T_MAX)

    def one_shot() -> float:
        return cosine_annealing(5, lr_initial=PEAK, lr_min=FLOOR, t_max=T_MAX)

    def one_shot_of_theirs() -> float:
        return lrsched.cosine(base_lr=PEAK, min_lr=FLOOR, total_steps=T_MAX)(5)

    def by_hand() -> np.ndarray:
        clamped = np.minimum(positions, T_MAX)
        return FLOOR + 0.5 * (PEAK - FLOOR) * (1.0 + np.cos(np.pi * clamped / T_MAX))

    size, loops = ((1, 1), 10) if quick else ((21, 10), 5000)
    one = ratios(per_call(one_shot, loops), per_call(one_shot_of_theirs, loops), *size)
    made = ratios(per_call(lambda: ours(5), loops), per_call(lambda: theirs(5), loops), *size)
    many = ratios(per_call(lambda: ours(positions), 1), per_call(by_hand, 1), *size)
    return [
        Row("one value, arguments included", "lrsched", one, MOST_SCALAR),
        # For information: ours refuses what is no position, theirs is a bare closure.
        Row("one value, schedule made before", "lrsched", made),
        Row("a million values", "a line of NumPy", many, MOST_ARRAY),
    ]
