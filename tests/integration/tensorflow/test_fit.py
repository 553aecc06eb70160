"""The callback in `tf.keras` fit, with Keras 3 or, if TF_USE_LEGACY_KERAS=1, with tf_keras."""

import doctest
import re

import numpy as np
import pytest
import tensorflow as tf

import cosine_callbacks.tensorflow
from cosine_callbacks.tensorflow import CosineAnnealingCallback
from tests.integration.tensorflow.parts import (
    DATA,
    LEGACY,
    compiled,
    fit,
    rate_of,
    sgd,
    weight_of,
)

# LR(e) / LR_initial of the plain curve over 4 and over 10, from the half-angle identities.
COSINE_4 = [1.0, 0.8535533905932737, 0.5, 0.14644660940672624]
COSINE_10 = [
    1.0,
    0.9755282581475768,
    0.9045084971874737,
    0.7938926261462366,
    0.6545084971874737,
    0.5,
    0.34549150281252633,
    0.2061073738537634,
    0.09549150281252627,
    0.024471741852423214,
]
CURVE = [0.1 * factor for factor in COSINE_10]
OPTIMIZERS = [tf.keras.optimizers.SGD]
if LEGACY:
    OPTIMIZERS += [tf.keras.optimizers.legacy.SGD]

optimizers = pytest.mark.parametrize(
    "kind", OPTIMIZERS, ids=["current", "legacy"][: len(OPTIMIZERS)]
)


def per_step(*, t_max=10, **options):
    return CosineAnnealingCallback(t_max=t_max, interval="step", **options)


@optimizers
def test_per_epoch_is_the_default_over_the_whole_run(kind):
    model = compiled(kind(0.1))
    history = fit(model, CosineAnnealingCallback(), epochs=4)
    right = [0.1 * factor for factor in COSINE_4]
    assert weight_of(model) == pytest.approx(-10 * sum(right), rel=6e-7)
    assert history["learning_rate"] == pytest.approx(right, rel=6e-7)
    assert rate_of(model) == pytest.approx(right[-1], rel=6e-7)  # the optimizer keeps the last rate


@optimizers
@pytest.mark.parametrize("options", [{}, {"run_eagerly": True}, {"jit_compile": True}], ids=str)
def test_per_update(kind, options):
    if kind.__module__.startswith("tf_keras.src.optimizers.legacy"):
        options = {name: value for name, value in options.items() if name != "jit_compile"}
    model = compiled(kind(0.1), **options)
    history = fit(model, per_step())
    assert weight_of(model) == pytest.approx(-0.55, rel=6e-7)
    assert history["learning_rate"] == pytest.approx([CURVE[-1]], rel=6e-7)


def test_floor_warmup_and_restarts():
    model = sgd()
    history = fit(
        model, CosineAnnealingCallback(t_max=2, lr_min=0.01, cycles=2, warmup=1), epochs=6
    )
    right = [0.05, 0.1, 0.1, 0.055, 0.01, 0.01]
    assert history["learning_rate"] == pytest.approx(right, rel=6e-7)
    assert weight_of(model) == pytest.approx(-10 * sum(right), rel=6e-7)


@optimizers
def test_initial_epoch(kind):
    model = compiled(kind(0.1))
    history = fit(model, per_step(t_max=40), initial_epoch=2, epochs=4)
    right = sum(0.05 * (1 + np.cos(np.pi * e / 40)) for e in range(20, 40))
    assert weight_of(model) == pytest.approx(-right, rel=6e-7)
    history = fit(compiled(kind(0.1)), CosineAnnealingCallback(t_max=4), initial_epoch=2, epochs=4)
    assert history["learning_rate"] == pytest.approx([0.05, 0.1 * COSINE_4[3]], rel=6e-7)


@optimizers
def test_one_object_in_two_models_and_a_second_fit(kind):
    callback = per_step()
    for _ in range(2):
        model = compiled(kind(0.1))
        for total in (-0.55, -1.1):
            fit(model, callback)
            assert weight_of(model) == pytest.approx(total, rel=6e-7)


