"""A small GAN on real digits, whose `train_step` applies two optimizers of its own."""

import numpy as np
from sklearn.datasets import load_digits

from .parts import BACKEND, LEGACY, LOG_KEYS, keras

if LEGACY:
    import tensorflow as tf

    mean, softplus = tf.reduce_mean, tf.nn.softplus
else:
    mean, softplus = keras.ops.mean, keras.ops.softplus

BOTH = ["d_optimizer", "g_optimizer"]
IMAGES = (load_digits().data[:80] / 16).astype("float32")
NOISE = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")


class Gan(keras.Model):
    """Return from each `train_step` the rates that its two updates used.

    On JAX an optimizer's variables must travel in the state: Keras puts those there that the model
    keeps in an attribute, unless `tracked` is False.
    """

    def __init__(self, d_optimizer, g_optimizer, *, tracked=True):
        super().__init__()
        self.discriminator = keras.Sequential([keras.Input((64,)), keras.layers.Dense(1)])
        self.generator = keras.Sequential([keras.Input((4,)), keras.layers.Dense(64)])
        self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer
        self.parts = dict(zip(BOTH, [self.discriminator, self.generator], strict=True))
        if not LEGACY:
            for name, part in self.parts.items():
                getattr(self, name).build(part.trainable_variables)
        if BACKEND == "jax" and tracked:
            self.kept = [*d_optimizer.variables, *g_optimizer.variables]
        self.built = True

    def call(self, images):
        return self.discriminator(images)

    def losses(self, images):
        fake, real = self.discriminator(self.generator(NOISE)), self.discriminator(images)
        return mean(softplus(-real) + softplus(fake)), mean(softplus(-fake))

    def update(self, gradients):
        rates = {}
        for (name, part), each in zip(self.parts.items(), gradients, strict=True):
            optimizer = getattr(self, name)
            rates[name] = optimizer.learning_rate * 1
            optimizer.apply_gradients(zip(each, part.trainable_variables, strict=True))
        return rates

    def train_step(self, *given):
        """Take the images, on JAX the state and the images."""
        groups = [part.trainable_variables for part in self.parts.values()]
        if BACKEND == "jax":
            return self.train_step_on_jax(groups, *given)
        tensors = [[each if LEGACY else each.value for each in group] for group in groups]
        if BACKEND == "torch":
            import torch

            both = zip(self.losses(*given), tensors, strict=True)
            gradients = [torch.autograd.grad(*each, retain_graph=True) for each in both]
            with torch.no_grad():
                return self.update(gradients)
        import tensorflow as tf

        with tf.GradientTape(persistent=True) as tape:
            losses = self.losses(*given)
        return self.update([tape.gradient(*each) for each in zip(losses, tensors, strict=True)])

    def train_step_on_jax(self, groups, state, images):
        import jax

        trainable, other, *rest = state
        variables = [*self.trainable_variables, *self.non_trainable_variables]

        def losses(values):
            with keras.StatelessScope(zip(variables, [*values, *other], strict=True)):
                return self.losses(images)

        by_loss = jax.jacobian(losses)(trainable)
        places = {id(variable): i for i, variable in enumerate(self.trainable_variables)}
        gradients = [
            [found[places[id(variable)]] for variable in group]
            for found, group in zip(by_loss, groups, strict=True)
        ]
        state = zip(variables, [*trainable, *other], strict=True)
        with keras.StatelessScope([*state]) as scope:
            rates = self.update(gradients)
        new = [scope.get_current_value(variable) for variable in variables]
        return rates, (new[: len(trainable)], new[len(trainable) :], *rest)


class Used(keras.callbacks.Callback):
    """Collect the rates that the updates used."""

    def __init__(self):
        super().__init__()
        self.rates = {name: [] for name in BOTH}

    def on_train_batch_end(self, batch, logs=None):
        for name, rates in self.rates.items():
            rates.append(float(logs[name]))


def gan(d_optimizer, g_optimizer, **options):
    model = Gan(d_optimizer, g_optimizer, **options)
    model.compile()
    return model


def fit(model, *callbacks, **options):
    """Train in epochs of four batches; return the rates used and the rates logged."""
    used = Used()
    options = {"batch_size": 20, "shuffle": False, "verbose": 0, **options}
    history = model.fit(IMAGES, callbacks=[*callbacks, used], **options).history
    return used.rates, {key: rates for key, rates in history.items() if key not in BOTH}


def log(rates):
    """Return what is to be in the history, by name of the optimizer."""
    return {f"{key}_{name}": each for name, each in rates.items() for key in LOG_KEYS}
