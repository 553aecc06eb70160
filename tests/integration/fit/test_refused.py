"""What `fit` refuses before it changes anything, and what it warns of."""

import doctest
import inspect
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.curve import cosine
from tests.fuzz import EXAMPLES, assert_refused, values

from .parts import (
    BACKEND,
    DATA,
    LEGACY,
    CosineAnnealingCallback,
    Forwarding,
    Idle,
    batches,
    close,
    compiled,
    either_interval,
    either_wrap,
    fit,
    keras,
    keras_3,
    loss_scaled,
    multi,
    once,
    per_step,
    rate_of,
    train,
    weight_of,
)

NO_PEAK = (
    r"^the rate of (?i:sgd)\w* must be > 0 and finite to be the peak, got {}; give lr_initial=$"
)
ARGUMENTS = [*inspect.signature(CosineAnnealingCallback.__init__).parameters][1:]


def assert_fit_refuses(sentence, model, *callbacks, **options):
    """Check that `fit` raises this error and changes neither the weight nor the rate."""
    rate = rate_of(model.optimizer)
    with pytest.raises(ValueError, match=sentence):
        fit(model, *callbacks, **options)
    assert (weight_of(model), str(rate_of(model.optimizer))) == (0, str(rate))


any_wrap = pytest.mark.parametrize("wrap", [lambda plain: plain, loss_scaled, Forwarding])


@any_wrap
@pytest.mark.parametrize("kind", ["schedule", "function"])
def test_an_optimizer_without_a_settable_rate_is_refused(sgd, kind, wrap):
    if kind == "function" and LEGACY and "legacy" not in sgd.__module__:
        pytest.skip("these call a function once and keep its value")
    decay = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    model = compiled(wrap(sgd(decay if kind == "schedule" else lambda: 0.1)))
    # No schedule of ours works in tf_keras.
    cure = "a float" if LEGACY else "a float, or .* give it a CosineAnnealingSchedule"
    sentence = rf"^\w+ must hold a rate that can be set, got a schedule or a function; .* {cure}$"
    with pytest.raises(ValueError, match=sentence):
        fit(model, per_step())
    assert weight_of(model) == 0


@pytest.mark.skipif(not LEGACY, reason="Keras 3 has no legacy optimizers")
@any_wrap
def test_a_decay_is_a_second_schedule(wrap):
    model = compiled(wrap(keras.optimizers.legacy.SGD(0.1, decay=0.5)))
    sentence = r"^SGD must have no decay of its own, got decay=0\.5; build it without decay=$"
    assert_fit_refuses(sentence, model, per_step())


@pytest.mark.parametrize(
    ("rate", "options", "sentence"),
    [
        *((rate, {}, NO_PEAK.format(rate)) for rate in (0.0, float("inf"), float("nan"))),
        (0.1, {"lr_min": 0.5}, r"^lr_min must be <= the rate of (?i:sgd)\w* \(0\.1\), got 0\.5;"),
        (0.1, {"lr_initial": 1e39}, r"^lr_initial must be in \(0, 3\.40282e\+38\], got 1e\+39$"),
    ],
)
def test_a_rate_that_is_no_peak_is_refused(sgd, rate, options, sentence):
    assert_fit_refuses(sentence, compiled(sgd(rate)), per_step(**options))


def test_the_cure_of_a_rate_of_0(sgd):
    assert train(compiled(sgd(0.0)), per_step(lr_initial=0.1))[0] == close(0.55)


def test_an_unknown_length_is_refused_where_it_is_needed(sgd):
    model, whole, later = compiled(sgd(0.1)), per_step(None), {"initial_epoch": 1, "epochs": 2}
    sentence = r"^t_max must .*got 1 epochs of None batches; give t_max= or .*steps_per_epoch="
    assert_fit_refuses(sentence, model, whole, data=batches(3))
    sentence = "^steps_per_epoch must be given .*got epoch 1 with"
    assert_fit_refuses(sentence, model, per_step(9), data=batches(3), **later)
    hooks = keras.callbacks.CallbackList([CosineAnnealingCallback()], model=model)
    with pytest.raises(ValueError, match=r"^t_max must be given .*got None epochs of 1 batches"):
        hooks.on_train_begin()


def test_the_cures_of_an_unknown_length(sgd):
    used, _ = train(compiled(sgd(0.1)), per_step(None), data=batches(10), steps_per_epoch=10)
    assert used == close(0.55)
    # The number of epochs is known.
    assert train(compiled(sgd(0.1)), CosineAnnealingCallback(), data=batches(3))[1] == close([0.1])


def test_two_callbacks_on_one_optimizer_are_refused(sgd):
    model, first, second = compiled(sgd(0.1)), per_step(), CosineAnnealingCallback(t_max=9)
    sentence = r"^callbacks must hold one CosineAnnealingCallback for (?i:sgd)\w*, got two; remove"
    assert_fit_refuses(sentence, model, first, second, epochs=2)
    for each in (first, second, first):  # in separate fits they are allowed
        fit(model, each)


