"""One value, against optax as it is called outside a compiled function."""

from __future__ import annotations

import optax
from harness import Row, alternate, per_call, row

from cosine_callbacks import CosineAnnealing


def measure(*, quick: bool) -> list[Row]:
    """Return our cost as a part of theirs."""
    ours = CosineAnnealing(lr_initial=0.1, t_max=10**6, lr_min=0.001)
    theirs = optax.cosine_decay_schedule(0.1, 10**6, 0.01)
    loops = 1 if quick else 50
    timers = {
        "ours": per_call(lambda: ours(5), loops),
        "theirs": per_call(lambda: theirs(5), loops),
    }
    rounds = alternate(timers, *((3, 1) if quick else (21, 10)))
    what = "one value, schedule made before"
    return [row(what, "optax", rounds, lambda times: times["ours"] / times["theirs"], 1.0)]
