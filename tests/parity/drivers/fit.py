"""Training in `fit` of Keras 3 or tf_keras, where each update moves a different weight."""

from functools import partial

import numpy as np

from cosine_callbacks import CosineAnnealing

from .plan import plan


def train(keras, optimizer, planned, *callbacks):
    """Train one weight per update, with gradient 1 in that update and 0 in all others.

    Returns:
        The rate that each update used, which is how far it moved its weight from 0.
    """
    updates, batches, first = planned
    weights = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((updates,)), weights])
    model.compile(optimizer, loss=lambda _, prediction: prediction[:, 0])
    # Pretend to have trained up to here, which would take a billion updates.
    optimizer.build(model.trainable_variables)
    optimizer.iterations.assign(first * batches)
    rows = np.eye(updates, dtype="float32")
    model.fit(
        ((row[None], row[None, :1]) for row in rows),
        steps_per_epoch=batches,
        initial_epoch=first,
        epochs=first + updates // batches,
        callbacks=[*callbacks],
        verbose=0,
    )
    return (-weights.get_weights()[0][:, 0].astype("float64")).tolist()


def with_callback(keras, adapter, interval, given):
    """Train with the callback; the optimizer's own rate is another one."""
    schedule = CosineAnnealing.from_dict(given["parameters"])
    parameters = {**schedule.to_dict(), **given["as_callback"]}
    callback = adapter.CosineAnnealingCallback(**parameters, interval=interval)
    return train(keras, keras.optimizers.SGD(1.0), plan(interval, given), callback)


def drivers(keras, adapter, name):
    """Return the drivers of one callback, each with the number of updates in a unit."""
    return {
        f"{name}, epochs": (partial(with_callback, keras, adapter, "epoch"), 2),
        f"{name}, updates": (partial(with_callback, keras, adapter, "step"), 1),
    }
