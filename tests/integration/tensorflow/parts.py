"""Models for the tf.keras tests: one weight with gradient 1, for Keras 3 and tf_keras.

With SGD its weight is minus the sum of the rates used. Programs that run in a separate process
import this module as `parts`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

LEGACY = tf.keras.callbacks.Callback.__module__.startswith("tf_keras")
DATA = np.ones((10, 1), "float32")


class Weight(tf.keras.layers.Layer):
    """Return the weight times the input, so that the gradient is the input."""

    def build(self, input_shape):
        self.weight = self.add_weight(shape=(), initializer="zeros", name="weight")

    def call(self, inputs):
        return inputs * self.weight


def prediction(y_true, y_pred):
    """Use the prediction as the loss."""
    return tf.reduce_mean(tf.cast(y_pred, "float32"), axis=-1)


def compiled(optimizer, **options):
    model = tf.keras.Sequential([tf.keras.Input((1,)), Weight()])
    model.compile(optimizer, loss=prediction, **options)
    return model


def sgd(rate=0.1, **options):
    return compiled(tf.keras.optimizers.SGD(rate), **options)


def weight_of(model):
    return float(model.layers[0].weight.numpy())


def rate_of(model):
    return float(model.optimizer.learning_rate.numpy())


def fit(model, *callbacks, data=DATA, **options):
    """Train with one sample per batch, so that DATA gives ten batches."""
    options = {"verbose": 0, **options}
    if isinstance(data, np.ndarray):
        options = {"y": data, "batch_size": 1, "shuffle": False, **options}
    return model.fit(data, callbacks=[*callbacks], **options).history


def run_program(name, *arguments, expect=0):
    """Run one of the programs in this folder and return the JSON that it printed last.

    The new process, too, imports the installed package and not the checkout.
    """
    here, path = Path(__file__).parent, filter(None, [os.environ.get("PYTHONPATH")])
    done = subprocess.run(
        [sys.executable, here / name, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here), *path])},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == expect, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout else None
