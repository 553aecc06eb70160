"""A program: fit four epochs of ten batches with a backup, and kill itself at one batch."""

import json
import os
import signal
import sys
from pathlib import Path

import tensorflow as tf
from parts import fit, rate_of, sgd

from cosine_callbacks.tensorflow import CosineAnnealingCallback


class RateRecorder(tf.keras.callbacks.Callback):
    """Write to a file the rate that each batch is about to use."""

    def __init__(self, file, kill_at):
        super().__init__()
        self.file, self.kill_at, self.epoch = file, kill_at, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        with self.file.open("a") as file:
            file.write(json.dumps([self.epoch, batch, rate_of(self.model)]) + "\n")
        if [self.epoch, batch] == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def main():
    folder, options, order, kill_at = Path(sys.argv[1]), *map(json.loads, sys.argv[2:])
    callbacks = [
        CosineAnnealingCallback(**options),
        tf.keras.callbacks.BackupAndRestore(folder / "backup"),
    ]
    fit(sgd(), *callbacks[::order], RateRecorder(folder / "used.jsonl", kill_at), epochs=4)


if __name__ == "__main__":
    main()
