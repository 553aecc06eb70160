"""A program: load a saved model, train it for ten more batches, and print the result."""

import json
import sys

import keras
from parts import fit, weight_of

import cosine_callbacks.keras


def main():
    model = keras.models.load_model(sys.argv[1])
    schedule = cosine_callbacks.keras.CosineAnnealingSchedule
    config = model.optimizer.get_config()["learning_rate"]["config"]
    rate = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
    fit(model)
    print(json.dumps({"rate": rate, "weight": weight_of(model), "config": config}))
    assert schedule.from_config(config).get_config() == config


if __name__ == "__main__":
    main()
