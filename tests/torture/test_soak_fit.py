"""200,000 updates each of schedule and callback with endless restarts."""

import os
import sys
from array import array

import numpy as np
import pytest

from cosine_callbacks.keras import CosineAnnealingSchedule
from tests.integration.fit.parts import compiled, fit, keras, per_step, rate_of

UPDATES, T_MAX = int(os.environ.get("COSINE_CALLBACKS_SOAK", "200000")), 1000
SHAPE = {"t_max": T_MAX, "lr_min": 0.001, "cycles": None}


class Recorder(keras.callbacks.Callback):
    """Record the rate of every so many updates, and ten times the allocated memory blocks."""

    def __init__(self, every):
        super().__init__()
        self.every, self.batches, self.used, self.blocks = every, 0, array("d"), []

    def on_train_batch_begin(self, batch, logs=None):
        if self.batches % self.every == 0:
            self.used.append(rate_of(self.model.optimizer))
        self.batches += 1
        if self.batches % (UPDATES // 10) == 0:
            self.blocks.append(sys.getallocatedblocks())


# pytest would keep one Keras warning for each rate that we read.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("rate", "callbacks", "every"),
    [
        # The rate of a schedule is evaluated each time that it is read.
        (CosineAnnealingSchedule(lr_initial=0.1, **SHAPE), [], 100),
        (0.1, [per_step(**SHAPE)], 1),
    ],
    ids=["schedule", "callback"],
)
def test_many_updates(rate, callbacks, every):
    recorder, ones = Recorder(every), np.ones((UPDATES // 10, 1), "float32")
    fit(compiled(keras.optimizers.SGD(rate)), *callbacks, recorder, data=ones, epochs=10)
    used, e = np.array(recorder.used), np.arange(0, UPDATES, every) % T_MAX
    right = 0.001 + 0.0495 * (1 + np.cos(np.pi * e / T_MAX))
    worst = np.abs(used / right - 1).max()
    growth = max(recorder.blocks[1:]) - recorder.blocks[1]
    print(f"{UPDATES} updates, worst relative error {worst:.1e}, {growth} blocks more")
    assert worst < 6e-7
    assert growth < 20_000
