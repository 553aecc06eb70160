"""What the schedule returns, eager and compiled, against a 50-digit reference."""

import json
import math
import pickle
import re

import keras
import mpmath
import numpy as np
import pytest
from keras import ops

from cosine_callbacks.keras import CosineAnnealingSchedule
from tests.integration.keras.parts import BACKEND

mp = mpmath.mp.clone()
mp.dps = 50
LAST = 2**31 - 1


def as_float(tensor):
    return float(ops.convert_to_numpy(tensor))


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


def exact_rate(e, t_max, lr_initial=1, lr_min=0):
    x = mp.cos(mp.pi * min(e, t_max) / t_max)
    low = mp.mpf(lr_min)
    return low + (mp.mpf(lr_initial) - low) * (1 + x) / 2


def relative_error(rate, true):
    """Return the relative error of a rate."""
    return abs(mp.mpf(float(rate)) - true) / true if true else float(rate != 0)


def sample_steps(t_max):
    """Return the first and last steps, and some in between."""
    near = range(min(40, t_max + 1))
    return sorted({*near, *(t_max - k for k in near), *(t_max * k // 97 for k in range(98))})


@pytest.mark.parametrize("t_max", [1, 2, 10, 1000, 10**6, 10**8, LAST])
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_relative_error_at_most_6e_7(t_max, compiled):
    schedule = CosineAnnealingSchedule(lr_initial=1.0, t_max=t_max)
    call = compile_(schedule)[0] if compiled else schedule
    steps = sample_steps(t_max)
    worst = max(relative_error(as_float(call(e)), exact_rate(e, t_max)) for e in steps)
    assert worst <= 6e-7


@pytest.mark.parametrize(
    ("t_max", "step", "right"),
    [(10**6, 999923, 1.462922e-9), (10**4, 9999, 2.467401e-9)],
    ids=["a-million", "ten-thousand"],
)
def test_the_tail_is_not_lost(t_max, step, right):
    assert as_float(CosineAnnealingSchedule(lr_initial=0.1, t_max=t_max)(step)) == pytest.approx(
        right, rel=6e-7
    )


@pytest.mark.parametrize("rates", [(0.1, 0.001), (0.3, 0.1), (1e-3, 1e-8), (0.7, 0.7), (3.0, 0)])
def test_both_ends_are_exact(rates):
    peak, floor = map(np.float32, rates)
    call, _ = compile_(CosineAnnealingSchedule(lr_initial=rates[0], t_max=10, lr_min=rates[1]))
    assert np.float32(as_float(call(0))) == peak
    assert [np.float32(as_float(call(e))) for e in (10, 11, 10**9, LAST)] == [floor] * 4
    assert all(floor <= as_float(call(e)) <= peak for e in range(12))


def test_steps_below_0_clamp():
    assert as_float(CosineAnnealingSchedule(lr_initial=0.1, t_max=10, warmup=3)(-5)) == np.float32(
        0.025
    )


@pytest.mark.parametrize("t_mult", [1, 2, 3])
@pytest.mark.parametrize("first", [7, 10, 100])
def test_every_restart_begins_at_the_peak(first, t_mult):
    call, _ = compile_(
        CosineAnnealingSchedule(lr_initial=1.0, t_max=first, t_mult=t_mult, cycles=None)
    )
    ends, length = [first], first
    while ends[-1] + length * t_mult <= LAST and len(ends) < 4000:
        length *= t_mult
        ends.append(ends[-1] + length)
    if t_mult == 1:
        ends = [*ends[:20], *ends[-20:], LAST // first * first - first]
    for end in ends[:-1] if t_mult > 1 else ends:
        assert as_float(call(end)) == 1, end
        assert 0 < as_float(call(end - 1)) < 0.06, end
    if t_mult > 1:  # the cycle that would end beyond the last step is left out
        assert as_float(call(ends[-1])) == as_float(call(LAST)) == 0
    else:
        assert as_float(call(LAST // first * first)) == as_float(call(LAST)) == 0


@pytest.mark.parametrize(("step", "right"), [(81910, 1), (327670, 1)])
def test_late_restarts_begin_at_the_peak(step, right):
    schedule = CosineAnnealingSchedule(lr_initial=1.0, t_max=10, t_mult=2, cycles=None)
    assert as_float(compile_(schedule)[0](step)) == right


@pytest.mark.parametrize("cycles", [5, None])
@pytest.mark.parametrize("t_mult", [1, 2])
def test_decayed_peaks(cycles, t_mult):
    call, _ = compile_(
        CosineAnnealingSchedule(
            lr_initial=0.1, t_max=4, lr_min=0.01, cycles=cycles, t_mult=t_mult, peak_decay=0.9
        )
    )
    start, length = 0, 4
    for i in range(5):
        true = mp.mpf(0.01) + mp.mpf("0.09") * mp.mpf(0.9) ** i
        assert relative_error(as_float(call(start)), true) < 6e-7
        start, length = start + length, length * t_mult
    if cycles:
        assert as_float(call(start)) == np.float32(0.01)


def test_decayed_peaks_of_many_cycles():
    call, _ = compile_(
        CosineAnnealingSchedule(lr_initial=1.0, t_max=1, cycles=None, peak_decay=0.999999)
    )
    for i in (1, 1000, 10**5, 10**6):
        assert relative_error(as_float(call(i)), mp.mpf(0.999999) ** i) < 6e-7


@pytest.mark.parametrize(
    ("options", "right"),
    [
        ({}, [0.025, 0.05, 0.075, 0.1, 0.09755282581]),
        ({"warmup_start_ratio": 0}, [0, 0.1 / 3, 0.2 / 3, 0.1, 0.09755282581]),
        ({"lr_min": 0.09}, [0.025, 0.05, 0.075, 0.1, 0.09975528258]),
    ],
    ids=["default-start", "start-at-0", "below-the-floor"],
)
def test_warmup(options, right):
    call, _ = compile_(
        CosineAnnealingSchedule(lr_initial=0.1, t_max=13, **{"warmup": 3, **options})
    )
    assert [as_float(call(e)) for e in range(5)] == pytest.approx(right, rel=6e-7)
    assert np.float32(as_float(call(3))) == np.float32(0.1)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"warmup": 10},
        {"cycles": None},
        {"cycles": None, "t_mult": 2, "warmup": 0.2, "peak_decay": 0.5},
    ],
    ids=str,
)
def test_one_trace_over_400_steps(options):
    call, traces = compile_(CosineAnnealingSchedule(lr_initial=0.1, t_max=50, **options))
    rates = [as_float(call(e)) for e in range(400)]
    assert len(traces) == (400 if BACKEND == "torch" else 1)
    eager = CosineAnnealingSchedule(lr_initial=0.1, t_max=50, **options)
    assert rates[::25] == pytest.approx([as_float(eager(e)) for e in range(0, 400, 25)], rel=6e-7)


@pytest.mark.parametrize(
    "kind", [int, np.int32, np.int64, float, np.float32, ops.convert_to_tensor]
)
def test_a_step_of_any_kind(kind):
    rate = CosineAnnealingSchedule(lr_initial=0.1, t_max=10)(kind(5))
    assert as_float(rate) == pytest.approx(0.05, rel=6e-7)
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


def test_far_steps_are_divided_before_they_are_clipped():
    schedule = CosineAnnealingSchedule(lr_initial=1, t_max=2 * 10**8, steps_per_epoch=20)
    # LR(1 / 2) = LR_initial / 2, at step 2e9 of 4e9; LR(3 / 4) is sin(pi / 8)**2.
    right = pytest.approx([0.5, 0.14644661], rel=6e-7)
    assert list(ops.convert_to_numpy(schedule(np.array([2 * 10**9, 3 * 10**9])))) == right
    assert [as_float(schedule(step)) for step in (2e9, 3e9)] == right


def test_units():
    by_epoch = CosineAnnealingSchedule(lr_initial=0.1, t_max=4, steps_per_epoch=10)
    assert as_float(by_epoch(19)) == as_float(by_epoch(10)) == pytest.approx(0.08535534, rel=6e-7)
    by_update = CosineAnnealingSchedule(lr_initial=0.1, t_max=25, gradient_accumulation_steps=4)
    rates = [as_float(by_update(4 * e + 3)) for e in (5, 8)]
    assert rates == pytest.approx([0.09045085, 0.07679134], rel=6e-7)


@pytest.mark.parametrize("floatx", ["float32", "float64"])
@pytest.mark.parametrize(
    ("peak", "floor"),
    [
        (0.4445720137441175, 0.44457166767031653),
        (0.4383116209664746, 0.4383113076506103),
        (0.6897629116729176, 0.6897623247051006),
    ],
)
def test_no_rate_lies_above_the_peak(floatx, peak, floor):
    """In float32 the floor plus the difference of these doubles exceeds the peak."""
    try:
        keras.config.set_floatx(floatx)
        rates = CosineAnnealingSchedule(lr_initial=peak, t_max=2**20, lr_min=floor)(
            ops.arange(3000, dtype="int32")
        )
    finally:
        keras.config.set_floatx("float32")
    rates = ops.convert_to_numpy(rates)
    assert rates.max() == rates[0] == np.asarray(peak, rates.dtype)


@pytest.mark.parametrize("floatx", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("options", [{}, {"warmup": 30}, {"cycles": 3, "peak_decay": 0.5}], ids=str)
def test_the_default_float_type_does_not_change_the_rates(floatx, options):
    right = [
        as_float(CosineAnnealingSchedule(lr_initial=0.1, t_max=100, **options)(e))
        for e in range(0, 310, 7)
    ]
    try:
        keras.config.set_floatx(floatx)
        rates = [
            CosineAnnealingSchedule(lr_initial=0.1, t_max=100, **options)(e)
            for e in range(0, 310, 7)
        ]
    finally:
        keras.config.set_floatx("float32")
    kind = "float64" if floatx == "float64" and BACKEND != "jax" else "float32"
    assert {keras.backend.standardize_dtype(rate.dtype) for rate in rates} == {kind}
    assert [as_float(rate) for rate in rates] == pytest.approx(right, rel=1e-6)


ALL = {
    "lr_initial": 0.1,
    "t_max": 40,
    "lr_min": 0.0,
    "lr_min_ratio": 0.5,
    "steps_per_epoch": 10,
    "gradient_accumulation_steps": 1,
    "warmup": 0.25,
    "hold": 3,
    "warmup_start_ratio": 0.1,
    "cycles": 2,
    "t_mult": 2,
    "peak_decay": 0.5,
    "name": "mine",
}


def test_a_pickle_holds_the_arguments_alone():
    schedule = CosineAnnealingSchedule(lr_initial=0.1, t_max=10, cycles=2, name="curve")
    copied = pickle.loads(pickle.dumps(schedule))  # noqa: S301 - our own
    assert repr(copied) == repr(schedule)
    assert copied.get_config() == schedule.get_config()
    assert float(copied(3)) == float(schedule(3))
    constructor, arguments = schedule.__reduce__()
    assert (constructor.keywords, arguments) == (schedule.get_config(), ())


def test_the_config_is_the_arguments_as_given():
    schedule = CosineAnnealingSchedule(**ALL)
    config = schedule.get_config()
    assert config == ALL
    assert json.loads(json.dumps(config)) == ALL
    again = CosineAnnealingSchedule.from_config(config)
    assert [as_float(again(e)) for e in range(0, 999, 9)] == [
        as_float(schedule(e)) for e in range(0, 999, 9)
    ]
    plain = CosineAnnealingSchedule(
        lr_initial=np.float64(1), t_max=np.int64(10), steps_per_epoch=np.int32(3)
    )
    assert json.loads(json.dumps(plain.get_config()))["lr_initial"] == 1.0


def test_the_registered_name_is_part_of_saved_files():
    schedule = CosineAnnealingSchedule(lr_initial=0.1, t_max=10)
    saved = keras.saving.serialize_keras_object(schedule)
    assert saved["registered_name"] == "cosine_callbacks>CosineAnnealingSchedule"
    assert saved["module"] == "cosine_callbacks.keras"
    loaded = keras.saving.deserialize_keras_object(saved)
    assert loaded.get_config() == schedule.get_config()


@pytest.mark.parametrize(
    ("options", "error", "name"),
    [
        *(({"t_max": value}, ValueError, "t_max") for value in (0, -1, math.nan, math.inf, 2**31)),
        *(({"t_max": value}, TypeError, "t_max") for value in (True, "10", [10], None)),
        ({"t_max": 0.5}, ValueError, "t_max"),
        ({"lr_initial": None}, TypeError, "lr_initial"),
        ({"lr_initial": 0}, ValueError, "lr_initial"),
        ({"lr_min": 0.5}, ValueError, "lr_min"),
        ({"lr_min": -1}, ValueError, "lr_min"),
        ({"warmup": 10}, ValueError, "warmup"),
        ({"steps_per_epoch": 0}, ValueError, "steps_per_epoch"),
        ({"steps_per_epoch": True}, TypeError, "steps_per_epoch"),
        ({"gradient_accumulation_steps": 0}, ValueError, "gradient_accumulation_steps"),
        ({"gradient_accumulation_steps": None}, TypeError, "gradient_accumulation_steps"),
    ],
    ids=str,
)
def test_bad_arguments_are_refused_when_built(options, error, name):
    with pytest.raises(error, match=rf"^{name} ") as refused:
        CosineAnnealingSchedule(**{"lr_initial": 0.1, "t_max": 10, **options})
    assert "\n" not in str(refused.value)


ALL_SHOWN = (
    ", lr_min_ratio=0.5, warmup=0.25, hold=3, warmup_start_ratio=0.1, cycles=2, t_mult=2, "
    "peak_decay=0.5, steps_per_epoch=10, name='mine'"
)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, ""),
        ({"warmup": np.int8(3), "lr_min": 0, "name": "CosineAnnealingSchedule"}, ", warmup=3"),
        ({"steps_per_epoch": 1, "cycles": None}, ", cycles=None, steps_per_epoch=1"),
        (
            {"gradient_accumulation_steps": 2, "lr_min_ratio": 1},
            ", lr_min_ratio=1.0, gradient_accumulation_steps=2",
        ),
        (ALL, ALL_SHOWN),
    ],
)
def test_the_repr_is_the_call_that_builds_an_equal_schedule(options, text):
    schedule = CosineAnnealingSchedule(**{"lr_initial": 0.1, "t_max": 40, **options})
    assert repr(schedule) == f"CosineAnnealingSchedule(lr_initial=0.1, t_max=40{text})"
    again = eval(repr(schedule))  # noqa: S307 - our own repr
    assert repr(again) == repr(schedule)
    assert again.get_config() == schedule.get_config()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("T_max", "; T_max is t_max here"),
        ("decay_steps", "; decay_steps is t_max here"),
        ("eta_min", "; eta_min is lr_min here"),
        ("alpha", "; alpha is lr_min_ratio here"),
        ("warmup_steps", "; warmup_steps is warmup here"),
        ("initial_learning_rate", "; initial_learning_rate is lr_initial here"),
        ("interval", ""),
        ("verbose", ""),
    ],
)
@pytest.mark.parametrize(
    "make",
    [lambda config: CosineAnnealingSchedule(**config), CosineAnnealingSchedule.from_config],
    ids=["built", "from a config"],
)
def test_an_unknown_argument_is_refused_with_the_one_that_is_meant(make, name, hint):
    sentence = f"CosineAnnealingSchedule() got an unexpected keyword argument '{name}'{hint}"
    with pytest.raises(TypeError, match=f"^{re.escape(sentence)}$"):
        make({"lr_initial": 0.1, "t_max": 10, name: 1})


def test_arguments_are_taken_by_name_only():
    sentence = r"^CosineAnnealingSchedule\(\) takes its arguments by name, got 0\.1$"
    with pytest.raises(TypeError, match=sentence):
        CosineAnnealingSchedule(0.1, t_max=10)
    with pytest.raises(TypeError, match=sentence):
        CosineAnnealingSchedule(0.1, 10)


def test_a_bad_name_is_refused_when_built():
    with pytest.raises(ValueError, match="name"):
        CosineAnnealingSchedule(lr_initial=0.1, t_max=10, name="a/b")


def test_called_without_a_step_the_right_import_is_named():
    with pytest.raises(TypeError, match=r"tf_keras.*cosine_callbacks\.tensorflow"):
        CosineAnnealingSchedule(lr_initial=0.1, t_max=10)()


def test_docstring_examples():
    import doctest

    import cosine_callbacks.keras as module

    result = doctest.testmod(module)
    assert result.attempted >= 10
    assert result.failed == 0
