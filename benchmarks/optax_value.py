"""What does a value cost beside optax, called outside a compiled function?"""

from __future__ import annotations

import optax
from harness import Row, per_call, ratios

from cosine_callbacks import CosineAnnealing


def measure(*, quick: bool) -> list[Row]:
    """Return our cost as a fraction of theirs."""
    ours = CosineAnnealing(lr_initial=0.1, t_max=10**6, lr_min=0.001)
    theirs = optax.cosine_decay_schedule(0.1, 10**6, 0.01)
    size, loops = ((1, 1), 1) if quick else ((21, 10), 50)
    found = ratios(per_call(lambda: ours(5), loops), per_call(lambda: theirs(5), loops), *size)
    return [Row("one value, schedule made before", "optax", found, 1.0)]
