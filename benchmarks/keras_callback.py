"""The Keras callback in `fit`: per epoch against Keras' own, per update against a bare setter."""

from __future__ import annotations

import itertools
from functools import partial
from statistics import quantiles
from time import perf_counter
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from harness import Row, Times, alternate, row

if keras.backend.backend() == "tensorflow":
    from cosine_callbacks.tensorflow import CosineAnnealingCallback
else:
    from cosine_callbacks.keras import CosineAnnealingCallback

if TYPE_CHECKING:
    from collections.abc import Callable

BACKEND = keras.backend.backend()
T_MAX, LR_MIN = 10**6, 1e-5
UNITS, BATCH = 4, 8
MOST_EPOCH = 1.05  # "equal" beyond noise
MOST_STEP = 1.1


class Clock(keras.callbacks.Callback):
    """Notes when each epoch or batch begins; the first of the callbacks."""

    def __init__(self, unit: str) -> None:
        """Take "epoch" or "batch"."""
        super().__init__()
        self.unit = unit
        self.began: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note the time."""
        if self.unit == "epoch":
            self.began.append(perf_counter())

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Note the time."""
        if self.unit == "batch":
            self.began.append(perf_counter())


class Setter(keras.callbacks.Callback):
    """Sets a new rate at each batch and does nothing else."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set it."""
        self.model.optimizer.learning_rate = 0.1 - batch * 1e-6


def fit(unit: str, times: int, variables: int, callback: Any = None) -> Callable[[], float]:
    """Return a timer that fits that many epochs or batches.

    Its time is the lower quartile of one of them: others may be using the machine. What only a few
    of them cost does not show.
    """
    layers = [keras.layers.Dense(UNITS) for _ in range(variables // 2)]
    model = keras.Sequential([keras.Input((UNITS,)), *layers])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    batches, epochs = (times, 1) if unit == "batch" else (1, times)
    x = np.zeros((batches * BATCH, UNITS), "float32")

    def timed() -> float:
        clock = Clock(unit)
        callbacks = [clock, callback] if callback else [clock]
        model.fit(x, x, batch_size=BATCH, epochs=epochs, callbacks=callbacks, verbose=0)
        began = clock.began
        return quantiles((b - a for a, b in itertools.pairwise(began)), n=4)[0]

    return timed


def over_none(times: Times) -> float:
    """Return what ours adds to a step, as a part of what the other adds."""
    return (times["ours"] - times["none"]) / (times["theirs"] - times["none"])


def whole(times: Times) -> float:
    """Return the time with ours, as a part of that with the other."""
    return times["ours"] / times["theirs"]


def measure(*, quick: bool) -> list[Row]:
    """Return the cost of an epoch and of a step with our callback."""
    times, size = (3, (2, 1)) if quick else (20, (5, 7))
    epoch = partial(fit, "epoch", min(times, 10), 6)
    keras_own = keras.callbacks.LearningRateScheduler(lambda at: 0.1 - at * 1e-6)
    timers = {
        "ours": epoch(CosineAnnealingCallback(t_max=T_MAX, lr_min=LR_MIN)),
        "theirs": epoch(keras_own),
    }
    what = f"epoch of one batch, callback on {BACKEND}"
    rounds = alternate(timers, *size)
    rows = [row(what, "`LearningRateScheduler`", rounds, whole, MOST_EPOCH)]
    for variables in (6,) if quick else (6, 80):
        step = partial(fit, "batch", times, variables)
        ours = CosineAnnealingCallback(t_max=T_MAX, lr_min=LR_MIN, interval="step")
        timers = {"none": step(), "ours": step(ours), "theirs": step(Setter())}
        rounds = alternate(timers, *size)
        what = f"step in fit, callback on {BACKEND}, {variables} variables"
        rows += [
            row(what, "a bare setter", rounds, whole, MOST_STEP),
            row(f"{what}, over no callback", "a bare setter", rounds, over_none),
        ]
    return rows
