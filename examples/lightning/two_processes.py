"""Train in two processes with DDP, both on the same curve.

Run `python examples/lightning/two_processes.py`. Each process sees half of the digits, so that an
epoch has half as many updates; t_max is left out, and the curve still ends with the run. The exit
status is 0 if both used the formula's rate at every update.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import lightning.pytorch as pl
import torch
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

from cosine_callbacks import CosineAnnealing
from cosine_callbacks.lightning import CosineAnnealingCallback

EPOCHS, BATCH_SIZE, PROCESSES = 3, 32, 2
PEAK, FLOOR = 0.01, 1e-4


class Net(pl.LightningModule):
    """A linear classifier of digits that records the rate of each update."""

    def __init__(self) -> None:
        """Build the layer."""
        super().__init__()
        self.layer = torch.nn.Linear(64, 10)
        self.used: list[float] = []

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """No scheduler here: the callback drives the rate."""
        return torch.optim.Adam(self.parameters(), lr=PEAK)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """Record the rate and return the loss."""
        self.used.append(self.optimizers().param_groups[0]["lr"])
        x, y = batch
        return torch.nn.functional.cross_entropy(self.layer(x), y)


def main() -> int:
    """Train and compare in each process; return the exit status."""
    images, labels = load_digits(return_X_y=True)
    data = TensorDataset(torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(labels))
    trainer = pl.Trainer(
        max_epochs=EPOCHS,
        callbacks=[CosineAnnealingCallback(interval="step", lr_min=FLOOR)],
        accelerator="cpu",
        strategy="ddp",
        devices=PROCESSES,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    model = Net()
    trainer.fit(model, DataLoader(data, BATCH_SIZE))
    updates = EPOCHS * math.ceil(len(data) / PROCESSES / BATCH_SIZE)
    schedule = CosineAnnealing(lr_initial=PEAK, t_max=updates, lr_min=FLOOR)
    right = model.used == [schedule(e) for e in range(updates)]
    # In one write: print would write the newline separately.
    sys.stdout.write(
        f"process {trainer.global_rank}: {len(model.used)} updates, as the formula: {right}\n"
    )
    # Each process fails on its own; a failure of the second also ends the first.
    return int(not right)


if __name__ == "__main__":
    sys.exit(main())
