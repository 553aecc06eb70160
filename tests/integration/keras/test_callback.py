"""The callback in `fit`: positions, base rates, errors, warnings and logs."""

import copy
import csv
import math
import re
import warnings

import keras
import numpy as np
import pytest

from cosine_callbacks.keras import CosineAnnealingCallback, CosineAnnealingSchedule
from tests.curve import cosine
from tests.integration.keras.parts import BACKEND, DATA, Scaled, Weight, compiled, fit, weight_of


def sgd(rate=0.1, **options):
    return compiled(keras.optimizers.SGD(rate, **options))


def rate_of(model):
    return float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))


def fit_and_sum_rates(model, *callbacks, **options):
    """Return the sum of the rates used, read off the weight, and the history."""
    before = weight_of(model)
    history = fit(model, *callbacks, **options).history
    return before - weight_of(model), history


def batches(number):
    """Yield batches without a known length."""
    for _ in range(number):
        yield DATA[:1], DATA[:1]


def test_per_epoch_is_the_default_over_the_whole_run():
    sum_of_rates, history = fit_and_sum_rates(sgd(), CosineAnnealingCallback(), epochs=4)
    right = [0.1, 0.08535534, 0.05, 0.01464466]
    assert history["learning_rate"] == pytest.approx(right, rel=6e-7)
    assert sum_of_rates == pytest.approx(10 * sum(cosine(e, 4) for e in range(4)), rel=6e-7)


@pytest.mark.parametrize(
    ("options", "right"),
    [
        ({"t_max": 2, "lr_min": 0.01}, [0.1, 0.055, 0.01, 0.01, 0.01]),
        ({"t_max": 2, "lr_min_ratio": 0.1, "lr_initial": 0.2}, [0.2, 0.11, 0.02, 0.02, 0.02]),
        ({"t_max": 0.4, "lr_min": 0.01}, [0.1, 0.055, 0.01, 0.01, 0.01]),
        ({"t_max": 2, "cycles": 2}, [0.1, 0.05, 0.1, 0.05, 0]),
        ({"warmup": 1, "t_max": 3}, [0.05, 0.1, 0.05, 0, 0]),
    ],
    ids=str,
)
def test_parameters(options, right):
    _, history = fit_and_sum_rates(sgd(), CosineAnnealingCallback(**options), epochs=5)
    assert history["learning_rate"] == pytest.approx(right, rel=6e-7, abs=1e-12)


def test_per_update_over_the_whole_run():
    sum_of_rates, history = fit_and_sum_rates(
        sgd(), CosineAnnealingCallback(interval="step"), epochs=2
    )
    assert sum_of_rates == pytest.approx(sum(cosine(e, 20) for e in range(20)), rel=6e-7)
    assert history["learning_rate"] == pytest.approx([cosine(9, 20), cosine(19, 20)], rel=6e-7)


def test_an_equal_rate_is_not_written_again():
    written = []

    class Watched(keras.optimizers.SGD):
        @property
        def learning_rate(self):
            return super().learning_rate

        @learning_rate.setter
        def learning_rate(self, rate):
            written.append(rate)
            keras.optimizers.SGD.learning_rate.fset(self, rate)

    model = compiled(Watched(0.1, gradient_accumulation_steps=5))
    fit(model, CosineAnnealingCallback(interval="step"))
    assert written == pytest.approx([0.1, 0.05], rel=6e-7)


def test_fewer_batches_than_one_update_takes():
    sum_of_rates, history = fit_and_sum_rates(
        sgd(gradient_accumulation_steps=16), CosineAnnealingCallback(interval="step")
    )
    assert sum_of_rates == 0
    assert history["learning_rate"] == pytest.approx([0.1], rel=6e-7)


def test_initial_epoch():
    model = sgd()
    callback = CosineAnnealingCallback(t_max=40, interval="step")
    sum_of_rates, history = fit_and_sum_rates(model, callback, initial_epoch=2, epochs=3)
    assert sum_of_rates == pytest.approx(sum(cosine(e, 40) for e in range(20, 30)), rel=6e-7)
    assert cosine(20, 40) == pytest.approx(0.05)
    by_epoch = CosineAnnealingCallback(t_max=4)
    _, history = fit_and_sum_rates(sgd(), by_epoch, initial_epoch=2, epochs=4)
    assert history["learning_rate"] == pytest.approx([0.05, 0.01464466], rel=6e-7)


