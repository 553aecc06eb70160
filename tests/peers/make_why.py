"""Make docs/pictures/why.json, the rates that the pictures of docs/why.md draw.

Run `python -m tests.peers.make_why` from the top of the checkout. Nothing is computed here: the
rates are those that torch, Keras, Lightning and we give, or that an optimizer used.
"""

import json
import tempfile
from functools import partial
from pathlib import Path

import keras
import torch
from keras.optimizers.schedules import CosineDecay
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.demos.boring_classes import BoringModel, RandomDataset
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader

from cosine_callbacks import CosineAnnealing
from cosine_callbacks.keras import CosineAnnealingSchedule
from cosine_callbacks.lightning import CosineAnnealingCallback

RATES = Path(__file__).parents[2] / "docs" / "pictures" / "why.json"
PEAK = 0.1


def end():
    """Return the rates of 40 epochs where t_max is 20."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    theirs, scheduler = [], CosineAnnealingLR(optimizer, T_max=20)
    for _ in range(40):
        theirs.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    schedule = CosineAnnealing(lr_initial=PEAK, t_max=20)
    return {"theirs": theirs, "ours": [schedule(e) for e in range(40)]}


def tail():
    """Return the rates of the last 300 of a million updates."""
    steps = keras.ops.arange(10**6 - 300, 10**6)
    theirs = CosineDecay(PEAK, 10**6)
    ours = CosineAnnealingSchedule(lr_initial=PEAK, t_max=10**6)
    return {"theirs": [float(theirs(e)) for e in steps], "ours": [float(ours(e)) for e in steps]}


class Model(BoringModel):
    def __init__(self, built_in):
        super().__init__()
        self.built_in = built_in

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=PEAK)
        if not self.built_in:
            return optimizer
        scheduler = CosineAnnealingLR(optimizer, T_max=self.trainer.estimated_stepping_batches)
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]


class Rates(Callback):
    """Note the rate of each update, and leave after some epochs as if the run were killed."""

    def __init__(self, epochs):
        self.epochs, self.used = epochs, []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.used.append(optimizer.param_groups[0]["lr"])

    def on_train_epoch_end(self, trainer, pl_module):
        if trainer.current_epoch + 1 == self.epochs:
            trainer.save_checkpoint(Path(trainer.default_root_dir) / "killed.ckpt")
            raise KeyboardInterrupt


def resumed(*, built_in):
    """Return the rates of 10 epochs that are killed after 4 and go on with twice the batch size."""
    used = []
    with tempfile.TemporaryDirectory() as folder:
        for batch_size, epochs, checkpoint in (16, 4, None), (32, 0, f"{folder}/killed.ckpt"):
            rates = Rates(epochs)
            trainer = Trainer(
                accelerator="cpu",
                max_epochs=10,
                callbacks=[rates]
                if built_in
                else [rates, CosineAnnealingCallback(interval="step")],
                default_root_dir=folder,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                limit_val_batches=0,
            )
            data = DataLoader(RandomDataset(32, 320), batch_size=batch_size)
            try:
                trainer.fit(Model(built_in), data, ckpt_path=checkpoint)
            except (KeyboardInterrupt, SystemExit):
                assert epochs
            used += rates.used
    return used


def resume():
    """Return the rates of each update of a resumed run."""
    return {"theirs": resumed(built_in=True), "ours": resumed(built_in=False)}


def pictures():
    """Return the rates of each picture, to the digits that float32 has."""
    made = {"end": end(), "tail": tail(), "resume": resume()}
    digits = partial(map, lambda rate: float(f"{rate:.7g}"))
    return {
        name: {side: [*digits(rates)] for side, rates in sides.items()}
        for name, sides in made.items()
    }


if __name__ == "__main__":
    RATES.write_text(json.dumps(pictures()) + "\n")
