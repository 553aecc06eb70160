"""The Keras schedule and callback, on whichever backend is set."""

from functools import partial

import keras

from cosine_callbacks import CosineAnnealing
from cosine_callbacks import keras as adapter

from .fit import compiled, drivers, train
from .plan import plan


def scheduled(interval, given, **unit):
    schedule = CosineAnnealing.from_dict(given["parameters"])
    rate = adapter.CosineAnnealingSchedule(**schedule.to_dict(), **unit)
    planned = plan(interval, given)
    return train(compiled(keras, planned[0], keras.optimizers.SGD(rate)), planned)


BACKEND = keras.backend.backend()
DRIVERS = {
    f"keras schedule on {BACKEND}, epochs": (partial(scheduled, "epoch", steps_per_epoch=2), 2),
    f"keras schedule on {BACKEND}, updates": (partial(scheduled, "step"), 1),
    **drivers(keras, adapter, f"keras callback on {BACKEND}"),
}
