"""A program: fit on two logical CPUs, per update and per epoch, and print both weights."""

import json
import sys

import numpy as np
import tensorflow as tf
from parts import fit, sgd, weight_of

from cosine_callbacks.tensorflow import CosineAnnealingCallback


def main():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    weights = []
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        for interval, epochs in (("step", 1), ("epoch", 10)):
            model = sgd()
            callback = CosineAnnealingCallback(interval=interval)
            data = np.ones((20 // epochs, 1), "float32")
            fit(model, callback, data=data, batch_size=2, epochs=epochs)
            weights.append(weight_of(model))
    sys.stdout.write(json.dumps(weights))


if __name__ == "__main__":
    main()
