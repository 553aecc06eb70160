"""A program that kills a Lightning run."""

import importlib
import sys

import torch
from points import COMPLETED, HALF, REFUSED, run_matrix
from torch.utils.data import DataLoader, TensorDataset

FRAMEWORK, POINTS = sys.argv[2], int(sys.argv[3])
pl = importlib.import_module("lightning.pytorch" if FRAMEWORK == "lightning" else FRAMEWORK)
plugins = importlib.import_module(f"{pl.__name__}.plugins.io")
adapter = importlib.import_module(f"cosine_callbacks.{FRAMEWORK}")
EPOCHS, BATCHES = 4, 5
CASES = {
    "step": {"interval": "step", "t_max": 20, "lr_min": 0.001},
    "restarts": {"interval": "step", "t_max": 4, "warmup": 1, "cycles": None, "peak_decay": 0.5},
    "filled": {"interval": "step", "cycles": 2, "t_mult": 2},
    "epoch": {"interval": "epoch", "t_max": 2, "cycles": 2, "lr_min_ratio": 0.1},
}


class RecordingSGD(torch.optim.SGD):
    """Record the rate of each update."""

    note = None

    def step(self, closure=None):
        loss = closure()
        self.note(self.param_groups[0]["lr"])
        super().step()
        return loss


class Module(pl.LightningModule):
    """One weight."""

    def __init__(self, disk):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.disk = disk

    def training_step(self, batch, batch_idx):
        return self.weight.sum()

    def validation_step(self, batch, batch_idx):
        self.disk.event("validation")

    def configure_optimizers(self):
        optimizer = RecordingSGD(self.parameters(), lr=0.1)
        optimizer.note = lambda rate: self.disk.used(self.trainer.global_step, rate)
        return optimizer

    def train_dataloader(self):
        return DataLoader(TensorDataset(torch.ones(BATCHES, 1)))

    val_dataloader = train_dataloader


class Events(pl.Callback):
    """Report each hook."""

    def __init__(self, disk):
        for name in (
            "on_fit_start",
            "on_train_start",
            "on_train_epoch_start",
            "on_train_batch_start",
            "on_before_optimizer_step",
            "on_train_batch_end",
            "on_validation_end",
            "on_train_epoch_end",
            "on_save_checkpoint",
            "on_train_end",
        ):
            setattr(self, name, lambda *_, name=name: disk.event(name))


class RecordingCheckpointIO(plugins.TorchCheckpointIO):
    """Report the middle and the end of writing a checkpoint."""

    def __init__(self, disk):
        super().__init__()
        self.disk = disk

    def save_checkpoint(self, checkpoint, path, storage_options=None):
        super().save_checkpoint(checkpoint, path, storage_options)
        self.disk.event(HALF, self.disk.folder / path)
        self.disk.event("checkpoint")


def train(disk, case, forget):
    files = sorted(disk.folder.glob("*.ckpt"), key=lambda path: int(path.stem.partition("=")[2]))
    if forget:
        files.pop().unlink()
    trainer = pl.Trainer(
        max_epochs=EPOCHS,
        callbacks=[
            Events(disk),
            adapter.CosineAnnealingCallback(**case),
            pl.callbacks.ModelCheckpoint(
                disk.folder, filename="{step}", every_n_train_steps=3, save_top_k=-1
            ),
        ],
        plugins=[RecordingCheckpointIO(disk)],
        accelerator="cpu",
        devices=1,
        logger=False,
        num_sanity_val_steps=0,
        limit_val_batches=1,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    try:
        trainer.fit(Module(disk), ckpt_path=files[-1] if files else None)
    except RuntimeError as error:
        # What torch raises for half a file.
        if "PytorchStreamReader" not in str(error):
            raise
        return REFUSED
    return COMPLETED


run_matrix(train, CASES, POINTS)
