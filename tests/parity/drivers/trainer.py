"""Training in a Trainer of either package, where each update moves a different weight."""

from functools import partial
from itertools import count

import torch
from torch.utils.data import DataLoader

from cosine_callbacks import CosineAnnealing

from .plan import plan


def train(pl, adapter, interval, given):
    """Return the rate that each update used, which is how far it moved its weight from 0.

    The optimizer's own rate is another one than the callback's.
    """
    updates, batches, first = plan(interval, given)

    class Weights(pl.LightningModule):
        """One weight per update, with gradient 1 in that update and 0 in all others."""

        def __init__(self):
            super().__init__()
            self.weights = torch.nn.Parameter(torch.zeros(updates, dtype=torch.float64))
            self.update = count()

        def training_step(self, batch, batch_idx):
            return self.weights[next(self.update)]

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=1.0)

    schedule = CosineAnnealing.from_dict(given["parameters"])
    parameters = {**schedule.to_dict(), **given["as_callback"]}
    callback = adapter.CosineAnnealingCallback(**parameters, interval=interval)
    trainer = pl.Trainer(
        max_epochs=first + updates // batches,
        callbacks=[callback],
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    # Pretend to have trained up to here, which would take a billion updates.
    loop = trainer.fit_loop
    loop.epoch_progress.current.processed = loop.epoch_progress.current.completed = first
    progress = loop.epoch_loop.automatic_optimization.optim_progress
    progress.optimizer.step.total.completed = first * batches
    model = Weights()
    trainer.fit(model, DataLoader(range(batches)))
    return (-model.weights).tolist()


def drivers(pl, adapter, name):
    """Return the drivers of one callback, each with the number of updates in a unit."""
    return {
        f"{name}, epochs": (partial(train, pl, adapter, "epoch"), 2),
        f"{name}, updates": (partial(train, pl, adapter, "step"), 1),
    }