def test_a_second_fit_begins_the_curve_anew_at_the_same_base():
    model = sgd()
    first, _ = fit_and_sum_rates(model, CosineAnnealingCallback(t_max=10, interval="step"))
    # Another object on the same optimizer finds the base rate that the first one stored.
    second, _ = fit_and_sum_rates(model, CosineAnnealingCallback(t_max=10, interval="step"))
    assert [first, second] == pytest.approx([0.55, 0.55], rel=6e-7)
    assert rate_of(model) == pytest.approx(cosine(9, 10), rel=6e-7)


def test_the_base_survives_a_batch_that_does_not_exist():
    # Keras begins one batch after the last, and on JAX undoes what was written for it.
    model, callback = sgd(), CosineAnnealingCallback(t_max=24, interval="step")
    for _ in range(2):
        sum_of_rates, _ = fit_and_sum_rates(model, callback, data=batches(12))
        assert sum_of_rates == pytest.approx(sum(cosine(e, 24) for e in range(12)), rel=6e-7)


def test_a_rate_set_in_between_is_a_new_base():
    model, callback = sgd(), CosineAnnealingCallback(t_max=10, interval="step")
    fit(model, callback)
    model.optimizer.learning_rate = 0.2
    with pytest.warns(UserWarning, match=r"present rate 0\.2 is taken .* give lr_initial="):
        sum_of_rates, _ = fit_and_sum_rates(model, callback)
    assert sum_of_rates == pytest.approx(1.1, rel=6e-7)


def test_one_object_in_two_models():
    callback = CosineAnnealingCallback(t_max=10, interval="step")
    for _ in range(2):
        sum_of_rates, _ = fit_and_sum_rates(sgd(), callback)
        assert sum_of_rates == pytest.approx(0.55, rel=6e-7)


def test_a_copied_callback_is_a_callback():
    callback = copy.deepcopy(CosineAnnealingCallback(t_max=10, interval="step"))
    assert fit_and_sum_rates(sgd(), callback)[0] == pytest.approx(0.55, rel=6e-7)


def test_one_epoch_of_unknown_length():
    callback = CosineAnnealingCallback(t_max=24, interval="step")
    sum_of_rates, history = fit_and_sum_rates(sgd(), callback, data=batches(12))
    assert sum_of_rates == pytest.approx(sum(cosine(e, 24) for e in range(12)), rel=6e-7)
    assert history["learning_rate"] == pytest.approx([cosine(11, 24)], rel=6e-7)


@pytest.mark.skipif(BACKEND == "jax", reason="Keras has no data without a length there")
def test_later_epochs_of_unknown_length_go_on():
    if BACKEND == "tensorflow":
        import tensorflow as tf

        data = tf.data.Dataset.from_tensors((DATA[:1], DATA[:1])).repeat(12)
        data = data.filter(lambda *_: True)
    else:
        import torch

        class Stream(torch.utils.data.IterableDataset):
            def __iter__(self):
                return iter([(np.float32([1]), np.float32([1]))] * 12)

        data = torch.utils.data.DataLoader(Stream())
    # On TensorFlow Keras begins one batch after the last: its update must depend on the data.
    model = compiled(keras.optimizers.SGD(0.1), Scaled)
    callback = CosineAnnealingCallback(t_max=24, interval="step")
    sum_of_rates, history = fit_and_sum_rates(model, callback, data=data, epochs=3)
    right = [cosine(e, 24) for e in range(36)]
    assert sum_of_rates == pytest.approx(sum(right), rel=6e-7)
    assert history["learning_rate"] == pytest.approx([right[11], right[23], 0], rel=6e-7)


