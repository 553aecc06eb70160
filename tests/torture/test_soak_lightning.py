"""200,000 updates with endless restarts: each rate is right, and memory does not grow."""

import os
import sys
from array import array

import numpy as np
import torch
from torch.utils.data import DataLoader

from tests.integration.lightning.parts import CosineAnnealingCallback, pl, trainer

UPDATES, T_MAX = int(os.environ.get("COSINE_CALLBACKS_SOAK", "200000")), 1000


class RecordingModel(pl.LightningModule):
    """Record each rate, and now and then the number of allocated memory blocks."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.used, self.blocks = array("d"), []

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def training_step(self, batch, batch_idx):
        return self.weight.sum()

    def on_before_optimizer_step(self, optimizer):
        self.used.append(optimizer.param_groups[0]["lr"])
        if len(self.used) % (UPDATES // 10) == 0:
            self.blocks.append(sys.getallocatedblocks())

    def train_dataloader(self):
        return DataLoader(range(UPDATES))


def test_lightning():
    model = RecordingModel()
    ours = CosineAnnealingCallback(t_max=T_MAX, lr_min=0.001, interval="step", cycles=None)
    trainer(ours, max_epochs=1).fit(model)
    used = np.array(model.used)
    right = 0.001 + 0.0495 * (1 + np.cos(np.pi * (np.arange(UPDATES) % T_MAX) / T_MAX))
    worst = np.abs(used / right - 1).max()
    growth = max(model.blocks[1:]) - model.blocks[1]
    print(f"{UPDATES} updates, worst relative error {worst:.1e}, {growth} blocks more at the end")
    assert worst < 1e-12
    assert growth < 2000
