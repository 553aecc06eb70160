"""The callback with `optimizers=`: a GAN on real digits that applies two optimizers of its own."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

from cosine_callbacks.tensorflow import CosineAnnealingCallback
from tests.curve import cosine
from tests.integration.tensorflow.parts import LEGACY
from tests.integration.tensorflow.test_fit import optimizers

BOTH = ["d_optimizer", "g_optimizer"]
IMAGES = (load_digits().data[:80] / 16).astype("float32")
NOISE = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")


class Gan(tf.keras.Model):
    """Return from each `train_step` the rates that its updates used."""

    def __init__(self, kind):
        super().__init__()
        layers = tf.keras.layers
        self.discriminator = tf.keras.Sequential([tf.keras.Input((64,)), layers.Dense(1)])
        self.generator = tf.keras.Sequential([tf.keras.Input((4,)), layers.Dense(64)])
        self.d_optimizer, self.g_optimizer = kind(0.1), kind(0.02)
        self.built = True

    def call(self, images):
        return self.discriminator(images)

    def train_step(self, images):
        with tf.GradientTape(persistent=True) as tape:
            fake, real = self.discriminator(self.generator(NOISE)), self.discriminator(images)
            d_loss = tf.reduce_mean(tf.nn.softplus(-real) + tf.nn.softplus(fake))
            g_loss = tf.reduce_mean(tf.nn.softplus(-fake))
        rates = {name: tf.identity(getattr(self, name).learning_rate) for name in BOTH}
        for optimizer, loss, part in (
            (self.d_optimizer, d_loss, self.discriminator),
            (self.g_optimizer, g_loss, self.generator),
        ):
            variables = part.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return rates


class Used(tf.keras.callbacks.Callback):
    """Collect what `train_step` returned, the rates used, by name of the optimizer."""

    def __init__(self):
        super().__init__()
        self.rates = {name: [] for name in BOTH}

    def on_train_batch_end(self, batch, logs=None):
        for name, rates in self.rates.items():
            rates.append(float(logs[name]))


def gan(kind):
    model = Gan(kind)
    model.compile()
    return model


def fit(model, *callbacks, **options):
    """Train in epochs of four batches; return the rates used and the rates logged."""
    used = Used()
    options = {"batch_size": 20, "shuffle": False, "verbose": 0, **options}
    history = model.fit(IMAGES, callbacks=[*callbacks, used], **options).history
    return used.rates, {name: rates for name, rates in history.items() if name not in BOTH}


def close(values):
    return pytest.approx(values, rel=6e-7)


@optimizers
@pytest.mark.parametrize("interval", ["epoch", "step"])
def test_each_optimizer_has_its_own_peak(kind, interval):
    callback = CosineAnnealingCallback(optimizers=BOTH, interval=interval, lr_min_ratio=0.1)
    used, logged = fit(gan(kind), callback, epochs=3)
    positions = [e // 4 * 4 if interval == "epoch" else e for e in range(12)]
    right = {
        "d_optimizer": [cosine(e, 12, 0.1, 0.01) for e in positions],
        "g_optimizer": [cosine(e, 12, 0.02, 0.002) for e in positions],
    }
    assert used == {name: close(rates) for name, rates in right.items()}
    keys = ("learning_rate", "lr") if LEGACY else ("learning_rate",)
    assert logged == {f"{key}_{name}": close(right[name][3::4]) for name in BOTH for key in keys}


@optimizers
def test_two_callbacks_in_two_fits_and_a_later_epoch(kind):
    callbacks = [
        CosineAnnealingCallback(optimizers="d_optimizer", t_max=2, lr_min=0.01),
        CosineAnnealingCallback(optimizers=["g_optimizer"], t_max=12, interval="step"),
    ]
    model = gan(kind)
    for start in (0, 1):
        used, _ = fit(model, *callbacks, initial_epoch=start, epochs=3)
        assert used["d_optimizer"] == close(([0.1] * 4 + [0.055] * 4 + [0.01] * 4)[start * 4 :])
        assert used["g_optimizer"] == close([cosine(e, 12, 0.02) for e in range(start * 4, 12)])


@optimizers
def test_restored_from_a_backup(tmp_path, kind):
    class Interrupt(tf.keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    options = {"optimizers": BOTH, "interval": "step", "t_max": 16}
    backup = tf.keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(KeyboardInterrupt):
        fit(gan(kind), CosineAnnealingCallback(**options), backup, Interrupt(), epochs=4)
    backup = tf.keras.callbacks.BackupAndRestore(tmp_path / "backup")
    used, _ = fit(gan(kind), backup, CosineAnnealingCallback(**options), epochs=4)
    assert used["d_optimizer"] == close([cosine(e, 16) for e in range(8, 16)])
    assert used["g_optimizer"] == close([cosine(e, 16, 0.02) for e in range(8, 16)])


@optimizers
def test_what_cannot_be_driven_is_refused(kind):
    model = gan(kind)
    model.third = kind(tf.keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5))
    for names, sentence in (
        ("missing", r"^optimizers must name .* got 'missing', which holds None; give some of \["),
        ("third", r"^(?i:sgd)\w* must hold a rate .*got a schedule or a function"),
        ("g_optimizer", r"^callbacks must hold one CosineAnnealingCallback for (?i:sgd)\w*, got"),
    ):
        second = CosineAnnealingCallback(optimizers=["d_optimizer", names])
        with pytest.raises(ValueError, match=sentence):
            fit(model, CosineAnnealingCallback(optimizers="g_optimizer"), second)
        rates = [float(each.learning_rate) for each in (model.d_optimizer, model.g_optimizer)]
        assert rates == close([0.1, 0.02])


@optimizers
def test_each_idle_optimizer_is_named_with_its_cure(kind):
    model = gan(kind)
    cure = r"^model\.optimizer must be .*; give optimizers=\['d_optimizer', 'g_optimizer'\]$"
    with pytest.warns(UserWarning, match=cure):
        fit(model, CosineAnnealingCallback())
    model.third = kind(0.1)
    with pytest.warns(UserWarning, match=r"^model\.third must be .*; drop it from optimizers="):
        fit(model, CosineAnnealingCallback(optimizers=["third", "d_optimizer"], lr_initial=0.1))
