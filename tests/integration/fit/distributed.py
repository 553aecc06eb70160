"""A program: fit on several devices, or as one of two workers, and print what came of it.

It prints, per update and per epoch, the rates that one device or worker has seen and the weight.
Its arguments are nothing, or the number of the worker and the addresses of both.
"""

import json
import os
import sys

if os.environ.get("KERAS_BACKEND") == "jax":
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"

import numpy as np
from parts import (
    BACKEND,
    LEGACY,
    CosineAnnealingCallback,
    Recorder,
    compiled,
    keras,
    targets,
    weight_of,
)

from cosine_callbacks.keras import CosineAnnealingSchedule


def strategy():
    """Set up four devices of JAX, or two of TensorFlow, or the worker; return the context."""
    if BACKEND == "jax":
        import contextlib

        keras.distribution.set_distribution(keras.distribution.DataParallel())
        assert len(keras.distribution.list_devices()) == 4
        return contextlib.nullcontext()
    import tensorflow as tf

    if len(sys.argv) > 1:
        index, *addresses = sys.argv[1:]
        task = {"type": "worker", "index": int(index)}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": task})
        return tf.distribute.MultiWorkerMirroredStrategy().scope()
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope()


def train(rate, epochs, *callbacks):
    """Train for ten updates, of batches of four that are shared out."""
    model, recorder = compiled(keras.optimizers.SGD(rate)), Recorder()
    inputs = np.ones((40 // epochs, 1), "float32")
    if len(sys.argv) > 1:
        import tensorflow as tf

        data = tf.data.Dataset.from_tensor_slices((inputs, targets(inputs))).batch(4)
        options = {"x": data}
    else:
        options = {"x": inputs, "y": targets(inputs), "batch_size": 4, "shuffle": False}
    model.fit(**options, epochs=epochs, callbacks=[*callbacks, recorder], verbose=0)
    return [*recorder.used.values()], weight_of(model)


with strategy():
    results = [
        train(0.1, epochs, CosineAnnealingCallback(interval=interval))
        for interval, epochs in (("step", 1), ("epoch", 10))
    ]
    if not LEGACY:
        results.append(train(CosineAnnealingSchedule(lr_initial=0.1, t_max=10), 1))
print(json.dumps(results))
