"""The sum of the rates that a real fit used, read off the weight, in many configurations."""

from itertools import accumulate

import keras
import numpy as np
import pytest
from keras import ops

from cosine_callbacks.keras import CosineAnnealingCallback, CosineAnnealingSchedule
from tests.integration.keras.parts import (
    BACKEND,
    DATA,
    Scaled,
    Weight,
    compiled,
    fit,
    prediction,
    weight_of,
)

# LR(e) / LR_initial of the plain curve over 10, from the half-angle identities.
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
STEP = {"t_max": 10, "interval": "step"}

multi = pytest.mark.skipif(
    not hasattr(keras.optimizers, "OptimizerMap"), reason="new in Keras 3.15"
)


def by_schedule(kind=keras.optimizers.SGD, **options):
    return kind(CosineAnnealingSchedule(lr_initial=0.1, t_max=10), **options), []


def by_callback(kind=keras.optimizers.SGD, **options):
    return kind(0.1, **options), [CosineAnnealingCallback(**STEP)]


either = pytest.mark.parametrize("made", [by_schedule, by_callback])


@either
@pytest.mark.parametrize(
    "options",
    [{}, {"jit_compile": True}, {"run_eagerly": True}, {"jit_compile": False}],
    ids=str,
)
def test_plain(made, options):
    optimizer, callbacks = made()
    if options.get("jit_compile") and BACKEND == "torch":
        options = {"jit_compile": False}  # torch would need a compiler to be installed
    model = compiled(optimizer, **options)
    fit(model, *callbacks)
    assert weight_of(model) == pytest.approx(-0.55, rel=6e-7)


@either
def test_past_the_end(made):
    optimizer, callbacks = made()
    model = compiled(optimizer)
    fit(model, *callbacks, epochs=3)
    assert weight_of(model) == pytest.approx(-0.55, rel=6e-7)


@pytest.mark.parametrize("by", ["schedule", "callback"])
def test_accumulation(by):
    rate = (
        0.1
        if by == "callback"
        else CosineAnnealingSchedule(lr_initial=0.1, t_max=4, gradient_accumulation_steps=3)
    )
    callbacks = [CosineAnnealingCallback(interval="step")] if by == "callback" else []
    model = compiled(keras.optimizers.SGD(rate, gradient_accumulation_steps=3))
    fit(model, *callbacks, data=np.ones((12, 1), "float32"))
    assert weight_of(model) == pytest.approx(-0.25, rel=6e-7)


def test_two_updates_of_four_batches():
    schedule = CosineAnnealingSchedule(lr_initial=0.1, t_max=2, gradient_accumulation_steps=4)
    model = compiled(keras.optimizers.SGD(schedule, gradient_accumulation_steps=4))
    fit(model, data=np.ones((8, 1), "float32"))
    assert weight_of(model) == pytest.approx(-0.15, rel=6e-7)


@pytest.mark.skipif(BACKEND == "torch", reason="Keras does not support it on torch")
def test_schedule_with_several_steps_per_execution():
    optimizer, _ = by_schedule()
    model = compiled(optimizer, steps_per_execution=4)
    fit(model)
    assert weight_of(model) == pytest.approx(-0.55, rel=6e-7)


def fit_with_overflows(made):
    """Train with four of ten gradients infinite, whose updates the loss scaling skips."""
    optimizer, callbacks = made()
    model = compiled(keras.optimizers.LossScaleOptimizer(optimizer), Scaled)
    data = DATA.copy()
    data[[1, 2, 5, 7]] = np.inf
    fit(model, *callbacks, data=data)
    return weight_of(model)


def test_skipped_updates_do_not_advance_the_schedule():
    assert fit_with_overflows(by_schedule) == pytest.approx(-sum(CURVE[:6]), rel=6e-7)


def test_the_callback_counts_batches_so_that_the_curve_ends_with_the_run():
    used = [rate for e, rate in enumerate(CURVE) if e not in (1, 2, 5, 7)]
    assert fit_with_overflows(by_callback) == pytest.approx(-sum(used), rel=6e-7)


@either
def test_mixed_precision(made):
    optimizer, callbacks = made()
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = compiled(optimizer)
        fit(model, *callbacks)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert weight_of(model) == pytest.approx(-0.55, rel=6e-7)


@either
def test_moving_average(made):
    # With momentum 0 the average is the last weight.
    optimizer, callbacks = made(use_ema=True, ema_momentum=0.0)
    model = compiled(optimizer)
    fit(model, *callbacks)
    assert weight_of(model) == pytest.approx(-0.55, rel=6e-7)


