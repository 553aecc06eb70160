"""A small GAN on real digits, whose `train_step` applies two optimizers of its own.

Programs that run in a separate process import this module as `gan`.
"""

import keras
import numpy as np
from keras import ops
from sklearn.datasets import load_digits

BACKEND = keras.backend.backend()
IMAGES = (load_digits().data[:80] / 16).astype("float32")
NOISE = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")


class Gan(keras.Model):
    """Return from each `train_step` the rates that its updates used.

    On JAX an optimizer's variables must travel in the state: Keras puts those there that the model
    keeps in an attribute, unless `tracked` is False.
    """

    def __init__(self, d_optimizer, g_optimizer, *, tracked=True):
        super().__init__()
        self.discriminator = keras.Sequential([keras.Input((64,)), keras.layers.Dense(1)])
        self.generator = keras.Sequential([keras.Input((4,)), keras.layers.Dense(64)])
        self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer
        self.parts = {"d_optimizer": self.discriminator, "g_optimizer": self.generator}
        for name, part in self.parts.items():
            getattr(self, name).build(part.trainable_variables)
        if BACKEND == "jax" and tracked:
            self.kept = [*d_optimizer.variables, *g_optimizer.variables]
        self.built = True

    def call(self, images):
        return self.discriminator(images)

    def losses(self, images):
        fake = self.discriminator(self.generator(NOISE))
        real = self.discriminator(images)
        return {
            "d_optimizer": ops.mean(ops.softplus(-real) + ops.softplus(fake)),
            "g_optimizer": ops.mean(ops.softplus(-fake)),
        }

    def apply(self, gradients):
        """Apply the gradients, by name of the optimizer, and return the rates used."""
        rates = {}
        for name, part in self.parts.items():
            rates[name] = ops.convert_to_tensor(getattr(self, name).learning_rate) * 1
            getattr(self, name).apply(gradients[name], part.trainable_variables)
        return rates

    if BACKEND == "tensorflow":

        def train_step(self, images):
            import tensorflow as tf

            with tf.GradientTape(persistent=True) as tape:
                losses = self.losses(images)
            parts = self.parts.items()
            variables = {name: [v.value for v in part.trainable_variables] for name, part in parts}
            return self.apply(
                {name: tape.gradient(losses[name], variables[name]) for name, _ in parts}
            )

    if BACKEND == "torch":

        def train_step(self, images):
            import torch

            losses, gradients = self.losses(images), {}
            for name, part in self.parts.items():
                values = [variable.value for variable in part.trainable_variables]
                gradients[name] = torch.autograd.grad(losses[name], values, retain_graph=True)
            with torch.no_grad():
                return self.apply(gradients)

    if BACKEND == "jax":

        def train_step(self, state, images):
            import jax

            trainable, other, *rest = state
            variables = [*self.trainable_variables, *self.non_trainable_variables]

            def loss(values, name):
                with keras.StatelessScope(zip(variables, [*values, *other], strict=True)):
                    return self.losses(images)[name]

            gradients = {}
            for name, part in self.parts.items():
                found = zip(self.trainable_variables, jax.grad(loss)(trainable, name), strict=True)
                found = {id(variable): gradient for variable, gradient in found}
                gradients[name] = [found[id(variable)] for variable in part.trainable_variables]
            mapping = [*zip(variables, [*trainable, *other], strict=True)]
            with keras.StatelessScope(mapping) as scope:
                rates = self.apply(gradients)
            new = [scope.get_current_value(variable) for variable in variables]
            return rates, (new[: len(trainable)], new[len(trainable) :], *rest)


class Used(keras.callbacks.Callback):
    """Collect what `train_step` returned, the rates used, by name of the optimizer."""

    def __init__(self):
        super().__init__()
        self.rates = {"d_optimizer": [], "g_optimizer": []}

    def on_train_batch_end(self, batch, logs=None):
        for name, rates in self.rates.items():
            rates.append(float(logs[name]))


def gan(d_optimizer=None, g_optimizer=None, **options):
    keras.utils.set_random_seed(0)
    model = Gan(
        d_optimizer or keras.optimizers.SGD(0.1),
        g_optimizer or keras.optimizers.Adam(0.02),
        **options,
    )
    model.compile()
    return model


def fit(model, *callbacks, **options):
    """Train in epochs of four batches; return the rates used and the history."""
    used = Used()
    options = {"batch_size": 20, "shuffle": False, "verbose": 0, **options}
    history = model.fit(IMAGES, callbacks=[*callbacks, used], **options).history
    return used.rates, history
