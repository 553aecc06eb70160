"""What does the Keras callback cost in `fit`? An epoch and a step, against other callbacks."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from time import perf_counter
from typing import Any

import keras
import numpy as np
from harness import Row, Timer, lower_quartile, ratios

if keras.backend.backend() == "tensorflow":
    from cosine_callbacks.tensorflow import CosineAnnealingCallback
else:
    from cosine_callbacks.keras import CosineAnnealingCallback

BACKEND = keras.backend.backend()
UNITS, BATCH = 4, 8
MOST_EPOCH = 1.05  # "equal" beyond noise
MOST_STEP = 1.1


class Clock(keras.callbacks.Callback):
    """Notes when each batch begins; the first of the callbacks."""

    def __init__(self) -> None:
        """Start without any."""
        super().__init__()
        self.began: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Note the time."""
        self.began.append(perf_counter())


class Setter(keras.callbacks.Callback):
    """Sets a new rate at each batch and does nothing else."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set it."""
        self.model.optimizer.learning_rate = 0.1 - batch * 1e-6


def fit(callback: Any, variables: int, *, batches: int = 1, epochs: int = 1) -> Timer:
    """Return a timer of one batch of a fit, the lower quartile: others may be using the machine.

    What only a few of the batches cost does not show.
    """
    layers = [keras.layers.Dense(UNITS) for _ in range(variables // 2)]
    model = keras.Sequential([keras.Input((UNITS,)), *layers])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    x = np.zeros((batches * BATCH, UNITS), "float32")

    def timed() -> float:
        clock = Clock()
        callbacks = [clock, callback]
        model.fit(x, x, batch_size=BATCH, epochs=epochs, callbacks=callbacks, verbose=0)
        return lower_quartile([after - before for before, after in pairwise(clock.began)])

    return timed


def measure(*, quick: bool) -> list[Row]:
    """Return the cost of an epoch and of a step with our callback."""
    times, size = (3, (1, 1)) if quick else (20, (5, 7))
    ours = partial(CosineAnnealingCallback, t_max=10**6, lr_min=1e-5)
    theirs = keras.callbacks.LearningRateScheduler(lambda at: 0.1 - at * 1e-6)
    epoch = partial(fit, variables=6, epochs=min(times, 10))
    found = ratios(epoch(ours()), epoch(theirs), *size)
    what = f"epoch of one batch, callback on {BACKEND}"
    rows = [Row(what, "`LearningRateScheduler`", found, MOST_EPOCH)]
    for variables in (6,) if quick else (6, 80):
        step = partial(fit, variables=variables, batches=times)
        found = ratios(step(ours(interval="step")), step(Setter()), *size)
        what = f"step in fit, callback on {BACKEND}, {variables} variables"
        rows.append(Row(what, "a callback that only sets the rate", found, MOST_STEP))
    return rows
