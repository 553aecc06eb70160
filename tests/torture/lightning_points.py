"""A program that kills a Lightning run."""

import importlib
import sys
from pathlib import Path

from points import COMPLETED, HALF, REFUSED, run_matrix

sys.path.append(str(Path(__file__).parents[1] / "integration" / "lightning"))
from parts import CosineAnnealingCallback, Validated, fit, pl

plugins = importlib.import_module(f"{pl.__name__}.plugins.io")
CASES = {
    "step": {"interval": "step", "t_max": 20, "lr_min": 0.001},
    "restarts": {"interval": "step", "t_max": 4, "warmup": 1, "cycles": None, "peak_decay": 0.5},
    "filled": {"interval": "step", "cycles": 2, "t_mult": 2},
    "epoch": {"interval": "epoch", "t_max": 2, "cycles": 2, "lr_min_ratio": 0.1},
}
HOOKS = (
    "on_fit_start on_train_start on_train_epoch_start on_train_batch_start "
    "on_before_optimizer_step on_train_batch_end on_validation_end on_train_epoch_end "
    "on_save_checkpoint on_train_end"
)


class Recorded(Validated):
    """Report each validation step, and record the rate of each update."""

    def __init__(self, disk):
        super().__init__(batches=5)
        self.disk = disk

    def validation_step(self, batch, batch_idx):
        self.disk.event("validation")

    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure):
        def noted():
            loss = optimizer_closure()
            self.disk.used(self.trainer.global_step, optimizer.param_groups[0]["lr"])
            return loss

        optimizer.step(closure=noted)


class Events(pl.Callback):
    """Report each hook."""

    def __init__(self, disk):
        for name in HOOKS.split():
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
    saver = pl.callbacks.ModelCheckpoint(
        disk.folder, filename="{step}", every_n_train_steps=3, save_top_k=-1
    )
    try:
        fit(
            Recorded(disk),
            Events(disk),
            CosineAnnealingCallback(**case),
            saver,
            ckpt_path=files[-1] if files else None,
            plugins=[RecordingCheckpointIO(disk)],
            limit_val_batches=1,
            max_epochs=4,
        )
    except RuntimeError as error:
        # What torch raises for half a file.
        if "PytorchStreamReader" not in str(error):
            raise
        return REFUSED
    return COMPLETED


run_matrix(train, CASES, int(sys.argv[2]))
