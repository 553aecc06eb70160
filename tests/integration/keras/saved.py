"""A program: train ten of twenty updates and save the model, or load it and train the others.

It prints the rate of the next update, the weight, and the arguments of the schedule.
"""

import json
import sys

import keras
import numpy as np

from cosine_callbacks.keras import CosineAnnealingSchedule

command, path = sys.argv[1:]
if command == "save":
    weight = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((1,)), weight])
    schedule = CosineAnnealingSchedule(lr_initial=0.1, t_max=20, peak_decay=0.5, name="mine")
    model.compile(keras.optimizers.SGD(schedule), loss="mae")
else:
    model = keras.models.load_model(path)
ones = np.ones((10, 1), "float32")
rate = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
model.fit(ones, -100 * ones, batch_size=1, verbose=0)
model.save(path)
config = model.optimizer.get_config()["learning_rate"]["config"]
print(json.dumps({"rate": rate, "weight": model.get_weights()[0].item(), "config": config}))