@either
def test_adamw(made):
    optimizer, callbacks = made(keras.optimizers.AdamW, weight_decay=0.5, beta_1=0.0, beta_2=0.0)
    model = compiled(optimizer)
    fit(model, *callbacks)
    # With both betas 0 Adam turns any gradient into 1; Keras multiplies the decay by the rate.
    *_, right = accumulate([0.0, *CURVE], lambda weight, lr: weight - lr * 0.5 * weight - lr)
    assert weight_of(model) == pytest.approx(right, rel=6e-7)


@multi
@pytest.mark.parametrize("by", ["schedule", "callback"])
@pytest.mark.parametrize("scaled", [False, True])
def test_several_optimizers(by, scaled):
    def optimizer(rate, name):
        given = CosineAnnealingSchedule(lr_initial=rate, t_max=10) if by == "schedule" else rate
        return keras.optimizers.SGD(given, name=name)

    inputs = keras.Input((1,))
    one, other = Weight(name="one"), Weight(name="other")
    model = keras.Model(inputs, one(inputs) + other(inputs))
    chosen = keras.optimizers.OptimizerMap(optimizer(0.1, "slow"))
    chosen[".*other.*"] = optimizer(0.2, "fast")
    both = keras.optimizers.MultiOptimizer(chosen)
    if scaled:
        both = keras.optimizers.LossScaleOptimizer(both)
    model.compile(both, loss=prediction)
    callbacks = [CosineAnnealingCallback(**STEP, lr_min_ratio=0.0)] if by == "callback" else []
    history = fit(model, *callbacks)
    weights = [float(ops.convert_to_numpy(layer.weight)) for layer in (one, other)]
    assert weights == pytest.approx([-0.55, -1.1], rel=6e-7)
    if by == "callback":
        assert history.history["learning_rate_slow"][0] == pytest.approx(CURVE[-1], rel=6e-7)
        assert history.history["learning_rate_fast"][0] == pytest.approx(2 * CURVE[-1], rel=6e-7)


@multi
def test_each_of_several_optimizers_with_one_name_is_logged():
    inputs = keras.Input((1,))
    one, other = Weight(name="one"), Weight(name="other")
    model = keras.Model(inputs, one(inputs) + other(inputs))
    chosen = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1, name="sgd"))
    chosen[".*other.*"] = keras.optimizers.SGD(0.2, name="sgd")
    model.compile(keras.optimizers.MultiOptimizer(chosen), loss=prediction)
    history = fit(model, CosineAnnealingCallback(**STEP)).history
    rates = {key: history[key][0] for key in history if "rate" in key}
    # The default comes last in Keras' list.
    assert rates == {
        "learning_rate_sgd_0": pytest.approx(2 * CURVE[-1], rel=6e-7),
        "learning_rate_sgd_1": pytest.approx(CURVE[-1], rel=6e-7),
    }


@multi
def test_a_default_optimizer_without_variables_is_no_idle_one():
    chosen = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1, name="unused"))
    chosen[".*"] = keras.optimizers.SGD(0.1, name="used")
    model = compiled(keras.optimizers.MultiOptimizer(chosen))
    fit(model, CosineAnnealingCallback(**STEP))
    assert weight_of(model) == pytest.approx(-0.55, rel=6e-7)


def test_a_custom_training_loop():
    weight = keras.Variable(0.0)
    optimizer, _ = by_schedule()
    for _ in range(10):
        optimizer.apply([ops.ones(())], [weight])
    assert float(ops.convert_to_numpy(weight)) == pytest.approx(-0.55, rel=6e-7)
    assert float(ops.convert_to_numpy(optimizer.learning_rate)) == 0


@pytest.mark.parametrize("by", ["schedule", "callback"])
def test_a_loop_with_the_callback_list(by):
    optimizer, callbacks = by_schedule() if by == "schedule" else by_callback()
    model = compiled(optimizer)
    hooks = keras.callbacks.CallbackList(callbacks, model=model, epochs=2, steps=5)
    hooks.on_train_begin()
    for epoch in range(2):
        hooks.on_epoch_begin(epoch)
        for batch in range(5):
            hooks.on_train_batch_begin(batch)
            model.train_on_batch(DATA[:1], DATA[:1])
            hooks.on_train_batch_end(batch)
        hooks.on_epoch_end(epoch)
    hooks.on_train_end()
    assert weight_of(model) == pytest.approx(-0.55, rel=6e-7)


def test_one_schedule_serves_two_optimizers():
    schedule = CosineAnnealingSchedule(lr_initial=0.1, t_max=10)
    models = [compiled(keras.optimizers.SGD(schedule)) for _ in range(2)]
    for model in models:
        fit(model)
    assert [weight_of(model) for model in models] == pytest.approx([-0.55] * 2, rel=6e-7)
