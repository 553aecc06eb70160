"""What the schedule returns, eager and compiled, against an 80-digit reference."""

import inspect
import json
import math
import pickle

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from cosine_callbacks.keras import CosineAnnealingSchedule
from tests.fuzz import EXAMPLES, SHAPE, VALID, assert_refused, values
from tests.integration.fit.parts import BACKEND, close, once
from tests.truth import mp

LAST = 2**31 - 1
ARGUMENTS = [*inspect.signature(CosineAnnealingSchedule.__init__).parameters][1:]


def build(**options):
    return CosineAnnealingSchedule(**{"lr_initial": 0.1, "t_max": 10, **options})


def compile_(schedule):
    """Return the schedule compiled by this backend, and a list that grows with each trace."""
    traces = []

    def traced(step):
        traces.append(step)
        return schedule(step)

    if BACKEND == "tensorflow":
        import tensorflow as tf

        jitted = tf.function(traced)
        return lambda step: jitted(tf.constant(step, "int64")), traces
    if BACKEND == "jax":
        import jax

        jitted = jax.jit(traced)
        return lambda step: jitted(np.int32(step)), traces
    return lambda step: traced(ops.convert_to_tensor(step, "int32")), traces


def rates_at(steps, *, compiled=True, **options):
    """Return the rates of a new schedule at these steps."""
    call = compile_(build(**options))[0] if compiled else build(**options)
    return ops.convert_to_numpy(call(np.array(steps)))


def relative_error(rate, true):
    return abs(mp.mpf(float(rate)) - true) / true if true else float(rate != 0)