@keras_3
def test_a_model_without_an_optimizer_is_refused():
    with pytest.raises(ValueError, match=r"^the model must have an optimizer, got None; compile"):
        fit(compiled(None), CosineAnnealingCallback())


@multi
@pytest.mark.skipif(BACKEND != "tensorflow", reason="others build before the callbacks begin")
def test_optimizers_that_are_not_built_yet_are_refused(sgd):
    model = compiled(keras.optimizers.MultiOptimizer(lambda _: sgd(0.1)))
    with pytest.raises(ValueError, match=r"model\.optimizer\.build\(model\.trainable_variables\)"):
        fit(model, per_step())


@pytest.mark.skipif(BACKEND == "torch", reason="Keras does not support it on torch")
def test_several_steps_per_execution_raise_a_warning(sgd):
    cure = "compile .* steps_per_execution=1" if LEGACY else "give .* a CosineAnnealingSchedule"
    with pytest.warns(UserWarning, match=f"steps_per_execution=4; {cure} for one per update$"):
        used, logged = train(compiled(sgd(0.1), steps_per_execution=4), per_step())
    # The last execution has the last two batches.
    assert used == close(4 * cosine(0, 10) + 4 * cosine(4, 10) + 2 * cosine(8, 10))
    assert logged == close([cosine(8, 10)])


def test_a_warmup_that_is_rounded_to_nothing_is_named_once(sgd):
    sentence = r"^warmup must be .* got 0\.05 of 10 epochs, .*; give interval='step' or an int$"
    model = compiled(sgd(0.1))
    with pytest.warns(UserWarning, match=sentence) as caught:
        fit(model, CosineAnnealingCallback(warmup=0.05), data=DATA[:2], epochs=10)
    assert sum("warmup" in str(warning.message) for warning in caught) == 1
    fit(model, per_step(t_max=None, warmup=0.05), data=DATA[:2], epochs=10)  # one update


@either_interval
@either_wrap
def test_an_optimizer_that_is_never_applied_is_named_once(sgd, interval, wrap):
    model = compiled(wrap(sgd(0.1)), kind=Idle)
    sentence = (
        r"^model\.optimizer must be an optimizer that train_step applies, got (?i:sgd)\w*, which "
        "took no update in the first epoch; give optimizers= the names of those applied$"
    )
    with pytest.warns(UserWarning, match=sentence) as caught:
        fit(model, CosineAnnealingCallback(interval=interval), epochs=3)
    assert sum("took no update" in str(warning.message) for warning in caught) == 1


def test_a_first_epoch_of_skipped_updates_is_no_idle_one(sgd):
    data = np.full((2, 1), np.inf, "float32")
    used, _ = train(compiled(loss_scaled(sgd(0.1))), CosineAnnealingCallback(), data=data)
    assert used == 0


@pytest.mark.parametrize("name", ARGUMENTS)
def test_each_argument_is_checked_when_built(name):
    with pytest.raises((TypeError, ValueError), match=rf"^{name} must "):
        CosineAnnealingCallback(**{name: object()})


@pytest.mark.parametrize(
    ("error", "values"),
    [
        (TypeError, [["a", None], ["a", ["b"]], b"a", {"a"}]),
        (ValueError, ["", [], [""], ["a", "a"]]),
    ],
)
def test_wrong_names_of_optimizers_are_refused(error, values):
    for value in values:
        with pytest.raises(error, match=r"^optimizers must .*, got .*; \w+"):
            CosineAnnealingCallback(optimizers=value)


def test_arguments_are_taken_by_our_names_only():
    sentence = (
        r"^CosineAnnealingCallback\(\) got an unexpected .* 'eta_min'; eta_min is lr_min here$"
    )
    with pytest.raises(TypeError, match=sentence):
        CosineAnnealingCallback(eta_min=1)
    with pytest.raises(TypeError, match=r"^\w+Callback\(\) takes its arguments by name, got 10$"):
        CosineAnnealingCallback(10)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, ""),
        ({"t_max": np.int64(10), "lr_min": 0, "interval": "epoch"}, "t_max=10"),
        ({"t_max": 0.5, "interval": "step"}, "t_max=0.5, interval='step'"),
        ({"optimizers": ("d_optimizer", "g")}, "optimizers=['d_optimizer', 'g']"),
    ],
)
def test_the_repr_is_the_call_that_builds_an_equal_callback(options, text):
    callback = CosineAnnealingCallback(**options)
    assert repr(callback) == f"CosineAnnealingCallback({text})"
    assert repr(eval(repr(callback))) == repr(callback)  # noqa: S307 - our own repr


@once
@EXAMPLES
@given(st.dictionaries(st.sampled_from(ARGUMENTS), values, max_size=3))
def test_any_arguments_build_a_callback_or_are_refused(given):
    try:
        callback = CosineAnnealingCallback(**given)
    except (TypeError, ValueError) as error:
        assert_refused(error, ARGUMENTS)
    else:
        assert repr(eval(repr(callback))) == repr(callback)  # noqa: S307 - our own repr


def test_the_examples_of_the_docstrings():
    result = doctest.testmod(sys.modules[CosineAnnealingCallback.__module__])
    assert result.attempted >= 8
    assert result.failed == 0
