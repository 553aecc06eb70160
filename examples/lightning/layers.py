"""Give each layer its own peak rate, and anneal all of them in proportion.

Run `python examples/lightning/layers.py`. Layers nearer to the input learn more slowly, by a factor
of 0.5 per layer, as in fine-tuning; `lr_min_ratio` gives each param group a floor in proportion to
its own peak. The exit status is 0 if every update of every layer used the formula's rate.
"""

from __future__ import annotations

import sys
from typing import Any

import lightning.pytorch as pl
import torch
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

from cosine_callbacks import CosineAnnealing
from cosine_callbacks.lightning import CosineAnnealingCallback

EPOCHS, BATCH_SIZE = 3, 32
PEAK, DECAY, FLOOR = 0.01, 0.5, 0.05


class Net(pl.LightningModule):
    """Three layers; records the rate of each at every update."""

    def __init__(self) -> None:
        """Build the layers, from the input to the output."""
        super().__init__()
        sizes = [(64, 64), (64, 32), (32, 10)]
        self.layers = torch.nn.ModuleList(torch.nn.Linear(*size) for size in sizes)
        self.peaks = [PEAK * DECAY ** (len(sizes) - 1 - k) for k in range(len(sizes))]
        self.used: list[list[float]] = []

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Make one param group per layer."""
        return torch.optim.AdamW(
            [
                {"params": layer.parameters(), "lr": peak}
                for layer, peak in zip(self.layers, self.peaks, strict=True)
            ]
        )

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """Record the rates and return the loss."""
        self.used.append([group["lr"] for group in self.optimizers().param_groups])
        x, y = batch
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return torch.nn.functional.cross_entropy(self.layers[-1](x), y)


def main() -> int:
    """Train and compare; return the exit status."""
    images, labels = load_digits(return_X_y=True)
    data = TensorDataset(torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(labels))
    trainer = pl.Trainer(
        max_epochs=EPOCHS,
        callbacks=[CosineAnnealingCallback(interval="step", warmup=0.1, lr_min_ratio=FLOOR)],
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    model = Net()
    trainer.fit(model, DataLoader(data, BATCH_SIZE))
    updates = len(model.used)
    right = True
    for k, peak in enumerate(model.peaks):
        schedule = CosineAnnealing(lr_initial=peak, t_max=updates, lr_min_ratio=FLOOR, warmup=0.1)
        used = [rates[k] for rates in model.used]
        right &= used == [schedule(e) for e in range(updates)]
        print(f"layer {k}: first {used[0]:.3e}, highest {max(used):.3e}, last {used[-1]:.3e}")
    print(f"{updates} updates of {len(model.peaks)} layers, as the formula: {right}")
    return int(not right)


if __name__ == "__main__":
    sys.exit(main())
