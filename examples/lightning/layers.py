"""Give each layer its own peak rate in YAML, and anneal all of them in proportion.

Run `python examples/lightning/layers.py`; override any value, e.g. `--model.optimizer.lr 0.02`. The
param groups stand in layers.yaml: layers nearer to the input learn more slowly. The exit status is
0 if every update of every group used the formula's rate.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.cli import LightningCLI, OptimizerCallable
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

from cosine_callbacks import CosineAnnealing


class Net(pl.LightningModule):
    """Three linear layers; records the rate of each param group at every update."""

    def __init__(self, optimizer: OptimizerCallable, groups: list[dict[str, Any]]) -> None:
        """Take what makes the optimizer, and for each group a module's name and its options."""
        super().__init__()
        self.optimizer, self.groups = optimizer, groups
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(64, 64),
            torch.nn.ReLU(),
            torch.nn.Linear(64, 32),
            torch.nn.ReLU(),
            torch.nn.Linear(32, 10),
        )
        self.used: list[list[float]] = []

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Make a param group of each module that is named, and one of the rest."""
        rest, groups = set(self.parameters()), []
        for group in self.groups:
            options = dict(group)
            params = list(self.get_submodule(options.pop("module")).parameters())
            groups.append({"params": params, **options})
            rest -= {*params}
        ordered = [each for each in self.parameters() if each in rest]
        return self.optimizer([*groups, {"params": ordered}])

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """Record the rates and return the loss."""
        self.used.append([group["lr"] for group in self.optimizers().param_groups])
        x, y = batch
        return torch.nn.functional.cross_entropy(self.layers(x), y)


def main() -> int:
    """Train and compare; return the exit status."""
    sys.argv[1:1] = ["--config", str(Path(__file__).with_name("layers.yaml"))]
    cli = LightningCLI(Net, run=False, save_config_callback=None, auto_configure_optimizers=False)
    images, labels = load_digits(return_X_y=True)
    data = TensorDataset(torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(labels))
    cli.trainer.fit(cli.model, DataLoader(data, batch_size=32))

    # What the YAML says, without the callback and the optimizer.
    model, curve = cli.config.model, cli.config.trainer.callbacks[0].init_args
    peaks = {group["module"]: group["lr"] for group in model.groups}
    peaks["the rest"] = model.optimizer.init_args.lr
    shape = {"lr_min_ratio": curve.lr_min_ratio, "warmup": curve.warmup}
    updates = len(cli.model.used)
    right = True
    for (name, peak), used in zip(peaks.items(), zip(*cli.model.used, strict=True), strict=True):
        schedule = CosineAnnealing(lr_initial=peak, t_max=updates, **shape)
        right &= list(used) == [schedule(e) for e in range(updates)]
        print(f"{name}: first {used[0]:.3e}, highest {max(used):.3e}, last {used[-1]:.3e}")
    print(f"{updates} updates of {len(peaks)} groups, as the formula: {right}")
    return int(not right)


if __name__ == "__main__":
    sys.exit(main())