@pytest.mark.parametrize("t_max", [1, 2, 10, 1000, 10**6, 10**8, LAST])
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_relative_error_at_most_6e_7(t_max, compiled):
    near = range(min(40, t_max + 1))
    steps = sorted({*near, *(t_max - k for k in near), *(t_max * k // 97 for k in range(98))})
    rates = rates_at(steps, lr_initial=1, t_max=t_max, compiled=compiled)
    for step, rate in zip(steps, rates, strict=True):
        assert relative_error(rate, (1 + mp.cos(mp.pi * step / t_max)) / 2) <= 6e-7, step


@pytest.mark.parametrize(
    ("options", "steps", "right"),
    [
        ({}, [-5, 0, 5, 10, LAST], [0.1, 0.1, 0.05, 0, 0]),
        ({"warmup": 3, "t_max": 13, "lr_min": 0.09}, [-1, 0, 4], [0.025, 0.025, 0.09975528258]),
        ({"warmup": 1, "warmup_start_ratio": 0, "hold": 4, "t_max": 7}, [0, 5, 6], [0, 0.1, 0.05]),
        ({"t_max": 4, "steps_per_epoch": 10}, [10, 19, 20], [0.08535534, 0.08535534, 0.05]),
        (
            {"t_max": 25, "gradient_accumulation_steps": 4},
            [20, 23, 35],
            [0.09045085, 0.09045085, 0.07679134],
        ),
        # Cycle i falls from floor + .09 * .9**i.
        (
            {"t_max": 4, "lr_min": 0.01, "cycles": 5, "t_mult": 2, "peak_decay": 0.9},
            [0, 4, 12, 28, 60, 124],
            [0.1, 0.091, 0.0829, 0.07561, 0.069049, 0.01],
        ),
    ],
)
def test_right_values(options, steps, right):
    assert list(rates_at(steps, **options)) == pytest.approx(right, rel=6e-7, abs=0)


def test_far_steps_are_divided_before_they_are_clipped():
    schedule = CosineAnnealingSchedule(lr_initial=1, t_max=2 * 10**8, steps_per_epoch=20)
    # LR(1 / 2) = LR_initial / 2, at step 2e9 of 4e9; LR(3 / 4) is sin(pi / 8)**2.
    assert list(ops.convert_to_numpy(schedule(np.array([2e9, 3e9])))) == close([0.5, 0.14644661])
    assert [float(schedule(step)) for step in (2e9, 3e9)] == close([0.5, 0.14644661])


@pytest.mark.parametrize("ends", [(0.1, 0.001), (0.3, 0.1), (1e-3, 1e-8), (0.7, 0.7), (3.0, 0)])
def test_both_ends_are_exact(ends):
    peak, floor = map(np.float32, ends)
    used = rates_at([*range(12), 10**9, LAST], lr_initial=ends[0], lr_min=ends[1])
    assert used[0] == used.max() == peak
    assert (used[10:] == floor).all()
    assert used.min() == floor


@pytest.mark.parametrize("t_mult", [1, 2, 3])
@pytest.mark.parametrize("first", [7, 10, 100])
def test_every_restart_begins_at_the_peak(first, t_mult):
    ends, length = [first], first
    while ends[-1] + length * t_mult <= LAST and len(ends) < 4000:
        length *= t_mult
        ends.append(ends[-1] + length)
    if t_mult == 1:
        ends = [*ends, LAST // first * first - first, LAST // first * first]
    # The cycle that would end beyond the last step is left out.
    *restarts, end = ends
    restarts = np.array(restarts)
    steps = [*restarts, *(restarts - 1), end, LAST]
    rates = rates_at(steps, lr_initial=1, t_max=first, t_mult=t_mult, cycles=None)
    begun, ended, at_the_floor = np.split(rates, [len(restarts), 2 * len(restarts)])
    assert (begun == 1).all()
    assert ((ended > 0) & (ended < 0.06)).all()
    assert (at_the_floor == 0).all()


def test_decayed_peaks_of_many_cycles():
    steps = [1, 1000, 10**5, 10**6]
    rates = rates_at(steps, lr_initial=1, t_max=1, cycles=None, peak_decay=0.999999)
    assert list(rates) == close([0.999999**step for step in steps])


@pytest.mark.parametrize(
    "options", [{}, {"cycles": None, "t_mult": 2, "warmup": 0.2, "peak_decay": 0.5}], ids=str
)
def test_one_trace_for_all_steps(options):
    call, traces = compile_(CosineAnnealingSchedule(lr_initial=0.1, t_max=50, **options))
    rates = [float(call(e)) for e in range(0, 200, 2)]
    assert len(traces) == (100 if BACKEND == "torch" else 1)
    assert rates == close(list(rates_at(range(0, 200, 2), t_max=50, compiled=False, **options)))


@pytest.mark.parametrize(
    "kind", [int, np.int32, np.int64, float, np.float32, ops.convert_to_tensor]
)
def test_a_step_of_any_kind(kind):
    rate = CosineAnnealingSchedule(lr_initial=0.1, t_max=10)(kind(5))
    assert float(rate) == close(0.05)
    assert rate.shape == ()
    assert keras.backend.standardize_dtype(rate.dtype) == "float32"


TOO_FAR = {
    "uint32": np.uint32(2**31 + 5),
    "int64": np.int64(2**31 + 5),
    "int": 2**70,
    "float": 3e9,
    "infinite": math.inf,
    "array": np.array([2**31 + 5, 2**63 - 1]),
    "tensor": ops.convert_to_tensor(3e9, "float32"),
    "infinite tensor": ops.convert_to_tensor(math.inf, "float32"),
    "uint32 tensor": ops.cast(ops.convert_to_tensor(np.uint32(2**31 + 5)), "uint32"),
}


@pytest.mark.parametrize("options", [{}, {"cycles": None}, {"t_max": LAST}], ids=str)
@pytest.mark.parametrize("step", TOO_FAR.values(), ids=TOO_FAR)
def test_beyond_the_last_step_the_floor_holds(step, options):
    schedule = CosineAnnealingSchedule(**{"lr_initial": 1, "t_max": 8, "lr_min": 0.25, **options})
    assert np.all(ops.convert_to_numpy(schedule(step)) == 0.25)


@pytest.fixture
def floatx():
    """The setter of Keras' default float type."""
    yield keras.config.set_floatx
    keras.config.set_floatx("float32")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("peak", "floor"),
    [
        (0.4445720137441175, 0.44457166767031653),
        (0.4383116209664746, 0.4383113076506103),
        (0.6897629116729176, 0.6897623247051006),
    ],
)
def test_no_rate_lies_above_the_peak(floatx, dtype, peak, floor):
    """In float32 the floor plus the difference of these doubles exceeds the peak."""
    floatx(dtype)
    schedule = CosineAnnealingSchedule(lr_initial=peak, t_max=2**20, lr_min=floor)
    rates = ops.convert_to_numpy(schedule(ops.arange(3000, dtype="int32")))
    assert rates.max() == rates[0] == np.asarray(peak, rates.dtype)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("options", [{}, {"warmup": 30}, {"cycles": 3, "peak_decay": 0.5}], ids=str)
def test_the_default_float_type_does_not_change_the_rates(floatx, dtype, options):
    steps = range(0, 310, 7)
    right = rates_at(steps, t_max=100, **options)
    floatx(dtype)
    rates = rates_at(steps, t_max=100, **options)
    assert rates.dtype == ("float64" if dtype == "float64" and BACKEND != "jax" else "float32")
    assert list(rates) == close(list(right), rel=1e-6)


ALL = {**VALID, "lr_min": 0.0, "warmup": 0.25, "steps_per_epoch": 10, "name": "mine"}
ALL |= {"gradient_accumulation_steps": 4}
ALL_SHOWN = (
    ", lr_min_ratio=0.1, warmup=0.25, hold=3, warmup_start_ratio=0.5, cycles=2, t_mult=2, "
    "peak_decay=0.5, steps_per_epoch=10, gradient_accumulation_steps=4, name='mine'"
)


def test_the_config_is_the_arguments_as_given():
    schedule = CosineAnnealingSchedule(**ALL)
    assert json.loads(json.dumps(schedule.get_config())) == ALL
    assert CosineAnnealingSchedule.from_config(ALL).get_config() == ALL
    pickled = pickle.loads(pickle.dumps(schedule))  # noqa: S301 - our own
    assert pickled.get_config() == ALL
    # A later version can unpickle the arguments alone.
    constructor, arguments = schedule.__reduce__()
    assert (constructor.keywords, arguments) == (ALL, ())
    numpy = {name: value if name == "name" else np.array(value) for name, value in ALL.items()}
    assert json.loads(json.dumps(CosineAnnealingSchedule(**numpy).get_config())) == ALL


def test_the_registered_name_is_part_of_saved_files():
    saved = keras.saving.serialize_keras_object(CosineAnnealingSchedule(**ALL))
    assert saved["registered_name"] == "cosine_callbacks>CosineAnnealingSchedule"
    assert saved["module"] == "cosine_callbacks.keras"
    assert keras.saving.deserialize_keras_object(saved).get_config() == ALL


WRONG_VALUES = {"lr_initial": [1e39], "lr_min": [0.5], "warmup": [10], "name": ["a/b"]}
WRONG_VALUES |= {"t_max": [0, 0.5, 2**31], "steps_per_epoch": [0, 2**31]}
WRONG_VALUES |= {"gradient_accumulation_steps": [0, 2**31]}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_each_argument_is_checked_when_built(name):
    with pytest.raises(TypeError, match=rf"^{name} must "):
        build(**{name: object()})
    for value in WRONG_VALUES.get(name, []):
        with pytest.raises(ValueError, match=rf"^{name} must "):
            build(**{name: value})


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, ""),
        ({"warmup": np.int8(3), "lr_min": 0, "name": "CosineAnnealingSchedule"}, ", warmup=3"),
        ({"cycles": None}, ", cycles=None"),
        (ALL, ALL_SHOWN),
    ],
)
def test_the_repr_is_the_call_that_builds_an_equal_schedule(options, text):
    schedule = build(**options)
    assert repr(schedule) == f"CosineAnnealingSchedule(lr_initial=0.1, t_max=10{text})"
    again = eval(repr(schedule))  # noqa: S307 - our own repr
    assert again.get_config() == schedule.get_config()


