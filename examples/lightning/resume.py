"""Kill a training run in the middle of an epoch, resume it, and compare the rates.

Run `python examples/lightning/resume.py`. The program starts itself twice: the first run is
killed by SIGKILL, the second continues from the last checkpoint. The exit status is 0 if the two
used exactly the rates of an uninterrupted run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

from cosine_callbacks import CosineAnnealing
from cosine_callbacks.lightning import CosineAnnealingCallback

EPOCHS, BATCH_SIZE, SAVE_EVERY = 3, 32, 10
PEAK, FLOOR = 0.01, 1e-4


class Net(pl.LightningModule):
    """A linear classifier of digits that writes the rate of each update to a file."""

    def __init__(self, rates: Path, dies_at: int) -> None:
        """Take the file, and the update before which to die; -1 for never."""
        super().__init__()
        self.layer = torch.nn.Linear(64, 10)
        self.file, self.dies_at = rates, dies_at

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """No scheduler here: the callback drives the rate."""
        return torch.optim.Adam(self.parameters(), lr=PEAK)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """Die, or record the rate and return the loss."""
        update = self.trainer.global_step
        if update == self.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        with self.file.open("a") as file:
            print(update, self.optimizers().param_groups[0]["lr"], file=file)
        x, y = batch
        return torch.nn.functional.cross_entropy(self.layer(x), y)


def train(folder: Path, dies_at: int) -> None:
    """Train, continuing from the last checkpoint in the folder if there is one."""
    images, labels = load_digits(return_X_y=True)
    data = TensorDataset(torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(labels))
    trainer = pl.Trainer(
        max_epochs=EPOCHS,
        callbacks=[
            CosineAnnealingCallback(interval="step", warmup=0.1, lr_min=FLOOR),
            ModelCheckpoint(folder, save_last=True, every_n_train_steps=SAVE_EVERY),
        ],
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
    )
    last = folder / "last.ckpt"
    trainer.fit(
        Net(folder / "rates.txt", dies_at),
        DataLoader(data, BATCH_SIZE),
        ckpt_path=last if last.exists() else None,
    )


def main() -> int:
    """Train twice, each time in a new process, and compare; return the exit status."""
    updates = EPOCHS * -(-len(load_digits().target) // BATCH_SIZE)
    dies_at = updates // 2 + 1
    with tempfile.TemporaryDirectory() as folder:
        for death in (dies_at, -1):
            program = [sys.executable, __file__, folder, str(death)]
            died = subprocess.run(program, check=False).returncode
            print(f"the run ended with status {died}")
        lines = [line.split() for line in Path(folder, "rates.txt").read_text().splitlines()]
    # Updates after the last checkpoint were lost with the first process and are done again.
    used = {int(update): float(rate) for update, rate in lines}
    schedule = CosineAnnealing(lr_initial=PEAK, t_max=updates, lr_min=FLOOR, warmup=0.1)
    equal = sum(used.get(e) == schedule(e) for e in range(updates))
    again = len(lines) - len(used)
    print(f"killed before update {dies_at}; {again} updates were done again by the second run")
    print(f"rates equal to the formula to the last bit: {equal} of {updates}")
    return int(equal < updates or len(used) > updates or died != 0)


if __name__ == "__main__":
    if sys.argv[1:]:
        train(Path(sys.argv[1]), int(sys.argv[2]))
    else:
        sys.exit(main())
