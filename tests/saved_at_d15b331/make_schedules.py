"""Make the old saved Keras model and the old pickle, and note the rates which each must give.

Run in an environment with the package at commit d15b331, JAX and the oldest Keras that is
supported, for older ones do not load what newer ones save:

    KERAS_BACKEND=jax python -m tests.saved_at_d15b331.make_schedules

It writes schedule.keras, schedule.pickle and schedules.json beside this file:

- schedule.keras: a Dense(1) whose SGD has a CosineAnnealingSchedule, trained for 5 steps; expected
  are the rates of the steps from 5 on, as the uninterrupted training used them.
- schedule.pickle: a CosineAnnealing; expected are its rates at the positions from 0 on.
"""

import json
import pickle
from pathlib import Path

import keras
import numpy as np

from cosine_callbacks import CosineAnnealing
from cosine_callbacks.keras import CosineAnnealingSchedule

TRAINED, TOTAL = 5, 50
KERAS = {"lr_initial": 0.1, "t_max": 20, "lr_min": 0.001, "warmup": 2, "cycles": 2}
PICKLED = {**KERAS, "cycles": None, "t_mult": 2}


def compiled():
    """Return a model of one layer, untrained."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, name="dense")], name="model")
    model.compile(keras.optimizers.SGD(CosineAnnealingSchedule(**KERAS), name="sgd"), loss="mse")
    return model


def train(model, steps):
    """Train batch by batch, and return the rate of each, which the optimizer tells before it."""
    row, used = np.ones((1, 1), "float32"), []
    for _ in range(steps):
        used.append(float(model.optimizer.learning_rate))
        model.train_on_batch(row, row)
    return used


def make(folder):
    """Write the model, the pickle and schedules.json."""
    saved = compiled()
    train(saved, TRAINED)
    saved.save(folder / "schedule.keras")
    schedule = CosineAnnealing(**PICKLED)
    (folder / "schedule.pickle").write_bytes(pickle.dumps(schedule))
    expected = {
        "schedule.keras": train(compiled(), TOTAL)[TRAINED:],
        "schedule.pickle": [schedule(e) for e in range(200)],
    }
    (folder / "schedules.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    make(Path(__file__).parent)
