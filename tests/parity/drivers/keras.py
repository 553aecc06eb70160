"""The Keras schedule and callback, on whichever backend is set."""

import keras

from cosine_callbacks import CosineAnnealing
from cosine_callbacks import keras as adapter

from .fit import compiled, drivers, train
from .plan import plan


def scheduled(interval, given, **unit):
    schedule = CosineAnnealing.from_dict(given["parameters"])
    rate = adapter.CosineAnnealingSchedule(**schedule.to_dict(), **unit)
    planned = plan(interval, given)
    return train(compiled(keras, planned.updates, keras.optimizers.SGD(rate)), planned)


def per_epoch(given):
    return scheduled("epoch", given, steps_per_epoch=2)


def per_update(given):
    return scheduled("step", given)


BACKEND = keras.backend.backend()
DRIVERS = {
    f"keras schedule on {BACKEND}, epochs": (per_epoch, 2),
    f"keras schedule on {BACKEND}, updates": (per_update, 1),
    **drivers(keras, adapter, f"keras callback on {BACKEND}"),
}
