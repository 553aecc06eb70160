"""A program that kills `fit`, of Keras 3 on the backend that is set, or of tf.keras."""

import sys
from functools import partial
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "integration" / "fit"))

from parts import (
    BACKEND,
    DATA,
    LEGACY,
    CosineAnnealingCallback,
    compiled,
    fit,
    keras,
    rate_of,
    weight_of,
)
from points import BETWEEN, COMPLETED, END, HALF, REFUSED, run_matrix

from cosine_callbacks.keras import CosineAnnealingSchedule

# What h5py and, for tf_keras, TensorFlow raise for half a file.
DAMAGED = (OSError, KeyError)
if BACKEND == "tensorflow":
    import tensorflow as tf

    DAMAGED += (IndexError, tf.errors.OpError)
CASES = {
    "step": {"interval": "step", "t_max": 16, "lr_min": 0.001},
    "restarts": {"interval": "step", "t_max": 4, "warmup": 1, "cycles": None, "peak_decay": 0.5},
    "epoch": {"interval": "epoch", "cycles": 2, "lr_min_ratio": 0.1},
}
if not LEGACY:
    CASES["schedule"] = {"lr_initial": 0.1, "t_max": 16, "lr_min": 0.001, "warmup": 2}
PARTS = "train", "epoch", "train_batch", "test"
HOOKS = [f"on_{part}_{end}" for part in PARTS for end in ("begin", "end")]


class Events(keras.callbacks.Callback):
    """Report each hook, and record the rate that each batch is about to use."""

    def __init__(self, disk):
        super().__init__()
        self.disk = disk
        for hook in HOOKS:
            setattr(self, hook, partial(self.report, hook))

    def report(self, hook, index=None, logs=None):
        if hook == "on_epoch_begin":
            self.epoch = index
        elif hook == "on_train_batch_begin":
            self.disk.used([self.epoch, index], rate_of(self.model.optimizer))
        self.disk.event(hook)


class Backup(keras.callbacks.BackupAndRestore):
    """Report the middle and the end of writing a backup."""

    def __init__(self, disk):
        super().__init__(str(disk.folder / "backup"))
        self.disk = disk

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        files = [file for file in (self.disk.folder / "backup").rglob("*") if file.is_file()]
        weights = [max(files, key=lambda file: file.stat().st_size)] if files else []
        self.disk.event(HALF, *weights)
        self.disk.event("backup")


class Model(keras.Sequential):
    """Report the point between the two files of a backup: the weights and the epoch."""

    def save_weights(self, *arguments, **options):
        super().save_weights(*arguments, **options)
        self.between()


def train(disk, case, forget):
    if forget:
        for file in sorted((disk.folder / "backup").rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
    backup = Backup(disk)
    if "lr_initial" in case:
        rate, callbacks = CosineAnnealingSchedule(**case), [backup]
    else:
        rate, callbacks = 0.1, [CosineAnnealingCallback(**case), backup]
    if case.get("interval") == "epoch":
        callbacks.reverse()
    model = compiled(keras.optimizers.SGD(rate), kind=Model)
    # Not for a schedule: killed there, the optimizer's count is an epoch ahead (a known limit).
    model.between = lambda: rate == 0.1 and disk.event(BETWEEN)
    callbacks.append(Events(disk))
    try:
        fit(model, *callbacks, data=DATA[:4], epochs=4, validation_data=(DATA[:1], DATA[:1]))
    except DAMAGED:
        return REFUSED
    disk.used(END, weight_of(model))
    return COMPLETED


run_matrix(train, CASES, int(sys.argv[2]))
