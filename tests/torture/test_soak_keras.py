"""200,000 updates each of schedule and callback with endless restarts."""

import os
import sys
from array import array

import keras
import numpy as np
import pytest

from cosine_callbacks.keras import CosineAnnealingCallback, CosineAnnealingSchedule
from tests.integration.keras.parts import compiled

UPDATES, T_MAX = int(os.environ.get("COSINE_CALLBACKS_SOAK", "200000")), 1000


class Recorder(keras.callbacks.Callback):
    """Record each rate, and now and then the number of allocated memory blocks."""

    def __init__(self):
        super().__init__()
        self.used, self.blocks = array("d"), []

    def on_train_batch_begin(self, batch, logs=None):
        # The rate of a schedule is read now and then only: each time it is evaluated.
        if self.set or len(self.used) % 100 == 0:
            rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
            self.last = float(rate)
        self.used.append(self.last)
        if len(self.used) % (UPDATES // 10) == 0:
            self.blocks.append(sys.getallocatedblocks())


# pytest would keep one Keras warning for each rate that we read.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", ["schedule", "callback"])
def test_keras(kind):
    recorder, ours = Recorder(), []
    recorder.set = kind == "callback"
    if recorder.set:
        ours = [CosineAnnealingCallback(t_max=T_MAX, lr_min=0.001, interval="step", cycles=None)]
        rate = 0.1
    else:
        rate = CosineAnnealingSchedule(lr_initial=0.1, t_max=T_MAX, lr_min=0.001, cycles=None)
    model = compiled(keras.optimizers.SGD(rate))
    ones = np.ones((UPDATES // 10, 1), "float32")
    model.fit(ones, ones, batch_size=1, epochs=10, callbacks=[*ours, recorder], verbose=0)
    asked = slice(None, None, 1 if recorder.set else 100)
    used = np.array(recorder.used)[asked]
    e = np.arange(UPDATES)[asked] % T_MAX
    right = 0.001 + 0.0495 * (1 + np.cos(np.pi * e / T_MAX))
    worst = np.abs(used / right - 1).max()
    growth = max(recorder.blocks[1:]) - recorder.blocks[1]
    print(f"{kind}: {UPDATES} updates, worst relative error {worst:.1e}, {growth} blocks more")
    assert worst < 6e-7
    assert growth < 20_000
