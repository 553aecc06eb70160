"""A program: one of two MultiWorkerMirroredStrategy workers; print the rates and the weights."""

import json
import os
import sys

import tensorflow as tf
from parts import rate_of, sgd, weight_of

from cosine_callbacks.tensorflow import CosineAnnealingCallback


class RateRecorder(tf.keras.callbacks.Callback):
    """Record the rate that each batch is about to use."""

    def __init__(self):
        super().__init__()
        self.used = []

    def on_train_batch_begin(self, batch, logs=None):
        self.used.append(rate_of(self.model))


def main():
    index, *addresses = sys.argv[1:]
    cluster = {"worker": addresses}
    os.environ["TF_CONFIG"] = json.dumps(
        {"cluster": cluster, "task": {"type": "worker", "index": int(index)}}
    )
    strategy, runs = tf.distribute.MultiWorkerMirroredStrategy(), []
    for interval, epochs in (("step", 1), ("epoch", 10)):
        with strategy.scope():
            model = sgd()
        data = tf.data.Dataset.from_tensors((tf.ones((2, 1)), tf.ones((2, 1)))).repeat(10 // epochs)
        recorder = RateRecorder()
        callbacks = [CosineAnnealingCallback(interval=interval), recorder]
        model.fit(data, epochs=epochs, callbacks=callbacks, verbose=0)
        runs.append([recorder.used, weight_of(model)])
    print(json.dumps(runs))


if __name__ == "__main__":
    main()
