"""Record what Lightning calls around its epochs, in real runs; run it once for each version.

    python tests/unit/hook_orders/record.py

Each run is a list of fits, each fit a line of what `_trainer/epochs.py` counts: "fit" begins;
"epoch" begins, "within" where Lightning resumes within one; a number is the batch that begins; "."
ends a batch and "!" the last one; "end" ends the epoch; from "save" the next fit goes on.
"""

import json
import logging
import tempfile
import warnings
from pathlib import Path

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

BATCHES = 4


class Stream(IterableDataset):
    def __iter__(self):
        return iter(torch.ones(BATCHES, 1))


class Model(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch, batch_idx):
        return self.weight.sum()

    def validation_step(self, batch, batch_idx):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Recorder(pl.callbacks.Checkpoint):
    """Lightning calls it last, as it does ModelCheckpoint."""

    def __init__(self, path, where, step):
        self.path, self.save_in, self.step, self.events = path, where, step, []

    def note(self, trainer, hook, event):
        self.events.append(event)
        # Some versions do an update more when they resume.
        if hook == self.save_in and trainer.global_step >= self.step:
            self.save_in = ""
            self.events.append("save")
            trainer.save_checkpoint(self.path)

    def on_train_start(self, trainer, pl_module):
        self.note(trainer, "fit", "fit")

    def on_train_epoch_start(self, trainer, pl_module):
        within = trainer.fit_loop.epoch_loop.restarting
        self.note(trainer, "epoch", "within" if within else "epoch")

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.note(trainer, "batch", str(batch_idx))

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.note(trainer, "done", "!" if trainer.is_last_batch else ".")

    def on_validation_end(self, trainer, pl_module):
        self.note(trainer, "validated", "validated")

    def on_train_epoch_end(self, trainer, pl_module):
        self.note(trainer, "end", "end")


# For each fit of a run its limits, the hook that saves, and the updates then done. The name says
# which data have no length, and which runs have a validation loop.
EPOCHS, STEPS, BOTH = {"max_epochs": 3}, {"max_steps": 12}, {"max_epochs": 3, "max_steps": 12}
RUNS = {
    "straight": [(EPOCHS, "", 0)],
    "mid-epoch": [(EPOCHS, "done", 5), (EPOCHS, "", 0)],
    "before a batch": [(EPOCHS, "batch", 5), (EPOCHS, "", 0)],
    "last batch": [(EPOCHS, "done", 4), (EPOCHS, "", 0)],
    "last batch, twice": [(EPOCHS, "done", 4), (EPOCHS, "done", 8), (EPOCHS, "", 0)],
    "last batch, max_steps": [(STEPS, "done", 4), (STEPS, "", 0)],
    "epoch end": [(EPOCHS, "end", 4), (EPOCHS, "", 0)],
    "epoch end, max_steps": [(STEPS, "end", 4), (STEPS, "", 0)],
    "epoch end, both limits": [(BOTH, "end", 4), (BOTH, "", 0)],
    "epoch end, max_steps, twice": [(STEPS, "end", 4), (STEPS, "end", 9), (STEPS, "", 0)],
    "epoch end, max_steps, validated": [(STEPS, "end", 4), (STEPS, "", 0)],
    "validation, max_steps": [(STEPS, "validated", 4), (STEPS, "", 0)],
    "validation": [(EPOCHS, "validated", 4), (EPOCHS, "", 0)],
    "cut by max_steps": [({"max_steps": 6}, "end", 6), ({"max_steps": 14}, "", 0)],
    "stream": [(EPOCHS, "", 0)],
    "stream, mid-epoch": [(EPOCHS, "done", 5), (EPOCHS, "", 0)],
    "stream, last batch": [(EPOCHS, "done", 4), (EPOCHS, "", 0)],
    "stream, epoch end, max_steps": [(STEPS, "end", 4), (STEPS, "", 0)],
    "epoch start": [(EPOCHS, "epoch", 4), (EPOCHS, "", 0)],
}


def record(folder, name, fits):
    checkpoint, recorded = None, []
    data = Stream() if name.startswith("stream") else TensorDataset(torch.ones(BATCHES, 1))
    validation = DataLoader(torch.ones(1, 1)) if "validat" in name else None
    for limits, where, step in fits:
        path = Path(folder, f"{len(recorded)}.ckpt")
        recorder = Recorder(path, where, step)
        trainer = pl.Trainer(
            callbacks=[recorder],
            accelerator="cpu",
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            **limits,
        )
        trainer.fit(Model(), DataLoader(data), validation, ckpt_path=checkpoint)
        checkpoint = path
        recorded.append(" ".join(recorder.events))
    return recorded


def main():
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        runs = {name: record(folder, name, fits) for name, fits in RUNS.items()}
    path = Path(__file__).with_name(f"lightning_{pl.__version__}.json")
    path.write_text(json.dumps(runs, indent=1) + "\n")


if __name__ == "__main__":
    main()