def test_an_unknown_length_is_refused_where_it_is_needed():
    model = sgd()
    with pytest.raises(
        ValueError, match=r"^t_max must be given .*give t_max= or .*steps_per_epoch="
    ):
        fit(model, CosineAnnealingCallback(interval="step"), data=batches(3))
    assert (weight_of(model), rate_of(model)) == (0, pytest.approx(0.1))
    # The number of epochs is known.
    fit(sgd(), CosineAnnealingCallback(), data=batches(3))


def test_a_later_epoch_of_unknown_length_is_refused():
    model = sgd()
    callback = CosineAnnealingCallback(t_max=24, interval="step")
    with pytest.raises(ValueError, match=r"^steps_per_epoch must be given .*epoch 1"):
        fit(model, callback, data=batches(3), initial_epoch=1, epochs=2)
    assert weight_of(model) == 0


@pytest.mark.parametrize(
    "rate",
    [CosineAnnealingSchedule(lr_initial=0.1, t_max=10), lambda: 0.1],
    ids=["schedule", "function"],
)
def test_an_optimizer_without_a_settable_rate_is_refused(rate):
    model = sgd(rate)
    with pytest.raises(
        ValueError, match=r"^(?i:sgd)\w* must hold a rate .*a CosineAnnealingSchedule$"
    ):
        fit(model, CosineAnnealingCallback(t_max=10))
    assert weight_of(model) == 0


def test_a_floor_above_the_rate_is_refused():
    model = sgd()
    named = r"^lr_min must be <= the rate of (?i:sgd)\w* \(0\.1\), got 0\.5; lower lr_min or"
    with pytest.raises(ValueError, match=named):
        fit(model, CosineAnnealingCallback(t_max=10, lr_min=0.5))
    assert (weight_of(model), rate_of(model)) == (0, pytest.approx(0.1))


def test_a_floor_equal_to_a_float32_rate():
    _, history = fit_and_sum_rates(
        sgd(0.7), CosineAnnealingCallback(t_max=10, lr_min=0.7), epochs=2
    )
    assert history["learning_rate"] == pytest.approx([0.7, 0.7], rel=6e-8)


def test_a_rate_of_0_is_no_peak():
    model = sgd(0.0)
    sentence = (
        r"^the rate of (?i:sgd)\w* must be > 0 and finite to be the peak, got 0\.0; "
        r"give lr_initial=$"
    )
    with pytest.raises(ValueError, match=sentence):
        fit(model, CosineAnnealingCallback(t_max=10))
    sum_of_rates, _ = fit_and_sum_rates(
        model, CosineAnnealingCallback(t_max=10, interval="step", lr_initial=0.1)
    )
    assert sum_of_rates == pytest.approx(0.55, rel=6e-7)


def test_a_trained_optimizer_without_a_remembered_base():
    model = sgd(0.05)
    fit(model)
    with pytest.warns(
        UserWarning, match=r"^(?i:sgd)\w* has been trained before .*give lr_initial="
    ):
        sum_of_rates, _ = fit_and_sum_rates(
            model, CosineAnnealingCallback(t_max=10, interval="step")
        )
    assert sum_of_rates == pytest.approx(0.275, rel=6e-7)


@pytest.mark.skipif(BACKEND == "torch", reason="Keras does not support it on torch")
def test_several_steps_per_execution_raise_a_warning():
    model = compiled(keras.optimizers.SGD(0.1), steps_per_execution=4)
    with pytest.warns(UserWarning, match=r"steps_per_execution=4; .*CosineAnnealingSchedule"):
        history = fit(model, CosineAnnealingCallback(t_max=10, interval="step")).history
    # The last execution trains the last two batches, both at the rate of batch 8.
    assert history["learning_rate"] == pytest.approx([cosine(8, 10)], rel=6e-7)


class ReplaceOptimizer(keras.callbacks.Callback):
    """Replace the model's optimizer after the first epoch."""

    def on_epoch_end(self, epoch, logs=None):
        if not epoch:
            self.model.optimizer = keras.optimizers.SGD(0.1)
            self.model.optimizer.build(self.model.trainable_variables)


