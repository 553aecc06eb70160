"""The Keras under test, its callback, and a model from which the rates can be read.

That is Keras 3 on the backend that is set or, where COSINE_CALLBACKS_DRIVERS names tensorflow,
`tf.keras`: Keras 3 again, or with TF_USE_LEGACY_KERAS=1 the legacy tf_keras.

Programs that run in a process of their own import this module as `parts`.
"""

import os

import numpy as np
import pytest

if "tensorflow" in os.environ.get("COSINE_CALLBACKS_DRIVERS", ""):
    from tensorflow import keras

    from cosine_callbacks.tensorflow import CosineAnnealingCallback
else:
    import keras

    from cosine_callbacks.keras import CosineAnnealingCallback

LEGACY = keras.callbacks.Callback.__module__.startswith("tf_keras")
BACKEND = "tensorflow" if LEGACY else keras.config.backend()
# tf_keras has optimizers of two generations.
OPTIMIZERS = [keras.optimizers.SGD, *([keras.optimizers.legacy.SGD] if LEGACY else [])]
LOG_KEYS = ["learning_rate", "lr"] if LEGACY else ["learning_rate"]
DATA = np.ones((10, 1), "float32")

keras_3 = pytest.mark.skipif(LEGACY, reason="tf_keras has no such thing")
multi = pytest.mark.skipif(
    not hasattr(keras.optimizers, "OptimizerMap"), reason="new in Keras 3.15"
)
# What no backend changes is tried on JAX alone in the default run, and on all in the label full.
once = pytest.mark.slow if BACKEND != "jax" else lambda test: test
either_interval = pytest.mark.parametrize("interval", ["epoch", "step"])


def close(rates, rel=6e-7):
    """Compare with float32 rates."""
    return pytest.approx(rates, rel=rel, abs=1e-12)


def per_step(t_max=10, **options):
    return CosineAnnealingCallback(t_max=t_max, interval="step", **options)


class Idle(keras.Sequential):
    """A model whose `train_step` leaves the optimizer of the model alone, as that of a GAN does."""

    def train_step(self, *given):
        return ({"loss": 0.0}, given[0]) if BACKEND == "jax" else {"loss": 0.0}


def compiled(optimizer, kind=keras.Sequential, **options):
    """Return a model of one weight, which begins at 0 and has as gradient the input, mostly 1.

    Trained with SGD the weight is minus the sum of the rates used. The loss falls as the weight
    does, for the targets lie far below.
    """
    weight = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = kind([keras.Input((1,)), weight])
    model.compile(optimizer, loss="mae", **options)
    return model


def targets(inputs):
    return np.full_like(inputs, -100)


def weight_of(model):
    return model.get_weights()[0].item()


def rate_of(optimizer):
    rate = optimizer.learning_rate
    # On torch a variable is no array.
    return float(rate.numpy() if hasattr(rate, "numpy") else rate)


def fit(model, *callbacks, data=DATA, **options):
    """Train with one sample per batch, so that DATA gives ten batches; return the history."""
    options = {"verbose": 0, **options}
    if isinstance(data, np.ndarray):
        options = {"y": targets(data), "batch_size": 1, "shuffle": False, **options}
    return model.fit(data, callbacks=[*callbacks], **options).history


def train(model, *callbacks, **options):
    """Return the sum of the rates that `fit` used, and the rates that it logged."""
    before = weight_of(model)
    history = fit(model, *callbacks, **options)
    return before - weight_of(model), history.get("learning_rate")


def train_on_a_batch(model):
    model.train_on_batch(DATA[:1], targets(DATA[:1]))


def batches(number):
    """Yield batches without a known length."""
    for _ in range(number):
        yield DATA[:1], targets(DATA[:1])


class Recorder(keras.callbacks.Callback):
    """Record the rate that each batch is about to use, and interrupt the fit at one of them."""

    def __init__(self, interrupt_at=None):
        super().__init__()
        self.used, self.interrupt_at = {}, interrupt_at

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        place = self.epoch, batch
        self.used[place] = rate_of(self.model.optimizer)
        if place == self.interrupt_at:
            raise KeyboardInterrupt


def loss_scaled(optimizer):
    scaling = keras.mixed_precision if LEGACY else keras.optimizers
    return scaling.LossScaleOptimizer(optimizer)


either_wrap = pytest.mark.parametrize(
    "wrap", [lambda plain: plain, loss_scaled], ids=["plain", "scaled"]
)


class ForwardedRate:
    """Have the rate of the inner optimizer."""

    @property
    def learning_rate(self):
        return self.inner.learning_rate

    @learning_rate.setter
    def learning_rate(self, rate):
        self.inner.learning_rate = rate


if LEGACY:

    class Forwarding(ForwardedRate, keras.optimizers.legacy.Optimizer):
        """Leave everything to another optimizer, its rate too."""

        def __init__(self, inner):
            super().__init__("Forwarding")
            self.inner = inner

        def _create_slots(self, var_list):
            self.inner._create_slots(var_list)

        def apply_gradients(self, *arguments, **options):
            return self.inner.apply_gradients(*arguments, **options)

else:

    class Forwarding(ForwardedRate, keras.optimizers.Optimizer):
        """Leave everything to another optimizer, its rate too."""

        def __init__(self, inner):
            super().__init__(learning_rate=0.0)
            self.inner = inner

        @property
        def variables(self):
            return self.inner.variables

        def build(self, variables):
            self.inner.build(variables)
            self.built = True

        def apply(self, gradients, variables=None):
            self.inner.apply(gradients, variables)

        def stateless_apply(self, *arguments):
            return self.inner.stateless_apply(*arguments)
