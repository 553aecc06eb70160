"""Train a small network on real handwritten digits under the curve that config.yaml describes.

Run `python examples/lightning/train.py`; override any value, e.g. `--trainer.max_epochs 3`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import matplotlib as mpl
import torch
from lightning.pytorch.cli import LightningCLI
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from cosine_callbacks import CosineAnnealing

if TYPE_CHECKING:
    from torch.optim import Optimizer

mpl.use("Agg")
from matplotlib import pyplot as plt

PICTURE = Path("demo_output/curve.png")
LEAST_ACCURACY = 0.93


class Digits(pl.LightningDataModule):
    """The 1,797 digits of 8x8 pixels that come with scikit-learn."""

    def __init__(self, batch_size: int = 32) -> None:
        """Split them into 60 % training, 20 % validation and 20 % test images.

        Args:
            batch_size: Images per batch.
        """
        super().__init__()
        self.batch_size = batch_size
        images, labels = load_digits(return_X_y=True)
        x = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
        y = torch.tensor(labels)
        train, rest = train_test_split(range(len(y)), test_size=0.4, stratify=y, random_state=0)
        val, test = train_test_split(rest, test_size=0.5, stratify=y[rest], random_state=0)
        self.train, self.val, self.test = (TensorDataset(x[i], y[i]) for i in (train, val, test))

    def train_dataloader(self) -> DataLoader[Any]:
        """Shuffle the training images."""
        return DataLoader(self.train, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        """All validation images at once."""
        return DataLoader(self.val, len(self.val))

    def test_dataloader(self) -> DataLoader[Any]:
        """All test images at once."""
        return DataLoader(self.test, len(self.test))


class Net(pl.LightningModule):
    """Two convolutions and a linear layer."""

    def __init__(self, lr: float = 0.003) -> None:
        """Build the layers.

        Args:
            lr: The optimizer's rate: the peak of the curve.
        """
        super().__init__()
        self.lr = lr
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(512, 10),
        )
        self.rates: list[float] = []
        self.accuracies: list[float] = []

    def configure_optimizers(self) -> Optimizer:
        """No scheduler here: the callback drives the rate."""
        return torch.optim.Adam(self.parameters(), lr=self.lr)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Show the rate in the progress bar."""
        x, y = batch
        self.log("lr", self.optimizers().param_groups[0]["lr"], prog_bar=True)
        return nn.functional.cross_entropy(self.layers(x), y)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Note the rate that this update uses."""
        self.rates.append(optimizer.param_groups[0]["lr"])

    def accuracy(self, batch: tuple[Tensor, Tensor]) -> float:
        """Return the part of the batch that is recognized."""
        x, y = batch
        return float((self.layers(x).argmax(1) == y).float().mean())

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Note the accuracy of this epoch."""
        self.accuracies.append(self.accuracy(batch))
        self.log("val_acc", self.accuracies[-1], prog_bar=True)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Report the accuracy on images never seen."""
        self.log("test_acc", self.accuracy(batch))


def report(used: list[float], formula: list[float], accuracies: list[float]) -> None:
    """Print a row per epoch, and save the picture of the curve used."""
    per_epoch = len(used) // len(accuracies)
    print("\nepoch   rate used   formula     val. accuracy   (rates of each epoch's last update)")
    for epoch, accuracy in enumerate(accuracies):
        last = (epoch + 1) * per_epoch - 1
        print(f"{epoch:5}   {used[last]:.3e}   {formula[last]:.3e}   {accuracy:13.3f}")
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    axes.plot(used, linewidth=5, alpha=0.4, label="used by the optimizer")
    axes.plot(formula, linewidth=1, color="black", label="formula")
    axes.set(xlabel="optimizer update", ylabel="learning rate", ylim=(0, None), xlim=(0, None))
    axes.set_title("The learning rate of this run")
    axes.legend()
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=120)


def main() -> int:
    """Train, test and compare; return the exit status."""
    default = str(Path(__file__).with_name("config.yaml"))
    cli = LightningCLI(
        Net,
        Digits,
        run=False,
        save_config_callback=None,
        parser_kwargs={"default_config_files": [default]},
    )
    cli.trainer.fit(cli.model, cli.datamodule)
    used = cli.model.rates
    written = next(c.init_args for c in cli.config.trainer.callbacks if "Cosine" in c.class_path)
    schedule = CosineAnnealing(cli.model.lr, len(used), written.lr_min, warmup=written.warmup)
    formula = [schedule(e) for e in range(len(used))]
    report(used, formula, cli.model.accuracies)
    (result,) = cli.trainer.test(cli.model, cli.datamodule, verbose=False)
    accuracy = result["test_acc"]
    print(f"\ntest accuracy {accuracy:.3f}; {len(used)} updates, curve in {PICTURE}")
    if used != formula:
        print("a rate differs from the formula", file=sys.stderr)
    return int(used != formula or accuracy < LEAST_ACCURACY)


if __name__ == "__main__":
    sys.exit(main())