@pytest.mark.skipif(BACKEND == "tensorflow", reason="the compiled step keeps the old optimizer")
def test_an_optimizer_exchanged_during_the_fit_follows_the_curve():
    model = compiled(keras.optimizers.SGD(0.1))
    fit(model, CosineAnnealingCallback(t_max=4), ReplaceOptimizer(), epochs=2)
    assert float(model.optimizer.learning_rate) == pytest.approx(cosine(1, 4), rel=6e-7)


def test_a_model_without_an_optimizer():
    with pytest.raises(ValueError, match=r"^the model must have an optimizer, got None; compile"):
        fit(compiled(None), CosineAnnealingCallback())


def test_a_warmup_that_is_rounded_to_nothing_is_named():
    sentence = r"^warmup must be .* got 0\.05 of 10 epochs, .*; give interval='step' or an int$"
    with pytest.warns(UserWarning, match=sentence) as caught:
        fit(sgd(), CosineAnnealingCallback(warmup=0.05), epochs=10)
    assert sum("warmup" in str(warning.message) for warning in caught) == 1
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "warmup")
        fit(sgd(), CosineAnnealingCallback(warmup=0.05, interval="step"), epochs=10)


class SetRate(keras.callbacks.Callback):
    """Set the rate at the end of each epoch."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.optimizer.learning_rate = 0.01


def test_a_second_writer_is_named_once_and_overruled():
    model = sgd()
    with pytest.warns(UserWarning, match=r"another writer, such as ReduceLROnPlateau") as caught:
        _, history = fit_and_sum_rates(model, CosineAnnealingCallback(t_max=4), SetRate(), epochs=4)
    assert len([w for w in caught if "another writer" in str(w.message)]) == 1
    assert history["learning_rate"] == pytest.approx([cosine(e, 4) for e in range(4)], rel=6e-7)


def test_a_second_writer_is_overruled_at_the_floor_too():
    model = sgd()
    with pytest.warns(UserWarning, match="another writer"):
        sum_of_rates, _ = fit_and_sum_rates(
            model, CosineAnnealingCallback(t_max=1, lr_min=0.02), SetRate(), epochs=4
        )
    assert sum_of_rates == pytest.approx(10 * (0.1 + 3 * 0.02), rel=6e-7)


def test_an_undone_write_is_no_second_writer():
    model = sgd()
    hooks = keras.callbacks.CallbackList(
        [CosineAnnealingCallback(t_max=20, interval="step")], model=model, epochs=2, steps=10
    )
    hooks.on_train_begin()
    hooks.on_epoch_begin(0)
    hooks.on_train_batch_begin(0)
    model.train_on_batch(DATA[:1], DATA[:1])
    hooks.on_train_batch_end(0)
    hooks.on_train_batch_begin(1)
    model.optimizer.learning_rate = 0.1  # as Keras on JAX does where batch 1 fails
    hooks.on_epoch_end(0)
    hooks.on_epoch_begin(1)


class EveryBatch(keras.callbacks.Callback):
    """Set a rate of its own at each batch, and note the rates used."""

    def __init__(self, hook):
        super().__init__()
        self.used, self.weight = [], 0.0
        setattr(self, hook, self.write)
        self.async_safe = False

    def write(self, batch, logs=None):
        self.model.optimizer.learning_rate = 0.5 + batch / 16

    def on_epoch_end(self, epoch, logs=None):
        self.used.append(self.weight - weight_of(self.model))
        self.weight = weight_of(self.model)


both_intervals = pytest.mark.parametrize("interval", ["epoch", "step"])


@both_intervals
@pytest.mark.parametrize("epochs", [1, 2])
def test_another_rate_that_acts_at_every_batch_is_named_and_logged(interval, epochs):
    writer = EveryBatch("on_train_batch_begin")
    ours = CosineAnnealingCallback(interval=interval)
    sentence = r"another writer.* got 0\.\d+ where .* or list CosineAnnealingCallback last$"
    with pytest.warns(UserWarning, match=sentence) as caught:
        _, history = fit_and_sum_rates(sgd(), ours, writer, data=DATA[:3], epochs=epochs)
    assert sum("another writer" in str(warning.message) for warning in caught) == 1
    assert writer.used == pytest.approx([0.5 + 0.5625 + 0.625] * epochs, rel=6e-7)
    assert history["learning_rate"] == [0.625] * epochs


@both_intervals
def test_an_only_batch_at_another_rate_is_logged(interval):
    ours = CosineAnnealingCallback(interval=interval)
    writer = EveryBatch("on_train_batch_begin")
    with pytest.warns(UserWarning, match="another writer"):
        _, history = fit_and_sum_rates(sgd(), ours, writer, data=DATA[:1])
    assert (writer.used, history["learning_rate"]) == ([0.5], [0.5])


@both_intervals
def test_listed_last_ours_acts_at_every_batch(interval):
    model, ours = sgd(), CosineAnnealingCallback(interval=interval)
    with pytest.warns(UserWarning, match="another writer"):
        sum_of_rates, history = fit_and_sum_rates(model, EveryBatch("on_train_batch_begin"), ours)
    curve = [0.1] * 10 if interval == "epoch" else [cosine(e, 10) for e in range(10)]
    assert sum_of_rates == pytest.approx(sum(curve), rel=6e-7)
    assert history["learning_rate"] == pytest.approx(curve[-1:], rel=6e-7)


@both_intervals
def test_a_rate_set_at_the_end_of_each_batch_does_not_act_for_long(interval):
    ours = CosineAnnealingCallback(interval=interval)
    with pytest.warns(UserWarning, match="another writer"):
        sum_of_rates, history = fit_and_sum_rates(sgd(), ours, EveryBatch("on_train_batch_end"))
    curve = [0.1] * 10 if interval == "epoch" else [cosine(e, 10) for e in range(10)]
    assert sum_of_rates == pytest.approx(sum(curve), rel=6e-7)
    assert history["learning_rate"] == pytest.approx(curve[-1:], rel=6e-7)


@pytest.mark.parametrize("first", [True, False], ids=["ours first", "ours last"])
def test_a_rate_set_after_the_last_batch_is_not_logged(first):
    callbacks = [CosineAnnealingCallback(t_max=4), SetRate()]
    with pytest.warns(UserWarning, match="another writer"):
        _, history = fit_and_sum_rates(sgd(), *callbacks[:: 1 if first else -1], epochs=4)
    assert history["learning_rate"] == pytest.approx([cosine(e, 4) for e in range(4)], rel=6e-7)


@pytest.mark.parametrize(
    ("interval", "batches_and_steps", "right"),
    [
        # Updates after batches 3, 7 and 11 of 14, of which three are planned.
        ("step", (7, 4), [0.1, 0.025]),
        ("epoch", (7, 4), [0.1, 0.05]),
        # One update, after the second epoch: the third has none.
        ("epoch", (2, 4), [0.1, 0.075, 0.075]),
        ("step", (2, 4), [0.1, 0.1, 0.1]),
    ],
)
def test_the_log_has_the_rate_of_the_last_update(interval, batches_and_steps, right):
    number, steps = batches_and_steps
    _, history = fit_and_sum_rates(
        sgd(gradient_accumulation_steps=steps),
        CosineAnnealingCallback(interval=interval),
        data=DATA[:number],
        epochs=len(right),
    )
    assert history["learning_rate"] == pytest.approx(right, rel=6e-7)


def test_the_log_of_a_second_fit_after_half_an_update():
    model = sgd(gradient_accumulation_steps=4)
    callback = CosineAnnealingCallback(interval="step", t_max=2)
    right = []
    for _ in range(2):
        _, history = fit_and_sum_rates(model, callback, data=DATA[:7])
        right.append(history["learning_rate"][0])
    # Batch 3 of the first fit; batches 0 and 4 of the second, after three that were left over.
    assert right == pytest.approx([0.1, 0.05], rel=6e-7)
    assert weight_of(model) == pytest.approx(-0.1 - 0.1 - 0.05, rel=6e-7)


class Idle(keras.Sequential):
    """A model whose `train_step` leaves the optimizer of the model alone, as that of a GAN does."""

    if BACKEND == "jax":

        def train_step(self, state, data):
            return {"loss": 0.0}, state

    else:

        def train_step(self, data):
            return {"loss": 0.0}


def idle(optimizer):
    model = Idle([keras.Input((1,)), Weight()])
    model.compile(optimizer, loss="mse")
    return model


@both_intervals
@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "scaled"])
def test_an_optimizer_that_is_never_applied_is_named_once(interval, scaled):
    optimizer = keras.optimizers.RMSprop(0.1)
    model = idle(keras.optimizers.LossScaleOptimizer(optimizer) if scaled else optimizer)
    sentence = (
        r"^model\.optimizer must be an optimizer that train_step applies, got rm_?sprop\w*, which "
        "took no update in the first epoch; give optimizers= the names of those applied$"
    )
    with pytest.warns(UserWarning, match=sentence) as caught:
        fit(model, CosineAnnealingCallback(interval=interval), epochs=3)
    assert sum("took no update" in str(warning.message) for warning in caught) == 1


def test_a_first_epoch_of_skipped_updates_is_no_idle_one():
    model = compiled(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)), Scaled)
    fit(model, CosineAnnealingCallback(), data=np.full((2, 1), np.inf, "float32"))
    assert weight_of(model) == 0


class Forwarding(keras.optimizers.Optimizer):
    """Leave everything to another optimizer, its rate too."""

    def __init__(self, inner):
        super().__init__(learning_rate=0.0)
        self.inner = inner

    @property
    def learning_rate(self):
        return self.inner.learning_rate

    @learning_rate.setter
    def learning_rate(self, rate):
        self.inner.learning_rate = rate

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


def test_an_optimizer_that_forwards_its_rate():
    model = compiled(Forwarding(keras.optimizers.SGD(0.1)))
    sum_of_rates, _ = fit_and_sum_rates(model, CosineAnnealingCallback(interval="step"))
    assert sum_of_rates == pytest.approx(0.55, rel=6e-7)
    scheduled = keras.optimizers.SGD(CosineAnnealingSchedule(lr_initial=0.1, t_max=10))
    with pytest.raises(ValueError, match=r"must hold a rate that can be set, got a schedule"):
        fit(compiled(Forwarding(scheduled)), CosineAnnealingCallback(interval="step"))


@pytest.mark.parametrize(
    ("options", "lengths"),
    [
        ({}, "None and 8 planned epochs after 4"),
        ({"interval": "step"}, "80 planned steps after 40"),
    ],
)
def test_a_fit_that_goes_on_with_another_planned_length(options, lengths):
    model, callback = sgd(), CosineAnnealingCallback(**options)
    fit(model, callback, epochs=4)
    sentence = rf"^t_max must be .* {lengths} in the fit before; give t_max=$"
    with pytest.warns(UserWarning, match=sentence) as caught:
        _, history = fit_and_sum_rates(model, callback, initial_epoch=4, epochs=8)
    assert sum("t_max must be" in str(warning.message) for warning in caught) == 1
    ends = range(4, 8) if not options else (e + 0.9 for e in range(4, 8))
    assert history["learning_rate"] == pytest.approx([cosine(e, 8) for e in ends], rel=6e-7)


@pytest.mark.parametrize(
    ("options", "second"),
    [
        ({"t_max": 8}, {"initial_epoch": 4, "epochs": 8}),
        ({}, {"epochs": 8}),
        ({}, {"initial_epoch": 2, "epochs": 4}),
    ],
    ids=["given", "from the first epoch", "as long"],
)
def test_a_fit_that_keeps_to_one_curve_raises_no_warning(options, second):
    model = sgd()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(model, CosineAnnealingCallback(**options), epochs=4)
        fit(model, CosineAnnealingCallback(**options), **second)
    assert not [w for w in caught if "t_max" in str(w.message)]


@pytest.mark.parametrize("interval", ["epoch", "step"])
@pytest.mark.parametrize("first", [True, False], ids=["ours first", "ours last"])
@pytest.mark.parametrize(
    "writer",
    [
        keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=99),
        keras.callbacks.LearningRateScheduler(lambda _: 0.03),
    ],
    ids=lambda writer: type(writer).__name__,
)
def test_keras_own_writers(writer, first, interval):
    ours = CosineAnnealingCallback(t_max=5 if interval == "epoch" else 50, interval=interval)
    callbacks = (ours, writer) if first else (writer, ours)
    # Here our next write overwrites the rate before we read it.
    silent = "Scheduler" in type(writer).__name__ and first and interval == "step"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sum_of_rates, _ = fit_and_sum_rates(sgd(), *callbacks, epochs=5)
    assert sum("another writer" in str(w.message) for w in caught) == (not silent)
    curve = [cosine(e, 5) for e in range(5) for _ in range(10)]
    if interval == "step":
        curve = [cosine(e, 50) for e in range(50)]
    assert sum_of_rates == pytest.approx(sum(curve), rel=6e-7)


def test_two_callbacks_on_one_optimizer_are_refused():
    model, first = sgd(), CosineAnnealingCallback(t_max=4)
    sentence = r"^callbacks must hold one CosineAnnealingCallback for (?i:sgd)\w*, got two; remove"
    with pytest.raises(ValueError, match=sentence):
        fit(model, first, CosineAnnealingCallback(t_max=9), epochs=2)
    assert weight_of(model) == 0
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1)
    # In separate fits they are allowed.
    fit(model, first, epochs=1)
    fit(model, CosineAnnealingCallback(t_max=9), epochs=1)
    fit(model, first, epochs=1)


def test_the_rate_is_in_progress_bar_and_csv(tmp_path, capsys):
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    fit(sgd(), CosineAnnealingCallback(t_max=4), log, epochs=2, verbose=2)
    with (tmp_path / "log.csv").open() as file:
        rates = [float(row["learning_rate"]) for row in csv.DictReader(file)]
    assert rates == pytest.approx([0.1, 0.08535534], rel=6e-7)
    assert "learning_rate: 0.0854" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "error", "name"),
    [
        *(({"t_max": value}, ValueError, "t_max") for value in (0, -1, math.nan, math.inf, 8.0)),
        *(({"t_max": value}, TypeError, "t_max") for value in (True, "10", [10])),
        ({"interval": "batch"}, ValueError, "interval"),
        ({"lr_min": -1}, ValueError, "lr_min"),
        ({"lr_min": math.nan}, ValueError, "lr_min"),
        ({"lr_min": 0.5, "lr_initial": 0.1}, ValueError, "lr_min"),
        ({"warmup": 10, "t_max": 10}, ValueError, "warmup"),
    ],
    ids=str,
)
def test_bad_arguments_are_refused_when_built(options, error, name):
    with pytest.raises(error, match=rf"^{name} ") as refused:
        CosineAnnealingCallback(**options)
    assert "\n" not in str(refused.value)


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


def test_batch_ends_may_come_late_and_out_of_order():
    callback = CosineAnnealingCallback(t_max=20, interval="step")
    callback.set_params({"epochs": 2, "steps": None})
    callback.set_model(sgd())
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    callback.model.train_on_batch(DATA[:1], DATA[:1])
    for batch in (1, 0, 3, 2):
        callback.on_train_batch_end(batch)
    logs = {}
    callback.on_epoch_end(0, logs)
    assert logs == {"learning_rate": pytest.approx(cosine(3, 20))}
    callback.on_epoch_begin(1)
    callback.on_train_batch_begin(0)
    assert rate_of(callback.model) == pytest.approx(cosine(4, 20), rel=6e-7)
    callback.on_epoch_end(1, None)


def test_it_does_not_slow_asynchronous_dispatch():
    assert CosineAnnealingCallback.async_safe


@pytest.mark.skipif(
    BACKEND != "tensorflow" or not hasattr(keras.optimizers, "MultiOptimizer"),
    reason="new in Keras 3.15, which builds the optimizers before the callbacks elsewhere",
)
def test_optimizers_that_are_not_built_yet():
    optimizer = keras.optimizers.SGD(0.1)
    model = sgd()
    model.compile(keras.optimizers.MultiOptimizer(lambda _: optimizer), loss="mse")
    with pytest.raises(ValueError, match=r"model\.optimizer\.build\(model\.trainable_variables\)"):
        fit(model, CosineAnnealingCallback(t_max=10))
