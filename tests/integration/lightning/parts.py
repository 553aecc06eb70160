"""Models and helpers for the Lightning tests: one weight, and a record of every rate used.

The same tests run against both Lightning packages; tox sets which one. Programs that run in a
separate process import this module as `parts`.
"""

import importlib
import os

import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

FRAMEWORK = os.environ.get("COSINE_CALLBACKS_FRAMEWORK", "lightning")
pl = importlib.import_module("lightning.pytorch" if FRAMEWORK == "lightning" else FRAMEWORK)
adapter = importlib.import_module(f"cosine_callbacks.{FRAMEWORK}")
CosineAnnealingCallback = adapter.CosineAnnealingCallback
# From 2.5 on Lightning no longer trains the batch again after which it was saved.
REPEATS_A_BATCH = tuple(map(int, pl.__version__.split(".")[:2])) < (2, 5)


def per_update(**options):
    return CosineAnnealingCallback(interval="step", **options)


class Model(pl.LightningModule):
    """One weight with gradient 1, so that under SGD it moves by the sum of the rates used.

    Attributes:
        used: (global_step, epoch, rates of all groups) of each update, in order.
    """

    def __init__(self, lr=0.1, *, batches=10, optimizer=torch.optim.SGD, scheduler=None, **options):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.lr, self.batches, self.optimizer, self.options = lr, batches, optimizer, options
        self.scheduler = scheduler
        self.used = []

    def training_step(self, batch, batch_idx):
        return self.weight.sum()

    def on_before_optimizer_step(self, optimizer):
        rates = [float(group["lr"]) for group in optimizer.param_groups]
        self.used.append((self.trainer.global_step, self.trainer.current_epoch, *rates))

    @property
    def rates(self):
        """The first group's rate at each update."""
        return self.column(0)

    def column(self, group):
        """The rates of one group, from the update on at which it was added."""
        return [used[2 + group] for used in self.used if len(used) > 2 + group]

    def configure_optimizers(self):
        return self.scheduled(self.optimizer(self.parameters(), lr=self.lr, **self.options))

    def scheduled(self, optimizer):
        if self.scheduler is None:
            return optimizer
        scheduler = {"scheduler": self.scheduler(optimizer), "interval": "step", "monitor": "loss"}
        return [optimizer], [scheduler]

    def train_dataloader(self):
        return DataLoader(TensorDataset(torch.ones(self.batches, 1)))


class Validated(Model):
    """With a validation loop, and a test loop."""

    def val_dataloader(self):
        return DataLoader(torch.zeros(2, 1))

    test_dataloader = val_dataloader

    def validation_step(self, batch, batch_idx):
        pass

    test_step = validation_step


class Backbone(Model):
    """With a layer that the optimizer does not have from the start, and a loss that is logged."""

    def __init__(self, lr=0.1, **options):
        super().__init__(lr, **options)
        self.backbone = torch.nn.Linear(4, 4)

    def training_step(self, batch, batch_idx):
        self.log("loss", 1.0)
        return self.backbone(torch.ones(1, 4)).sum() + self.weight.sum()

    def configure_optimizers(self):
        return self.optimizer([self.weight], lr=self.lr)


class Gan(Model):
    """Two optimizers with one weight each, some times updated at each batch (default: once).

    Attributes:
        by_optimizer: The rates of each optimizer, update by update; `used` is of the first.
    """

    automatic_optimization = False

    def __init__(self, *, times=(lambda _: 1, lambda _: 1), kind=torch.optim.SGD):
        super().__init__()
        self.other = torch.nn.Parameter(torch.zeros(1))
        self.times, self.kind, self.by_optimizer = times, kind, ([], [])

    def configure_optimizers(self):
        return [self.kind([self.weight], lr=0.1), self.kind([self.other], lr=0.01)]

    def training_step(self, batch, batch_idx):
        for index, times in enumerate(self.times):
            for _ in range(times(batch_idx)):
                optimizer = self.optimizers()[index]
                optimizer.zero_grad()
                self.manual_backward(self.weight.sum() + self.other.sum())
                self.by_optimizer[index].append(optimizer.param_groups[0]["lr"])
                optimizer.step()

    def on_before_optimizer_step(self, optimizer):
        if optimizer is self.trainer.optimizers[0]:
            super().on_before_optimizer_step(optimizer)


class Stream(IterableDataset):
    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(torch.ones(self.batches, 1))


class Streamed(Model):
    """The same data without a known length."""

    def train_dataloader(self):
        return DataLoader(Stream(self.batches))


def trainer(*callbacks, **options):
    """A quiet Trainer on the CPU."""
    quiet = {
        "accelerator": "cpu",
        "devices": 1,
        "logger": False,
        "enable_checkpointing": any(isinstance(c, pl.callbacks.Checkpoint) for c in callbacks),
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
    }
    return pl.Trainer(callbacks=[*callbacks], **{**quiet, **options})


def fit(model, *callbacks, ckpt_path=None, **options):
    """Train, and return the Trainer."""
    made = trainer(*callbacks, **options)
    made.fit(model, ckpt_path=ckpt_path)
    return made
