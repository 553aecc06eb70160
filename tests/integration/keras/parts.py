"""Models for the Keras tests: one weight with gradient 1, on the backend that is set.

With SGD its weight is minus the sum of the rates used. Programs that run in a separate process
import this module as `parts`.
"""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
from keras import ops

BACKEND = keras.backend.backend()
DATA = np.ones((10, 1), "float32")


@keras.saving.register_keras_serializable("tests")
class Weight(keras.layers.Layer):
    """Return the weight, whatever the input."""

    def build(self, input_shape):
        self.weight = self.add_weight(shape=(), initializer="zeros", name="weight")

    def call(self, inputs):
        return inputs * 0 + self.weight


@keras.saving.register_keras_serializable("tests")
class Scaled(Weight):
    """Return the weight times the input, so that the gradient is the input."""

    def call(self, inputs):
        return inputs * self.weight


@keras.saving.register_keras_serializable("tests")
def prediction(y_true, y_pred):
    """Use the prediction as the loss, so that its gradient is 1."""
    return ops.mean(ops.cast(y_pred, "float32"), axis=-1)


def compiled(optimizer, layer=Weight, **options):
    model = keras.Sequential([keras.Input((1,)), layer()])
    model.compile(optimizer, loss=prediction, **options)
    return model


def weight_of(model):
    return float(ops.convert_to_numpy(model.layers[0].weight))


def fit(model, *callbacks, data=DATA, **options):
    """Train with one sample per batch, so that DATA gives ten batches."""
    options = {"batch_size": 1, "verbose": 0, "shuffle": False, **options}
    if not isinstance(data, np.ndarray):
        del options["batch_size"], options["shuffle"]
        return model.fit(data, callbacks=[*callbacks], **options)
    return model.fit(data, data, callbacks=[*callbacks], **options)


def run_program(folder, name, *arguments, expect=0, **environment):
    """Run a program of this folder in a new process, and return what it printed.

    The new process, too, imports the installed package and not the checkout.
    """
    here, path = Path(__file__).parent, filter(None, [os.environ.get("PYTHONPATH")])
    done = subprocess.run(
        [sys.executable, folder / name, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here), *path]), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == expect, done.stderr[-3000:]
    return done.stdout
