"""Callback and schedule with each way to compile, and each kind of optimizer.

The rates of ten updates, 1/2 (1 + cos(pi e / 10)) of 0.1, add up to 0.55.
"""

import numpy as np
import pytest

from cosine_callbacks.keras import CosineAnnealingSchedule
from tests.curve import cosine

from .parts import (
    BACKEND,
    DATA,
    CosineAnnealingCallback,
    Forwarding,
    close,
    compiled,
    either_wrap,
    fit,
    keras,
    keras_3,
    loss_scaled,
    multi,
    per_step,
    train,
    train_on_a_batch,
    weight_of,
)


def train_annealed(annealed, kind, wrap=lambda plain: plain, data=DATA, **options):
    """Train ten updates; return the sum of the rates used."""
    rate, callbacks = annealed()
    return train(compiled(wrap(kind(rate, **options))), *callbacks, data=data)[0]


@pytest.mark.parametrize(
    "options", [{"run_eagerly": True}, {"jit_compile": True}, {"jit_compile": False}], ids=str
)
def test_each_way_to_compile(sgd, annealed, options):
    if options.get("jit_compile") and (BACKEND == "torch" or "legacy" in sgd.__module__):
        pytest.skip("torch would need a compiler; legacy optimizers cannot be compiled")
    rate, callbacks = annealed()
    # In the second epoch they stay at the floor.
    assert train(compiled(sgd(rate), **options), *callbacks, epochs=2)[0] == close(0.55)


def test_mixed_precision(sgd, annealed):
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        assert train_annealed(annealed, sgd) == close(0.55)
    finally:
        keras.mixed_precision.set_global_policy("float32")


def test_skipped_updates_advance_the_callback_so_that_it_ends_with_the_run(sgd, annealed):
    """They do not advance the schedule."""
    data, skipped = DATA.copy(), [1, 2, 5, 7]
    data[skipped] = np.inf
    by_callback = [e for e in range(10) if e not in skipped]
    right = by_callback if annealed()[1] else range(6)
    used = train_annealed(annealed, sgd, loss_scaled, data)
    assert used == close(sum(cosine(e, 10) for e in right))


def test_an_optimizer_that_forwards_its_rate(sgd):
    assert train(compiled(Forwarding(sgd(0.1))), per_step())[0] == close(0.55)


@keras_3
def test_a_moving_average_of_the_weights(sgd, annealed):
    # With momentum 0 the average is the last weight.
    assert train_annealed(annealed, sgd, use_ema=True, ema_momentum=0.0) == close(0.55)


@keras_3
def test_adamw(annealed):
    options = {"weight_decay": 0.5, "beta_1": 0.0, "beta_2": 0.0}
    # With both betas 0 Adam turns any gradient into 1; Keras multiplies the decay by the rate.
    right = 0.0
    for e in range(10):
        right -= cosine(e, 10) * (0.5 * right + 1)
    assert train_annealed(annealed, keras.optimizers.AdamW, **options) == close(-right)


def several(optimizer, other, wrap, *callbacks):
    """Train two weights with an optimizer for each; return the weights and the logged rates."""
    inputs, zeros = keras.Input((1,)), {"use_bias": False, "kernel_initializer": "zeros"}
    layers = [keras.layers.Dense(1, name=name, **zeros) for name in ("one", "other")]
    chosen = keras.optimizers.OptimizerMap(optimizer)
    chosen[".*other.*"] = other
    model = keras.Model(inputs, layers[0](inputs) + layers[1](inputs))
    model.compile(wrap(keras.optimizers.MultiOptimizer(chosen)), loss="mae")
    history = fit(model, *callbacks)
    del history["loss"]
    return [weight.item() for weight in model.get_weights()], history


@multi
@either_wrap
def test_several_optimizers(sgd, annealed, wrap):
    (slow, callbacks), (fast, _) = annealed(), annealed(0.2)
    weights, _ = several(sgd(slow), sgd(fast), wrap, *callbacks)
    assert weights == close([-0.55, -1.1])


