"""A program: fit on four devices with JAX, or two with TensorFlow, and print the final weights.

The first weight is that of the schedule, the second that of the callback.
"""

import json
import os
import sys

if os.environ["KERAS_BACKEND"] == "jax":
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
else:
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import keras
import numpy as np
from parts import compiled, fit, weight_of

from cosine_callbacks.keras import CosineAnnealingCallback, CosineAnnealingSchedule


def main():
    data = np.ones((40, 1), "float32")
    schedule = CosineAnnealingSchedule(lr_initial=0.1, t_max=10)
    by_schedule = compiled(keras.optimizers.SGD(schedule))
    by_callback = compiled(keras.optimizers.SGD(0.1))
    fit(by_schedule, data=data, batch_size=4)
    fit(by_callback, CosineAnnealingCallback(t_max=10, interval="step"), data=data, batch_size=4)
    print(json.dumps([weight_of(by_schedule), weight_of(by_callback)]))


if __name__ == "__main__":
    if os.environ["KERAS_BACKEND"] == "jax":
        keras.distribution.set_distribution(keras.distribution.DataParallel())
        assert len(keras.distribution.list_devices()) == 4
        main()
    else:
        with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
            main()
    sys.exit()
