"""200,000 updates with endless restarts: each rate is right, and memory does not grow."""

import os
import sys
from array import array

import numpy as np

from tests.integration.lightning.parts import Model, fit, per_update

UPDATES, T_MAX = int(os.environ.get("COSINE_CALLBACKS_SOAK", "200000")), 1000


class Soaked(Model):
    """Record each rate, and now and then the number of allocated memory blocks."""

    def __init__(self):
        super().__init__(batches=UPDATES)
        self.used, self.blocks = array("d"), []

    def on_before_optimizer_step(self, optimizer):
        self.used.append(optimizer.param_groups[0]["lr"])
        if len(self.used) % (UPDATES // 10) == 0:
            self.blocks.append(sys.getallocatedblocks())


def test_lightning():
    model = Soaked()
    fit(model, per_update(t_max=T_MAX, lr_min=0.001, cycles=None), max_epochs=1)
    used = np.array(model.used)
    right = 0.001 + 0.0495 * (1 + np.cos(np.pi * (np.arange(UPDATES) % T_MAX) / T_MAX))
    worst = np.abs(used / right - 1).max()
    growth = max(model.blocks[1:]) - model.blocks[1]
    print(f"{UPDATES} updates, worst relative error {worst:.1e}, {growth} blocks more at the end")
    assert worst < 1e-12
    assert growth < 2000