@multi
@either_wrap
@pytest.mark.parametrize(
    ("names", "own", "logged"),
    [
        (None, ("slow", "fast"), ("slow", "fast")),
        # The default comes last in Keras' list.
        (None, ("sgd", "sgd"), ("sgd_1", "sgd_0")),
        ("optimizer", ("slow", "fast"), ("optimizer_slow", "optimizer_fast")),
    ],
)
def test_each_of_several_optimizers_with_one_name_is_logged(wrap, names, own, logged):
    slow, fast = (keras.optimizers.SGD(0.1 + 0.1 * i, name=name) for i, name in enumerate(own))
    _, history = several(slow, fast, wrap, per_step(optimizers=names))
    right = close([cosine(9, 10)]), close([cosine(9, 10, 0.2)])
    keys = (f"learning_rate_{name}" for name in logged)
    assert history == dict(zip(keys, right, strict=True))


@multi
def test_a_default_optimizer_without_variables_is_no_idle_one(sgd, annealed):
    # Warnings of the package are errors in our tests.
    (rate, callbacks), chosen = annealed(), keras.optimizers.OptimizerMap(sgd(0.1, name="unused"))
    chosen[".*"] = sgd(rate, name="used")
    assert train(compiled(keras.optimizers.MultiOptimizer(chosen)), *callbacks)[0] == close(0.55)


@keras_3
@pytest.mark.parametrize(
    ("batches", "interval", "rates", "logged"),
    [
        ((12, 3), "step", [0.1, 0.08535534, 0.05, 0.01464466], [0.01464466]),
        # Updates after batches 3, 7 and 11 of 14, of which three are planned.
        ((7, 4), "step", [0.1, 0.075, 0.025], [0.1, 0.025]),
        ((7, 4), "epoch", [0.1, 0.05, 0.05], [0.1, 0.05]),
        # One update, after the second epoch: the third has none.
        ((2, 4), "epoch", [0.075], [0.1, 0.075, 0.075]),
        ((2, 4), "step", [0.1], [0.1, 0.1, 0.1]),
        # Fewer batches than one update takes.
        ((10, 16), "step", [], [0.1]),
    ],
)
def test_accumulation(sgd, batches, interval, rates, logged):
    """Given are the batches of an epoch and of an update; the log has the rate of the last one."""
    model = compiled(sgd(0.1, gradient_accumulation_steps=batches[1]))
    ours, data = CosineAnnealingCallback(interval=interval), np.ones((batches[0], 1), "float32")
    assert train(model, ours, data=data, epochs=len(logged)) == (close(sum(rates)), close(logged))


@keras_3
def test_the_log_of_a_second_fit_after_half_an_update(sgd):
    model = compiled(sgd(0.1, gradient_accumulation_steps=4))
    assert train(model, per_step(2), data=DATA[:7]) == (close(0.1), close([0.1]))
    # Its updates take batches 0 and 4, after three that were left over.
    assert train(model, per_step(2), data=DATA[:7]) == (close(0.15), close([0.05]))


@keras_3
@pytest.mark.parametrize(("n", "batches", "right"), [(3, 12, 0.25), (4, 8, 0.15)])
def test_accumulation_with_the_schedule(sgd, n, batches, right):
    unit = {"t_max": batches // n, "gradient_accumulation_steps": n}
    schedule = CosineAnnealingSchedule(lr_initial=0.1, **unit)
    model = compiled(sgd(schedule, gradient_accumulation_steps=n))
    assert train(model, data=np.ones((batches, 1), "float32"))[0] == close(right)


@keras_3
@pytest.mark.skipif(BACKEND == "torch", reason="Keras does not support it on torch")
def test_several_steps_per_execution_with_the_schedule(sgd):
    schedule = CosineAnnealingSchedule(lr_initial=0.1, t_max=10)
    model = compiled(sgd(schedule), steps_per_execution=4)
    assert train(model, epochs=2)[0] == close(0.55)  # in the second epoch it stays at the floor


@keras_3
def test_one_schedule_in_loops_of_the_user(sgd):
    schedule, weight = CosineAnnealingSchedule(lr_initial=0.1, t_max=10), keras.Variable(0.0)
    model, optimizer = compiled(sgd(schedule)), sgd(schedule)
    for _ in range(12):
        train_on_a_batch(model)
        optimizer.apply([keras.ops.ones(())], [weight])
    right = close(-0.55)
    assert (weight_of(model), float(keras.ops.convert_to_numpy(weight))) == (right, right)
    assert float(keras.ops.convert_to_numpy(optimizer.learning_rate)) == 0