@optimizers
def test_the_base_belongs_to_the_optimizer(kind):
    model = compiled(kind(0.1))
    fit(model, per_step())
    fit(model, per_step())  # another object
    assert weight_of(model) == pytest.approx(-1.1, rel=6e-7)
    model.optimizer.learning_rate = 0.05
    with pytest.warns(UserWarning, match=r"trained before and its present rate 0\.05 is taken"):
        fit(model, per_step())
    assert weight_of(model) == pytest.approx(-1.375, rel=6e-7)


def dataset_of_unknown_length(batches):
    """Return a dataset without a known length."""
    data = tf.data.Dataset.from_tensors((DATA[:1], DATA[:1])).repeat(batches)
    return data.filter(lambda *_: True)


def test_later_epochs_of_unknown_length_go_on():
    model = sgd()
    fit(model, per_step(), data=dataset_of_unknown_length(4), epochs=3)
    assert weight_of(model) == pytest.approx(-0.55, rel=6e-7)


def test_an_unknown_length_is_refused_where_it_is_needed():
    model = sgd()
    callback = CosineAnnealingCallback(interval="step")
    named = (
        r"^t_max must be given .*got 1 epochs of None batches; give t_max= or .*steps_per_epoch="
    )
    with pytest.raises(ValueError, match=named):
        fit(model, callback, data=dataset_of_unknown_length(4))
    assert (weight_of(model), rate_of(model)) == (0, pytest.approx(0.1))
    fit(model, callback, data=dataset_of_unknown_length(10), steps_per_epoch=10)
    assert weight_of(model) == pytest.approx(-0.55, rel=6e-7)


UNSETTABLE_RATES = {
    "schedule": lambda: tf.keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
}
if not LEGACY:  # tf_keras optimizers call a function once and keep its value
    UNSETTABLE_RATES["function"] = lambda: lambda: 0.1


@optimizers
@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "scaled"])
@pytest.mark.parametrize("rate", UNSETTABLE_RATES.values(), ids=UNSETTABLE_RATES)
def test_an_optimizer_without_a_settable_rate_is_refused(kind, rate, scaled):
    optimizer = kind(rate())
    model = compiled(loss_scaled(optimizer) if scaled else optimizer)
    # No schedule of ours works in tf_keras.
    cure = "a float$" if LEGACY else "a float, or .* give it a CosineAnnealingSchedule$"
    with pytest.raises(ValueError, match=f"must hold a rate .*give the optimizer {cure}"):
        fit(model, per_step())
    assert weight_of(model) == 0


@optimizers
def test_a_floor_above_the_rate_and_a_rate_of_0(kind):
    model = compiled(kind(0.1))
    with pytest.raises(ValueError, match=r"^lr_min must be <= the rate of (sgd|SGD)"):
        fit(model, per_step(lr_min=0.5))
    assert (weight_of(model), rate_of(model)) == (0, pytest.approx(0.1))
    sentence = (
        r"^the rate of (sgd|SGD)\w* must be > 0 and finite to be the peak, got 0\.0; "
        r"give lr_initial=$"
    )
    with pytest.raises(ValueError, match=sentence):
        fit(compiled(kind(0.0)), per_step())


def test_several_steps_per_execution_raise_a_warning():
    model = sgd(steps_per_execution=4)
    cure = "compile .* steps_per_execution=1" if LEGACY else "give .* a CosineAnnealingSchedule"
    with pytest.warns(UserWarning, match=f"steps_per_execution=4; {cure} for one per update$"):
        history = fit(model, per_step())
    assert weight_of(model) == pytest.approx(-4 * (0.1 + CURVE[4]) - 2 * CURVE[8], rel=6e-7)
    assert history["learning_rate"] == pytest.approx([CURVE[8]], rel=6e-7)


@pytest.mark.parametrize("name", ["ReduceLROnPlateau", "LearningRateScheduler"])
def test_a_second_writer(name):
    model = sgd()
    if name == "ReduceLROnPlateau":
        writer = tf.keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=99)
    else:
        writer = tf.keras.callbacks.LearningRateScheduler(lambda _: 0.03)
    with pytest.warns(UserWarning, match=f"another writer, such as .*{name}") as caught:
        fit(model, CosineAnnealingCallback(t_max=5), writer, epochs=5)
    assert sum("another writer" in str(warning.message) for warning in caught) == 1
    # Ten batches at each of 0.05 (1 + cos(pi e / 5)), whatever the other writer wrote.
    assert weight_of(model) == pytest.approx(-3, rel=6e-7)


