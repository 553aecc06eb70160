"""Whatever the schedule or the callback is given, it works or raises a one-line error."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosine_callbacks.keras import CosineAnnealingCallback, CosineAnnealingSchedule
from tests.fuzz import EXAMPLES, assert_refused, values

SHAPE = {
    "t_max": st.integers(1, 9),
    "lr_min": st.just(0.0) | st.floats(0, 0.01),
    "lr_initial": st.floats(0.01, 1),
    "lr_min_ratio": st.none() | st.floats(0, 1),
    "warmup": st.integers(0, 2),
    "hold": st.integers(0, 2),
    "warmup_start_ratio": st.none() | st.floats(0, 1),
    "cycles": st.none() | st.integers(1, 3),
    "t_mult": st.integers(1, 3),
    "peak_decay": st.floats(0.1, 1),
}
SCHEDULE = {
    **SHAPE,
    "steps_per_epoch": st.none() | st.integers(1, 5),
    "gradient_accumulation_steps": st.integers(1, 5),
    "name": st.sampled_from(["lr", "a/b", " ", "ü", "_", "a" * 10**6, ".a>b-c"]),
}
CALLBACK = {**SHAPE, "interval": st.sampled_from(["epoch", "step"])}
CALLBACK["optimizers"] = st.none() | st.text(min_size=1) | st.lists(st.text(min_size=1), min_size=1)
# Some backends compile each number of steps separately.
STEPS = np.array([-1, 0, 1, 2, 3, 5, 8, 9, 100, 2**31 - 1], "int32")


def arguments(data, table, required=()):
    names = {*required, *data.draw(st.sets(st.sampled_from([*table]), max_size=4))}
    invalid = data.draw(st.sets(st.sampled_from([*table]), max_size=2))
    return {name: data.draw(values if name in invalid else table[name]) for name in sorted(names)}


@EXAMPLES
@given(st.data())
def test_the_schedule(data):
    given = arguments(data, SCHEDULE, ["lr_initial", "t_max"])
    make = data.draw(st.sampled_from([CosineAnnealingSchedule.from_config, None]))
    try:
        schedule = make(given) if make else CosineAnnealingSchedule(**given)
    except (TypeError, ValueError) as error:
        assert_refused(error, SCHEDULE)
        return
    config = schedule.get_config()
    assert CosineAnnealingSchedule.from_config(config).get_config() == config
    assert repr(eval(repr(schedule))) == repr(schedule)  # noqa: S307 - our own repr
    # Only now and then: the rates themselves are fuzzed without Keras, which is faster.
    if data.draw(st.integers(0, 19)) == 0:
        rates = keras.ops.convert_to_numpy(schedule(STEPS))
        peak = np.float32(config["lr_initial"])
        assert rates.dtype == np.float32
        assert ((rates >= 0) & (rates <= peak)).all()


@EXAMPLES
@given(st.data())
def test_the_callback(data):
    given = arguments(data, CALLBACK)
    try:
        callback = CosineAnnealingCallback(**given)
    except (TypeError, ValueError) as error:
        assert_refused(error, CALLBACK)
    else:
        assert repr(eval(repr(callback))) == repr(callback)  # noqa: S307 - our own repr


def fit_without_change(rate, callback):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), "mse")
    before = model.get_weights()
    try:
        model.fit(np.ones((2, 1)), np.ones((2, 1)), callbacks=[callback], verbose=0)
    finally:
        for was, now in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(was, now)


@pytest.mark.parametrize("rate", [float("inf"), float("nan")])
def test_an_optimizer_with_an_invalid_rate(rate):
    sentence = (
        rf"^the rate of (?i:sgd)\w* must be > 0 and finite to be the peak, got {rate}; "
        r"give lr_initial=$"
    )
    with pytest.raises(ValueError, match=sentence):
        fit_without_change(rate, CosineAnnealingCallback())


def test_a_peak_that_float32_cannot_hold():
    sentence = r"^lr_initial must be in \(0, 3\.40282e\+38\], got 1e\+39$"
    with pytest.raises(ValueError, match=sentence):
        fit_without_change(0.1, CosineAnnealingCallback(lr_initial=1e39))
    with pytest.raises(ValueError, match=sentence):
        CosineAnnealingSchedule(lr_initial=1e39, t_max=10)
