"""A program that kills `fit`, of Keras 3 on the backend that is set, or of tf.keras."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "integration" / "fit"))

import numpy as np
from parts import BACKEND, LEGACY, CosineAnnealingCallback, keras, rate_of, targets
from points import BETWEEN, COMPLETED, END, HALF, REFUSED, run_matrix

# What h5py and, for tf_keras, TensorFlow raise for half a file.
DAMAGED = (OSError, KeyError)
if BACKEND == "tensorflow":
    import tensorflow as tf

    DAMAGED += (IndexError, tf.errors.OpError)
EPOCHS, BATCHES = 4, 4
CASES = {
    "step": {"interval": "step", "t_max": 16, "lr_min": 0.001},
    "restarts": {"interval": "step", "t_max": 4, "warmup": 1, "cycles": None, "peak_decay": 0.5},
    "epoch": {"interval": "epoch", "cycles": 2, "lr_min_ratio": 0.1},
}
if not LEGACY:
    CASES["schedule"] = {"lr_initial": 0.1, "t_max": 16, "lr_min": 0.001, "warmup": 2}


class Events(keras.callbacks.Callback):
    """Report each hook, and record the rate that each batch is about to use."""

    def __init__(self, disk):
        super().__init__()
        self.disk, self.epoch = disk, 0

    def on_train_begin(self, logs=None):
        self.disk.event("on_train_begin")

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        self.disk.event("on_epoch_begin")

    def on_train_batch_begin(self, batch, logs=None):
        self.disk.used([self.epoch, batch], rate_of(self.model.optimizer))
        self.disk.event("on_train_batch_begin")

    def on_train_batch_end(self, batch, logs=None):
        self.disk.event("on_train_batch_end")

    def on_test_end(self, logs=None):
        self.disk.event("validation")

    def on_epoch_end(self, epoch, logs=None):
        self.disk.event("on_epoch_end")

    def on_train_end(self, logs=None):
        self.disk.event("on_train_end")


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
        from cosine_callbacks.keras import CosineAnnealingSchedule

        rate, callbacks = CosineAnnealingSchedule(**case), [backup]
    else:
        rate, callbacks = 0.1, [CosineAnnealingCallback(**case), backup]
    if case.get("interval") == "epoch":
        callbacks.reverse()
    weight = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = Model([keras.Input((1,)), weight])
    # Not for a schedule: killed there, the optimizer's count is an epoch ahead (a known limit).
    model.between = lambda: rate == 0.1 and disk.event(BETWEEN)
    model.compile(keras.optimizers.SGD(rate), loss="mae")
    ones = np.ones((BATCHES, 1), "float32")
    try:
        model.fit(
            ones,
            targets(ones),
            batch_size=1,
            epochs=EPOCHS,
            validation_data=(ones[:1], ones[:1]),
            callbacks=[*callbacks, Events(disk)],
            verbose=0,
        )
    except DAMAGED:
        return REFUSED
    disk.used(END, model.get_weights()[0].item())
    return COMPLETED


run_matrix(train, CASES, int(sys.argv[2]))