def test_a_warmup_that_is_rounded_to_nothing_is_named():
    sentence = r"^warmup must be .* got 0\.05 of 10 epochs, .*; give interval='step' or an int$"
    with pytest.warns(UserWarning, match=sentence):
        fit(sgd(), CosineAnnealingCallback(warmup=0.05), epochs=10)


class EveryBatch(tf.keras.callbacks.Callback):
    """Set a rate of its own at each batch."""

    def on_train_batch_begin(self, batch, logs=None):
        self.model.optimizer.learning_rate = 0.5 + batch / 16


@optimizers
@pytest.mark.parametrize("interval", ["epoch", "step"])
@pytest.mark.parametrize("epochs", [1, 2])
def test_another_rate_that_acts_at_every_batch_is_named_and_logged(kind, interval, epochs):
    model, ours = compiled(kind(0.1)), CosineAnnealingCallback(interval=interval)
    with pytest.warns(UserWarning, match=r"list CosineAnnealingCallback last$"):
        history = fit(model, ours, EveryBatch(), data=DATA[:3], epochs=epochs)
    assert weight_of(model) == pytest.approx(-epochs * (0.5 + 0.5625 + 0.625), rel=6e-7)
    assert history["learning_rate"] == [0.625] * epochs


@optimizers
def test_an_optimizer_that_is_never_applied_is_named(kind):
    class Idle(tf.keras.Sequential):
        def train_step(self, data):
            return {"loss": 0.0}

    model = Idle([tf.keras.Input((1,)), tf.keras.layers.Dense(1)])
    model.compile(kind(0.1), loss="mse")
    with pytest.warns(UserWarning, match=r"got (?i:sgd)\w*, which took no update in the first ep"):
        fit(model, CosineAnnealingCallback(), epochs=2)


@optimizers
def test_a_fit_that_goes_on_with_another_planned_length(kind):
    model = compiled(kind(0.1))
    fit(model, CosineAnnealingCallback(), epochs=4)
    sentence = r"got None and 8 planned epochs after 4 in the fit before; give t_max=$"
    with pytest.warns(UserWarning, match=sentence):
        history = fit(model, CosineAnnealingCallback(), initial_epoch=4, epochs=8)
    right = [0.05, 0.030865828381745, 0.014644660940673, 0.003806023374436]
    assert history["learning_rate"] == pytest.approx(right, rel=6e-7)


@optimizers
def test_a_loop_that_passes_no_params(kind):
    model = compiled(kind(0.1))
    ours = CosineAnnealingCallback(t_max=4)
    hooks = tf.keras.callbacks.CallbackList([ours], model=model)
    hooks.on_train_begin()
    for epoch in range(4):
        hooks.on_epoch_begin(epoch)
        hooks.on_train_batch_begin(0)
        model.train_on_batch(DATA[:1], DATA[:1])
        hooks.on_train_batch_end(0)
        hooks.on_epoch_end(epoch)
    assert weight_of(model) == pytest.approx(-0.1 * sum(COSINE_4), rel=6e-7)
    with pytest.raises(ValueError, match=r"^t_max must be given .*got None epochs of 1 batches"):
        tf.keras.callbacks.CallbackList([CosineAnnealingCallback()], model=model).on_train_begin()


def test_two_callbacks_on_one_optimizer_are_refused():
    model = sgd()
    with pytest.raises(ValueError, match=r"^callbacks must hold one Cosine.*, got two; remove one"):
        fit(model, CosineAnnealingCallback(t_max=4), CosineAnnealingCallback(t_max=9), epochs=2)
    assert weight_of(model) == 0
    assert rate_of(model) == pytest.approx(0.1)


def loss_scaled(optimizer):
    if LEGACY:
        return tf.keras.mixed_precision.LossScaleOptimizer(optimizer)
    return tf.keras.optimizers.LossScaleOptimizer(optimizer)


@optimizers
def test_skipped_updates_still_advance_the_curve(kind):
    model = compiled(loss_scaled(kind(0.1)))
    data = DATA.copy()
    data[[1, 2, 5, 7]] = np.inf
    fit(model, per_step(), data=data)
    used = [rate for e, rate in enumerate(CURVE) if e not in (1, 2, 5, 7)]
    assert weight_of(model) == pytest.approx(-sum(used), rel=6e-7)


