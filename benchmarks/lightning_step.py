"""What does a training step in Lightning cost more? With our callback, against the built-in."""

from __future__ import annotations

import logging
import warnings
from functools import partial
from itertools import pairwise
from time import perf_counter
from typing import Any

import lightning.pytorch as pl
import torch
from harness import Row, alternate, lower_quartile
from torch.optim.lr_scheduler import CosineAnnealingLR

from cosine_callbacks.lightning import CosineAnnealingCallback

T_MAX, LR_MIN = 10**6, 1e-5
# Over an empty callback, of what the built-in scheduler adds, by the number of groups; and how many
# fits of each kind find that.
CASES = {1: (0.5, 12), 10: (0.4, 12), 500: (0.3, 4)}
MOST_OVER_NONE = 1.0


class Still(torch.optim.SGD):
    """An optimizer that computes the loss and moves nothing: its work is not what we measure."""

    def step(self, closure: Any = None) -> Any:
        """Compute the loss."""
        return closure()


class Module(pl.LightningModule):
    """A model that notes when each of its steps begins."""

    def __init__(self, groups: int, *, scheduled: bool) -> None:
        """Take the number of param groups, and whether they have a scheduler."""
        super().__init__()
        self.weights = torch.nn.ParameterList(torch.zeros(1) for _ in range(groups))
        self.scheduled = scheduled
        self.began: list[float] = []

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """Note the time."""
        self.began.append(perf_counter())
        return self.weights[0].sum()

    def configure_optimizers(self) -> Any:
        """Return the optimizer, with the scheduler if that is wanted."""
        groups = [{"params": [w], "lr": 0.1 + k / 1024} for k, w in enumerate(self.weights)]
        optimizer = Still(groups)
        if not self.scheduled:
            return optimizer
        scheduler = CosineAnnealingLR(optimizer, T_MAX, LR_MIN)
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]


def fit(groups: int, steps: int, *callbacks: type[pl.Callback], scheduled: bool = False) -> float:
    """Return the time of the fastest step of a fit: others may be using the machine."""
    module = Module(groups, scheduled=scheduled)
    made = [callback() for callback in callbacks]
    trainer = pl.Trainer(max_epochs=1, callbacks=made, accelerator="cpu", devices=1, barebones=True)
    trainer.fit(module, range(steps))
    return min(after - before for before, after in pairwise(module.began))


def measure(*, quick: bool) -> list[Row]:
    """Return what our callback adds to a step, as a fraction of what the built-in adds."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    callback = partial(CosineAnnealingCallback, t_max=T_MAX, lr_min=LR_MIN, interval="step")
    rows = []
    for groups, (most, passes) in CASES.items():
        run = partial(fit, groups, 3 if quick else 200)
        timers = [run, partial(run, pl.Callback), partial(run, callback)]
        timers.append(partial(run, scheduled=True))
        # What we look for is less than two fits differ by, depending on where their objects lie:
        # not the luckiest of them.
        size = (1, 2) if quick else (3, passes)
        rounds = alternate(timers, *size, best=lower_quartile)
        over_empty = [(ours - empty) / (theirs - bare) for bare, empty, ours, theirs in rounds]
        over_none = [(ours - bare) / (theirs - bare) for bare, _, ours, theirs in rounds]
        what = f"Lightning step, {groups} group{'s' * (groups > 1)}"
        against = "`CosineAnnealingLR` over no scheduler"
        rows += [
            Row(f"{what}, over an empty callback", against, over_empty, most),
            Row(f"{what}, over no callback", against, over_none, MOST_OVER_NONE),
        ]
    return rows
