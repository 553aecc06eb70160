"""Train a small network on handwritten digits with the learning rate that config.yaml describes.

Run `python examples/lightning/train.py`; override any value, e.g. `--trainer.max_epochs 12` or
`--trainer.default_root_dir elsewhere`, or give your own file with `--config`.
The exit status is 0 if every update used the formula's rate and the network learns the digits.
"""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import matplotlib as mpl
import torch
from lightning.pytorch.callbacks import TQDMProgressBar
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

LEAST_ACCURACY = 0.93


class Digits(pl.LightningDataModule):
    """The 1,797 digits of 8x8 pixels that come with scikit-learn."""

    def __init__(self, batch_size: int = 32) -> None:
        """Split them into 60 % training, 20 % validation and 20 % test images."""
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
        """Build the layers; lr is the optimizer's rate, the peak of the curve."""
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
        self.updates: list[tuple[int, float]] = []  # epoch and rate used
        self.validations: list[tuple[int, float]] = []  # number of updates before it, and accuracy

    def configure_optimizers(self) -> Optimizer:
        """No scheduler here: the callback drives the rate."""
        return torch.optim.Adam(self.parameters(), lr=self.lr)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Show the rate in the progress bar."""
        x, y = batch
        self.log("lr", self.optimizers().param_groups[0]["lr"], prog_bar=True)
        return nn.functional.cross_entropy(self.layers(x), y)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Record the rate that this update uses."""
        self.updates.append((self.current_epoch, optimizer.param_groups[0]["lr"]))

    def accuracy(self, batch: tuple[Tensor, Tensor]) -> float:
        """Return the fraction of the batch that is classified correctly."""
        x, y = batch
        return float((self.layers(x).argmax(1) == y).float().mean())

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Record the accuracy after this epoch."""
        self.validations.append((len(self.updates), self.accuracy(batch)))
        self.log("val_acc", self.validations[-1][1], prog_bar=True)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log the accuracy on the test images."""
        self.log("test_acc", self.accuracy(batch))


def formula(written: dict[str, Any], lr: float, epochs: list[int]) -> tuple[list[float], float]:
    """Return each update's rate, and the floor, computed from the YAML without the callback."""
    interval, t_max, peak = (written.pop(name) for name in ("interval", "t_max", "lr_initial"))
    del written["optimizers"]
    positions = epochs if interval == "epoch" else range(len(epochs))
    whole = positions[-1] + 1
    if isinstance(t_max, float):
        t_max = max(1, round(t_max * whole))
    schedule = CosineAnnealing(lr_initial=peak or lr, t_max=t_max or whole, **written)
    floor = schedule.lr_min or (schedule.lr_min_ratio or 0.0) * schedule.lr_initial
    return [schedule(e) for e in positions], floor


def report(model: Net, used: list[float], rates: list[float], floor: float, picture: Path) -> None:
    """Print a row for the last update of each epoch, and plot every update."""
    print("\nepoch   update   rate used     formula       validation accuracy")
    for done, accuracy in model.validations:
        e, epoch = done - 1, model.updates[done - 1][0]
        print(f"{epoch:5}   {e:6}   {used[e]:.5e}   {rates[e]:.5e}   {accuracy:19.3f}")
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    if warm := rates.index(max(rates)):
        axes.axvspan(0, warm, color="0.92", label="warmup")
    axes.axhline(floor, color="0.4", linewidth=1, linestyle=":", label="floor")
    axes.plot(used, linewidth=5, alpha=0.4, label="used by the optimizer")
    axes.plot(rates, linewidth=1, color="black", label="formula")
    axes.set(xlabel="optimizer update", ylabel="learning rate", ylim=(0, None), xlim=(0, None))
    axes.set_title("The learning rate of this run")
    axes.legend()
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=120)


def main() -> int:
    """Train, test and compare; return the exit status."""
    # So small a network trains faster in one thread.
    torch.set_num_threads(1)
    # Hide Lightning's messages about hardware and its own code.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*isinstance\\(treespec, LeafSpec\\)")
    # Only a terminal can redraw a line; in a file the bar would fill pages.
    bar = TQDMProgressBar(refresh_rate=10 if sys.stdout.isatty() else 0)
    # As a parser default it would be merged with the user's file, which could not leave a key out.
    if not {"-c", "--config"} & {argument.partition("=")[0] for argument in sys.argv}:
        sys.argv[1:1] = ["--config", str(Path(__file__).with_name("config.yaml"))]
    cli = LightningCLI(
        Net,
        Digits,
        run=False,
        save_config_callback=None,
        trainer_defaults={"callbacks": bar},
        auto_configure_optimizers=False,
    )
    written = next(c.init_args for c in cli.config.trainer.callbacks if "Cosine" in c.class_path)
    if written.t_max is None and written.cycles != 1:
        sys.exit("this comparison lays out no cycles that fill the run: give t_max, too")
    cli.trainer.fit(cli.model, cli.datamodule)
    (result,) = cli.trainer.test(cli.model, cli.datamodule, verbose=False)
    epochs, used = map(list, zip(*cli.model.updates, strict=True))
    rates, floor = formula(written.as_dict(), cli.model.lr, epochs)
    picture = Path(cli.trainer.default_root_dir, "curve.png")
    report(cli.model, used, rates, floor, picture)
    equal = sum(a == b for a, b in zip(used, rates, strict=True))
    print(f"\nrates equal to the formula to the last bit: {equal} of {len(used)}")
    print(f"test accuracy: {result['test_acc']:.3f}, at least {LEAST_ACCURACY} is asked for")
    print(f"curve: {picture}")
    if cli.trainer.logger:
        print(f"log: {cli.trainer.log_dir}")
    return int(equal < len(used) or result["test_acc"] < LEAST_ACCURACY)


if __name__ == "__main__":
    sys.exit(main())