@optimizers
def test_mixed_precision(kind):
    tf.keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = compiled(kind(0.1))
        fit(model, per_step())
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    assert weight_of(model) == pytest.approx(-0.55, rel=6e-7)


def test_the_rate_is_in_history_progress_bar_and_csv(tmp_path, capsys):
    model = sgd()
    log = tf.keras.callbacks.CSVLogger(tmp_path / "log.csv")
    history = fit(model, CosineAnnealingCallback(t_max=4), log, epochs=2, verbose=2)
    right = pytest.approx([0.1, 0.08535534], rel=6e-7)
    keys = ["learning_rate", "lr"] if LEGACY else ["learning_rate"]
    assert {key: history[key] for key in history if key != "loss"} == dict.fromkeys(keys, right)
    assert "learning_rate: 0.0854" in capsys.readouterr().out
    assert "learning_rate" in (tmp_path / "log.csv").read_text().splitlines()[0]


def test_the_rate_is_in_tensorboard(tmp_path):
    board = tf.keras.callbacks.TensorBoard(tmp_path)
    fit(sgd(), CosineAnnealingCallback(t_max=4), board, epochs=4)
    rates = {}
    for file in tmp_path.glob("train/events*"):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                if value.tag == "epoch_learning_rate":
                    rates[event.step] = float(tf.make_ndarray(value.tensor))
    assert [*rates] == [0, 1, 2, 3]
    assert [*rates.values()] == pytest.approx([0.1 * factor for factor in COSINE_4], rel=6e-7)


ALL = {
    "t_max": 40,
    "lr_min": 0.001,
    "lr_initial": 0.1,
    "interval": "step",
    "warmup": 0.25,
    "hold": 3,
    "warmup_start_ratio": 0.1,
    "cycles": 2,
    "t_mult": 2,
    "peak_decay": 0.5,
    "optimizers": ("d_optimizer", "g_optimizer"),
}
ALL_SHOWN = (
    "lr_initial=0.1, t_max=40, lr_min=0.001, warmup=0.25, hold=3, warmup_start_ratio=0.1, "
    "cycles=2, t_mult=2, peak_decay=0.5, interval='step', "
    "optimizers=['d_optimizer', 'g_optimizer']"
)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, ""),
        ({"t_max": np.int64(10), "lr_min": 0, "interval": "epoch"}, "t_max=10"),
        (
            {"t_max": 0.5, "lr_min_ratio": 1, "cycles": None},
            "t_max=0.5, lr_min_ratio=1.0, cycles=None",
        ),
        ({"interval": "step", "t_mult": 2}, "t_mult=2, interval='step'"),
        (ALL, ALL_SHOWN),
    ],
)
def test_the_repr_is_the_call_that_builds_an_equal_callback(options, text):
    callback = CosineAnnealingCallback(**options)
    assert repr(callback) == f"CosineAnnealingCallback({text})"
    assert repr(eval(repr(callback))) == repr(callback)  # noqa: S307 - our own repr


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("T_max", "; T_max is t_max here"),
        ("decay_steps", "; decay_steps is t_max here"),
        ("eta_min", "; eta_min is lr_min here"),
        ("alpha", "; alpha is lr_min_ratio here"),
        ("warmup_steps", "; warmup_steps is warmup here"),
        ("learning_rate", "; learning_rate is lr_initial here"),
        ("verbose", ""),
    ],
)
def test_an_unknown_argument_is_refused_with_the_one_that_is_meant(name, hint):
    sentence = f"CosineAnnealingCallback() got an unexpected keyword argument '{name}'{hint}"
    with pytest.raises(TypeError, match=f"^{re.escape(sentence)}$"):
        CosineAnnealingCallback(**{name: 1})


def test_arguments_are_taken_by_name_only():
    sentence = r"^CosineAnnealingCallback\(\) takes its arguments by name, got 10$"
    with pytest.raises(TypeError, match=sentence):
        CosineAnnealingCallback(10)
    with pytest.raises(TypeError, match=sentence):
        CosineAnnealingCallback(10, 0.01, interval="step")


def test_docstring_example():
    result = doctest.testmod(cosine_callbacks.tensorflow)
    assert result.attempted >= 8
    assert result.failed == 0
