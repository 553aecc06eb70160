"""Training in `fit` of Keras 3 or tf_keras, where each update moves a different weight."""

from functools import cache, partial

import numpy as np

from cosine_callbacks import CosineAnnealing

from .plan import plan


def compiled(keras, updates, optimizer):
    """Return a model with one weight per update."""
    weights = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((updates,)), weights])
    model.compile(optimizer, loss=lambda _, prediction: prediction[:, 0])
    optimizer.build(model.trainable_variables)
    return model


@cache
def with_plain_sgd(keras, updates):
    """Return a model that all callbacks train in turn: a framework compiles it only once."""
    return compiled(keras, updates, keras.optimizers.SGD(1.0))


def train(model, planned, *callbacks):
    """Return the rate that each update used, which is how far it moved its weight from 0.

    Each weight has gradient 1 in its own update, and 0 in all others.
    """
    updates, batches, first = planned
    model.set_weights([np.zeros((updates, 1))])
    # Pretend to have trained up to here, which would take a billion updates.
    model.optimizer.iterations.assign(first * batches)
    rows = np.eye(updates, dtype="float32")
    model.fit(
        ((row[None], row[None, :1]) for row in rows),
        steps_per_epoch=batches,
        initial_epoch=first,
        epochs=first + updates // batches,
        callbacks=[*callbacks],
        verbose=0,
    )
    return (-model.get_weights()[0][:, 0].astype("float64")).tolist()


def with_callback(keras, adapter, interval, given):
    """Train with the callback; the optimizer's own rate is another one."""
    schedule = CosineAnnealing.from_dict(given["parameters"])
    parameters = {**schedule.to_dict(), **given["as_callback"]}
    callback = adapter.CosineAnnealingCallback(**parameters, interval=interval)
    planned = plan(interval, given)
    return train(with_plain_sgd(keras, planned[0]), planned, callback)


def drivers(keras, adapter, name):
    """Return the drivers of one callback, each with the number of updates in a unit."""
    return {
        f"{name}, epochs": (partial(with_callback, keras, adapter, "epoch"), 2),
        f"{name}, updates": (partial(with_callback, keras, adapter, "step"), 1),
    }