def test_the_name_that_another_library_uses_is_explained():
    sentence = r"^CosineAnnealingSchedule\(\) got an unexpected .*; decay_steps is t_max here$"
    for make in (build, lambda **config: CosineAnnealingSchedule.from_config(config)):
        with pytest.raises(TypeError, match=sentence):
            make(lr_initial=0.1, decay_steps=10)


def test_called_without_a_step_the_right_import_is_named():
    with pytest.raises(TypeError, match=r"tf_keras.*cosine_callbacks\.tensorflow"):
        build()()


DRAWN = {
    **SHAPE,
    "steps_per_epoch": st.none() | st.integers(1, 5),
    "gradient_accumulation_steps": st.integers(1, 5),
    "name": st.sampled_from(["lr", "a/b", " ", "ü", "_", "a" * 10**6, ".a>b-c"]),
}
# Some backends compile each number of steps separately.
STEPS = np.array([-1, 0, 1, 2, 3, 5, 8, 9, 100, LAST], "int32")


@once
@EXAMPLES
@given(st.data())
def test_any_arguments_build_a_schedule_or_are_refused(data):
    names = {"lr_initial", "t_max", *data.draw(st.sets(st.sampled_from(ARGUMENTS), max_size=4))}
    invalid = data.draw(st.sets(st.sampled_from(ARGUMENTS), max_size=2))
    given = {name: data.draw(values if name in invalid else DRAWN[name]) for name in sorted(names)}
    make = data.draw(st.sampled_from([CosineAnnealingSchedule.from_config, None]))
    try:
        schedule = make(given) if make else CosineAnnealingSchedule(**given)
    except (TypeError, ValueError) as error:
        assert_refused(error, ARGUMENTS)
        return
    config = schedule.get_config()
    assert CosineAnnealingSchedule.from_config(config).get_config() == config
    assert repr(eval(repr(schedule))) == repr(schedule)  # noqa: S307 - our own repr
    # Only now and then: the rates themselves are fuzzed without Keras, which is faster.
    if data.draw(st.integers(0, 19)) == 0:
        rates = ops.convert_to_numpy(schedule(STEPS))
        assert rates.dtype == np.float32
        assert ((rates >= 0) & (rates <= np.float32(config["lr_initial"]))).all()
