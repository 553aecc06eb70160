"""With other callbacks, in either order: docs/neighbours.md lists the results."""

import csv
import warnings

import numpy as np
import pytest

from tests.curve import cosine

from .parts import (
    DATA,
    CosineAnnealingCallback,
    close,
    compiled,
    either_interval,
    keras,
    keras_3,
    per_step,
    train,
    train_on_a_batch,
    weight_of,
)

either_order = pytest.mark.parametrize("order", [1, -1], ids=["ours first", "ours last"])


def curve(interval, epochs, batches):
    """Return the rate of each batch of a run over the whole of which the curve is laid."""
    number = epochs * batches
    if interval == "epoch":
        return [cosine(e // batches, epochs) for e in range(number)]
    return [cosine(e, number) for e in range(number)]


EMA = {"use_ema": True, "ema_momentum": 0.5}
NAN = np.where(np.arange(10) == 5, np.nan, 1)[:, None].astype("float32")


@either_order
@pytest.mark.parametrize(
    "other",
    [
        # No improvement is large enough: the run stops after two epochs.
        ("EarlyStopping", {"monitor": "loss", "min_delta": 10**6, "patience": 1}, {}, DATA, 2),
        ("TerminateOnNaN", {}, {}, NAN, 1),
        pytest.param(("SwapEMAWeights", {"swap_on_epoch": True}, EMA, DATA, 4), marks=keras_3),
    ],
    ids=lambda other: other[0],
)
def test_callbacks_that_leave_the_rate_alone(sgd, order, other):
    name, options, optimizer, data, epochs = other
    callbacks = [CosineAnnealingCallback(), getattr(keras.callbacks, name)(**options)][::order]
    _, logged = train(compiled(sgd(0.1, **optimizer)), *callbacks, data=data, epochs=4)
    assert logged == close([cosine(e, 4) for e in range(epochs)])


def test_the_rate_is_in_progress_bar_and_csv(sgd, tmp_path, capsys):
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    train(compiled(sgd(0.1)), CosineAnnealingCallback(t_max=4), log, epochs=2, verbose=2)
    with (tmp_path / "log.csv").open() as file:
        rates = [float(row["learning_rate"]) for row in csv.DictReader(file)]
    assert rates == close([0.1, 0.08535534])
    assert "learning_rate: 0.0854" in capsys.readouterr().out


@either_interval
@either_order
@pytest.mark.parametrize("name", ["ReduceLROnPlateau", "LearningRateScheduler"])
def test_keras_own_writers(sgd, name, order, interval):
    """They set the rate once in an epoch, and we overrule them."""
    if name == "ReduceLROnPlateau":
        writer = keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=99)
    else:
        writer = keras.callbacks.LearningRateScheduler(lambda _: 0.03)
    # Here our next write overwrites the rate before we read it.
    silent = "Scheduler" in name and order == 1 and interval == "step"
    callbacks = [CosineAnnealingCallback(interval=interval), writer][::order]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        used, _ = train(compiled(sgd(0.1)), *callbacks, data=DATA[:4], epochs=5)
    named = [str(each.message) for each in caught if "another writer" in str(each.message)]
    assert len(named) == (not silent)
    assert all("such as ReduceLROnPlateau or LearningRateScheduler" in each for each in named)
    assert used == close(sum(curve(interval, 5, 4)))


class Writer(keras.callbacks.Callback):
    """Set a rate of its own at each batch or epoch, before it or after it."""

    async_safe = False

    def __init__(self, hook="on_train_batch_begin"):
        super().__init__()
        setattr(self, hook, self.write)

    def write(self, index, logs=None):
        self.model.optimizer.learning_rate = 0.5 + index / 16


@either_order
@pytest.mark.parametrize(
    ("options", "right"),
    [({}, [0.1, 0.08535534, 0.05, 0.01464466]), ({"t_max": 1, "lr_min": 0.02}, [0.1] + [0.02] * 3)],
    ids=["falling", "at the floor"],
)
def test_a_rate_set_after_the_last_batch_neither_acts_nor_is_logged(sgd, order, options, right):
    callbacks = [CosineAnnealingCallback(**options), Writer("on_epoch_end")][::order]
    with pytest.warns(UserWarning, match="another writer") as caught:
        used, logged = train(compiled(sgd(0.1)), *callbacks, epochs=4)
    assert sum("another writer" in str(warning.message) for warning in caught) == 1
    assert used == close(10 * sum(right))
    assert logged == close(right)


@either_interval
@pytest.mark.parametrize(("batches", "epochs"), [(1, 1), (3, 1), (3, 2)])
def test_another_rate_that_acts_at_every_batch_is_named_and_logged(sgd, interval, batches, epochs):
    callbacks = [CosineAnnealingCallback(interval=interval), Writer()]
    sentence = r"another writer.* got 0\.\d+ where .* or list CosineAnnealingCallback last$"
    with pytest.warns(UserWarning, match=sentence) as caught:
        used, logged = train(compiled(sgd(0.1)), *callbacks, data=DATA[:batches], epochs=epochs)
    assert sum("another writer" in str(warning.message) for warning in caught) == 1
    theirs = [0.5, 0.5625, 0.625][:batches]
    assert used == close(epochs * sum(theirs))
    assert logged == [theirs[-1]] * epochs


@either_interval
@pytest.mark.parametrize(
    ("hook", "order"), [("on_train_batch_begin", -1), ("on_train_batch_end", 1)]
)
def test_listed_last_ours_acts_at_every_batch(sgd, interval, hook, order):
    """So it does where the other one sets its rate after each batch."""
    callbacks = [CosineAnnealingCallback(interval=interval), Writer(hook)][::order]
    with pytest.warns(UserWarning, match="another writer"):
        used, logged = train(compiled(sgd(0.1)), *callbacks)
    right = curve(interval, 1, 10)
    assert used == close(sum(right))
    assert logged == close(right[-1:])


def test_an_undone_write_is_no_second_writer(sgd):
    """Warnings of the package are errors in our tests."""
    model = compiled(sgd(0.1))
    hooks = keras.callbacks.CallbackList([per_step(20)], model=model, epochs=2, steps=10)
    hooks.on_train_begin()
    hooks.on_epoch_begin(0)
    hooks.on_train_batch_begin(0)
    train_on_a_batch(model)
    hooks.on_train_batch_end(0)
    hooks.on_train_batch_begin(1)
    model.optimizer.learning_rate = 0.1  # as Keras on JAX does where batch 1 fails
    hooks.on_epoch_end(0)
    hooks.on_epoch_begin(1)
    assert weight_of(model) == close(-0.1)
