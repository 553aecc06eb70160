"""A program: fit four epochs of ten batches with a backup, and kill itself at one batch."""

import json
import os
import signal
import sys
from pathlib import Path

import keras
from parts import compiled, fit

from cosine_callbacks.keras import CosineAnnealingCallback


class RateRecorder(keras.callbacks.Callback):
    """Write to a file the rate that each batch is about to use."""

    def __init__(self, file, kill_at):
        super().__init__()
        self.file, self.kill_at, self.epoch = file, kill_at, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        with self.file.open("a") as file:
            file.write(json.dumps([self.epoch, batch, rate]) + "\n")
        if [self.epoch, batch] == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def main():
    folder, options, order, kill_at = Path(sys.argv[1]), *map(json.loads, sys.argv[2:])
    callbacks = [
        CosineAnnealingCallback(**options),
        keras.callbacks.BackupAndRestore(folder / "backup"),
    ]
    recorder = RateRecorder(folder / "used.jsonl", kill_at)
    fit(compiled(keras.optimizers.SGD(0.1)), *callbacks[::order], recorder, epochs=4)


if __name__ == "__main__":
    main()
