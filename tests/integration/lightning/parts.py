"""Model and helpers for the Lightning tests: one weight, and a record of every rate used.

The same tests run against both Lightning packages; tox sets which one.
"""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader, TensorDataset

FRAMEWORK = os.environ.get("COSINE_CALLBACKS_FRAMEWORK", "lightning")
pl = importlib.import_module("lightning.pytorch" if FRAMEWORK == "lightning" else FRAMEWORK)
adapter = importlib.import_module(f"cosine_callbacks.{FRAMEWORK}")
CosineAnnealingCallback = adapter.CosineAnnealingCallback


class Model(pl.LightningModule):
    """One weight with gradient 1, so that under SGD it moves by the sum of the rates used.

    Attributes:
        used: (global_step, epoch, rates of all groups) of each update, in order.
    """

    def __init__(self, lr=0.1, *, batches=10, optimizer=torch.optim.SGD, **options):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.lr, self.batches, self.optimizer, self.options = lr, batches, optimizer, options
        self.used = []

    def training_step(self, batch, batch_idx):
        return self.weight.sum()

    def on_before_optimizer_step(self, optimizer):
        rates = [float(group["lr"]) for group in optimizer.param_groups]
        self.used.append((self.trainer.global_step, self.trainer.current_epoch, *rates))

    @property
    def rates(self):
        """The first group's rate at each update."""
        return [used[2] for used in self.used]

    def configure_optimizers(self):
        return self.optimizer(self.parameters(), lr=self.lr, **self.options)

    def train_dataloader(self):
        return DataLoader(TensorDataset(torch.ones(self.batches, 1)))


def trainer(*callbacks, **options):
    """A quiet Trainer on the CPU."""
    quiet = {
        "accelerator": "cpu",
        "devices": 1,
        "logger": False,
        "enable_checkpointing": any(isinstance(c, pl.callbacks.Checkpoint) for c in callbacks),
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return pl.Trainer(callbacks=[*callbacks], **{**quiet, **options})


def fit(model, *callbacks, ckpt_path=None, **options):
    """Train, and return the Trainer."""
    made = trainer(*callbacks, **options)
    made.fit(model, ckpt_path=ckpt_path)
    return made


def run_program(name, *arguments):
    """Run one of the programs in this folder, which import this module as `parts`.

    The new process, too, imports the installed package and not the checkout.
    """
    here, path = Path(__file__).parent, filter(None, [os.environ.get("PYTHONPATH")])
    done = subprocess.run(
        [sys.executable, here / name, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here), *path])},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
