"""Make the old Lightning checkpoints, and note the rates that an uninterrupted run uses from there.

Run in an environment with the package at commit d15b331 and Lightning:

    python -m tests.saved_at_d15b331.make_checkpoints

It writes step.ckpt, epoch.ckpt, manual.ckpt and checkpoints.json beside this file. The JSON file
has for each checkpoint a list of the rates of each optimizer, update by update from the checkpoint
to the end of the run. A run resumed from the file with the same arguments must use the same rates,
bit for bit:

- step: `Model(10)`, `STEP`, fit with max_steps=25; the file is of its 5th update, within an epoch.
- epoch: `Model(4)`, `EPOCH`, fit with max_epochs=8; the file is of the end of its 3rd epoch.
- manual: `Manual(4)`, `MANUAL`, fit with max_epochs=3; the file is of the end of its 1st epoch,
  after 4 batches: 6 updates of the first optimizer and 4 of the second.
"""

import json
from pathlib import Path

import torch
from torch.utils.data import DataLoader, TensorDataset

from tests.integration.lightning.parts import CosineAnnealingCallback, pl

STEP = {"t_max": 20, "lr_min": 0.001, "interval": "step", "warmup": 2}
EPOCH = {"t_max": None, "cycles": 2, "peak_decay": 0.5, "interval": "epoch"}
MANUAL = {"t_max": 10, "interval": "step"}


class Model(pl.LightningModule):
    """One weight with gradient 1; `used` has the rates of each optimizer, update by update."""

    def __init__(self, batches):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.batches = batches
        self.used = [[]]

    def training_step(self, batch, batch_idx):
        return self.weight.sum()

    def on_before_optimizer_step(self, optimizer):
        self.used[0].append(float(optimizer.param_groups[0]["lr"]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def train_dataloader(self):
        return DataLoader(TensorDataset(torch.ones(self.batches, 1)))


class Manual(Model):
    """Two optimizers, one update each per batch, and one more of the first every second batch."""

    def __init__(self, batches):
        super().__init__(batches)
        self.automatic_optimization = False
        self.other = torch.nn.Parameter(torch.zeros(1))
        self.used = [[], []]

    def training_step(self, batch, batch_idx):
        first, second = self.optimizers()
        self.update(0, first)
        self.update(1, second)
        if batch_idx % 2 == 0:
            self.update(0, first)

    def update(self, index, optimizer):
        optimizer.zero_grad()
        self.manual_backward(self.weight.sum() + self.other.sum())
        self.used[index].append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()

    def on_before_optimizer_step(self, optimizer):
        pass

    def configure_optimizers(self):
        return [torch.optim.SGD([self.weight], lr=0.1), torch.optim.SGD([self.other], lr=0.01)]


class SaveAfterEpoch(pl.callbacks.Checkpoint):
    """Save at the end of one epoch; unlike ModelCheckpoint's, the file holds no path."""

    def __init__(self, epochs, path):
        self.epochs, self.path = epochs, path

    def on_train_epoch_end(self, trainer, pl_module):
        if trainer.current_epoch + 1 == self.epochs:
            trainer.save_checkpoint(self.path)


def fit(model, parameters, *callbacks, ckpt_path=None, **limits):
    """Train with our callback and the others, and return the Trainer."""
    trainer = pl.Trainer(
        callbacks=[CosineAnnealingCallback(**parameters), *callbacks],
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=bool(callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        **limits,
    )
    trainer.fit(model, ckpt_path=ckpt_path)
    return trainer


def uninterrupted(model, parameters, done, **limits):
    """Return each optimizer's rates in the whole run, without those of its first updates."""
    fit(model, parameters, **limits)
    return [used[first:] for used, first in zip(model.used, done, strict=True)]


def make(folder):
    """Write the checkpoints and checkpoints.json."""
    fit(Model(10), STEP, max_steps=5).save_checkpoint(folder / "step.ckpt")
    fit(Model(4), EPOCH, SaveAfterEpoch(3, folder / "epoch.ckpt"), max_epochs=8)
    fit(Manual(4), MANUAL, max_epochs=1).save_checkpoint(folder / "manual.ckpt")
    expected = {
        "step.ckpt": uninterrupted(Model(10), STEP, [5], max_steps=25),
        "epoch.ckpt": uninterrupted(Model(4), EPOCH, [12], max_epochs=8),
        "manual.ckpt": uninterrupted(Manual(4), MANUAL, [6, 4], max_epochs=3),
    }
    (folder / "checkpoints.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    make(Path(__file__).parent)
