"""A program: train ten of twenty updates and save the model."""

import sys

import keras
from parts import compiled, fit

from cosine_callbacks.keras import CosineAnnealingSchedule


def main():
    model = compiled(keras.optimizers.SGD(CosineAnnealingSchedule(lr_initial=0.1, t_max=20)))
    fit(model)
    model.save(sys.argv[1])


if __name__ == "__main__":
    main()
