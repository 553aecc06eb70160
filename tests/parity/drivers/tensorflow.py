"""The callback for tf.keras, which is Keras 3 or tf_keras."""

import tensorflow as tf

from cosine_callbacks import tensorflow as adapter

from .fit import drivers

KERAS = tf.keras.callbacks.Callback.__module__.partition(".")[0]
DRIVERS = drivers(tf.keras, adapter, f"tensorflow with {KERAS}")
