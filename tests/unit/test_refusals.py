"""Bad input is refused in one sentence that names the argument, the value and the remedy."""

import math
import re
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosine_callbacks import CosineAnnealing, cosine_annealing
from cosine_callbacks._schedule.cycles import lay_out
from cosine_callbacks._schedule.parameters import (
    PARAMETERS,
    GivenParameters,
    Parameters,
    ParametersDict,
)

from .inputs import lowest_rate

inf, nan = math.inf, math.nan
VALID = {
    "lr_initial": 0.1,
    "t_max": 10,
    "lr_min": 0.01,
    "lr_min_ratio": 0.1,
    "warmup": 2,
    "hold": 3,
    "warmup_start_ratio": 0.5,
    "cycles": 2,
    "t_mult": 2,
    "peak_decay": 0.5,
}
OPTIONAL = ["lr_min_ratio", "warmup_start_ratio", "cycles"]  # None is one of their values
WRONG_KINDS = {
    "True": True,
    "False": np.False_,
    "str": "10",
    "bytes": b"1",
    "list": [10],
    "tuple": (1,),
    "dict": {},
    "complex": 1j,
    "array": np.array([1.0]),
    "0-d str": np.array("10"),
    "0-d bool": np.array(True),  # noqa: FBT003
    "0-d complex": np.complex128(1),
    "Decimal": Decimal(1),
    "Fraction": Fraction(1),
    "type": int,
}
WRONG_VALUES = {
    "lr_initial": [0, 0.0, -1, -0.1, nan, inf, -inf, np.float32("nan"), np.array(inf)],
    "t_max": [0, -1, nan, inf, -inf, 0.5, 1.0, 10.0, 1e3, 2**63, np.int8(-1), np.float64(10)],
    "lr_min": [-1, -1e-300, nan, inf, -inf, 0.2, 1, np.float32(0.5)],
    "lr_min_ratio": [-0.1, 1.0001, 2, -1, nan, inf, -inf],
    "warmup": [-1, -0.1, 1.0, 2.0, 1e3, nan, inf, -inf, 10, 0.96, 2**63, np.float32(1)],
    "hold": [-1, -0.1, 1.0, 2.0, 1e3, nan, inf, -inf, 10, 0.96, 2**63, np.float32(1)],
    "warmup_start_ratio": [-0.1, 1.0001, 2, -1, nan, inf, -inf],
    "cycles": [0, -1, nan, inf, 1.0, 0.5, 2.5, 2**63, np.array(0)],
    "t_mult": [0, -1, nan, inf, 1.0, 0.5, 2.5, 2**63],
    "peak_decay": [0, 0.0, -0.1, 1.0001, 2, -1, nan, inf, -inf],
}
EXTREME = {
    "10**400": lambda: 10**400,
    "-10**400": lambda: -(10**400),
    "million characters": lambda: "x" * 10**6,
    "million numbers": lambda: [0.5] * 10**6,
    "million element array": lambda: np.zeros(10**6),
    "1e300": lambda: 1e300,
}


def assert_refused(error, name, value, call):
    """Check that the call is refused, and the form of the sentence."""
    with pytest.raises(error) as caught:
        call()
    assert caught.type is error
    sentence = str(caught.value)
    assert sentence.startswith(f"{name} "), sentence
    assert value is None or f"got {value}" in sentence or f"{name}={value}" in sentence, sentence
    cure = r" must be (an int|a number|finite|[>(]|in [\[(])|; (give|use|shorten|lower|convert) "
    assert re.search(cure, sentence), sentence
    assert len(sentence) < 300
    assert not re.search(r"\n|\. |\.$", sentence), sentence


def build(name, value, parameters=CosineAnnealing):
    """Build with one argument replaced, and with the arguments that it needs."""
    needed = ["lr_initial", "t_max"] + ["warmup"] * (name == "warmup_start_ratio")
    needed += ["cycles"] * (name == "t_mult")
    return parameters(**{key: VALID[key] for key in needed} | {name: value})


@pytest.mark.parametrize("name", VALID)
def test_valid_values_are_stored(name):
    assert getattr(build(name, VALID[name]), name) == VALID[name]


@pytest.mark.parametrize("kind", WRONG_KINDS)
@pytest.mark.parametrize("name", VALID)
def test_wrong_kinds_are_type_errors(name, kind):
    value = WRONG_KINDS[kind]
    shown = None if kind == "type" else repr(value)
    assert_refused(TypeError, name, shown, lambda: build(name, value))
    assert_refused(TypeError, name, shown, lambda: build(name, value, Parameters))


@pytest.mark.parametrize("name", [name for name in VALID if name not in OPTIONAL])
def test_none_is_a_wrong_kind_too(name):
    assert_refused(TypeError, name, "None", lambda: build(name, None))


@pytest.mark.parametrize("name", OPTIONAL)
def test_none_may_stand_for_not_given(name):
    assert getattr(build(name, None), name) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"{name}={value!r}")
        for name, values in WRONG_VALUES.items()
        for value in values
    ],
)
def test_wrong_values_are_value_errors(name, value):
    plain = value.item() if isinstance(value, np.generic | np.ndarray) else value
    shown = None if abs(plain) > 2**60 else repr(value)
    if name == "lr_min" and plain > 0:
        shown = None if plain == inf else float(plain)
    assert_refused(ValueError, name, shown, lambda: build(name, value))


@pytest.mark.parametrize("extreme", EXTREME)
@pytest.mark.parametrize("name", [*VALID, "e"])
def test_extreme_values_are_refused_briefly_and_quickly(name, extreme):
    value = EXTREME[extreme]()
    started = perf_counter()
    if name == "e" and isinstance(value, int | float | np.ndarray):
        assert set(np.atleast_1d(CosineAnnealing(lr_initial=0.1, t_max=10)(value)).tolist()) <= {
            0.1,
            0.0,
        }
    else:
        call = (
            CosineAnnealing(lr_initial=0.1, t_max=10)
            if name == "e"
            else lambda value: build(name, value)
        )
        error = ValueError if isinstance(value, int | float) else TypeError
        if name == "lr_initial" and extreme == "1e300":
            assert call(value)(5) == pytest.approx(5e299)
        else:
            assert_refused(error, name, None, lambda: call(value))
    assert perf_counter() - started < 10


@pytest.mark.parametrize("value", [0, -1, nan, inf, True, "10", [10]], ids=repr)
def test_t_max_of_the_bare_formula(value):
    error = ValueError if type(value) in (int, float) else TypeError
    cosine_annealing(1, lr_initial=0.1, t_max=1)  # equal to True, and cached
    assert_refused(
        error, "t_max", repr(value), lambda: cosine_annealing(1, lr_initial=0.1, t_max=value)
    )


@pytest.mark.parametrize("value", [0.5, -1, nan])
def test_lr_min_of_the_bare_formula(value):
    call = lambda: cosine_annealing(1, lr_initial=0.1, lr_min=value, t_max=10)  # noqa: E731
    assert_refused(ValueError, "lr_min", value, call)


def test_one_floor_only():
    for lr_min in (0, 0.0, -0.0):
        assert (
            CosineAnnealing(lr_initial=0.1, t_max=10, lr_min=lr_min, lr_min_ratio=0.1)(10)
            == 0.1 * 0.1
        )
    assert_refused(
        ValueError,
        "lr_min",
        0.01,
        lambda: CosineAnnealing(lr_initial=0.1, t_max=10, lr_min=0.01, lr_min_ratio=0.1),
    )
    assert_refused(
        ValueError,
        "lr_min",
        0.01,
        lambda: CosineAnnealing(lr_initial=0.1, t_max=10, lr_min=0.01, lr_min_ratio=0),
    )


@pytest.mark.parametrize("e", [nan, np.float32("nan"), np.array(nan), np.float64("nan")], ids=repr)
def test_nan_is_no_position(e):
    assert_refused(ValueError, "e", "nan", lambda: CosineAnnealing(lr_initial=0.1, t_max=10)(e))


@pytest.mark.parametrize("e", [None, True, np.True_, "5", 5j, Decimal(5)], ids=repr)
def test_positions_are_numbers(e):
    assert_refused(TypeError, "e", repr(e), lambda: CosineAnnealing(lr_initial=0.1, t_max=10)(e))


def test_a_scalar_that_cannot_be_unpacked_is_no_number():
    class Symbolic:
        shape = ()

    assert_refused(
        TypeError, "e", None, lambda: CosineAnnealing(lr_initial=0.1, t_max=10)(Symbolic())
    )


WHOLE = {name: value for name, value in VALID.items() if isinstance(value, int)}
REAL = {"lr_initial": 0.25, "lr_min": 0.0625, "warmup": 0.25, "peak_decay": 0.5}
REAL |= {"lr_min_ratio": 0.5, "warmup_start_ratio": 0.5}


@pytest.mark.parametrize(
    ("name", "value", "made"),
    [(*item, made) for item in REAL.items() for made in (np.array, np.float64, np.float16)]
    + [(*item, made) for item in WHOLE.items() for made in (np.array, np.int8, np.uint64)]
    + [(name, 1, np.int8) for name in ("lr_initial", "lr_min_ratio", "peak_decay")],
)
def test_numpy_scalars_are_plain_numbers(name, value, made):
    stored = getattr(build(name, made(value)), name)
    assert stored == value
    assert type(stored) is (type(value) if name == "warmup" else type(VALID[name]))


def test_whole_rates_are_floats():
    schedule = CosineAnnealing(lr_initial=1, t_max=10, lr_min=1, peak_decay=1)
    stored = (schedule.lr_initial, schedule.lr_min, schedule.peak_decay)
    assert [type(value) for value in stored] == [float] * 3


def test_arguments_are_taken_by_name_only():
    sentence = r"^CosineAnnealing\(\) takes its arguments by name, got 0\.1$"
    with pytest.raises(TypeError, match=sentence):
        CosineAnnealing(0.1, t_max=10)


@pytest.mark.parametrize(
    ("name", "meant"),
    {
        "T_max": "t_max",
        "T_0": "t_max",
        "decay_steps": "t_max",
        "eta_min": "lr_min",
        "alpha": "lr_min_ratio",
        "warmup_steps": "warmup",
        "initial_learning_rate": "lr_initial",
        "T_mult": "t_mult",
        "cycle_limit": "cycles",
    }.items(),
)
def test_the_name_that_another_library_uses_is_explained(name, meant):
    sentence = f"CosineAnnealing() got an unexpected keyword argument '{name}'; {name} is {meant}"
    with pytest.raises(TypeError, match=f"^{re.escape(sentence)} here$"):
        CosineAnnealing(lr_initial=0.1, t_max=10, **{name: 1})


def test_the_typed_dicts_have_all_parameters():
    for typed in (GivenParameters, ParametersDict):
        assert [*typed.__annotations__] == [*PARAMETERS]


def test_no_name_of_another_library_is_one_of_ours_or_has_two_meanings():
    aliases = [name for parameter in PARAMETERS.values() for name in parameter.aliases.split()]
    assert len({*aliases, *PARAMETERS}) == len(aliases) + len(PARAMETERS)


anything = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.floats(0, 1)
    | st.integers(0, 20)
    | st.text(max_size=5)
    | st.sampled_from([10**18, 2**63 - 1, 2**63, 1e300, 5e-324, 10**400, b"", 1j, [], {}, object()])
    | st.builds(np.float32, st.floats(width=32))
    | st.builds(np.array, st.integers(-3, 3))
)
MOSTLY_VALID = {
    "lr_initial": st.floats(1e-9, 10),
    "t_max": st.integers(1, 100) | st.integers(1, 2**63 - 1),
    "lr_min": st.floats(0, 1e-3),
    "lr_min_ratio": st.none() | st.floats(0, 1),
    "warmup": st.integers(0, 10) | st.floats(0, 1),
    "warmup_start_ratio": st.none() | st.floats(0, 1),
    "cycles": st.none() | st.integers(1, 10) | st.integers(1, 2**63 - 1),
    "t_mult": st.integers(1, 5) | st.integers(1, 2**63 - 1),
    "peak_decay": st.floats(0, 1),
}
arguments = st.fixed_dictionaries(
    {name: MOSTLY_VALID[name] | anything for name in ("lr_initial", "t_max")},
    optional={name: MOSTLY_VALID[name] | anything for name in list(MOSTLY_VALID)[2:]},
)


def build_or_none(make):
    """Return the object, or None where it is refused with an error that names an argument."""
    try:
        return make()
    except (TypeError, ValueError) as error:
        sentence = str(error)
    assert any(name in sentence for name in VALID), sentence
    assert len(sentence) < 400
    return None


@settings(max_examples=500)
@given(arguments, st.lists(st.integers() | st.integers(0, 300) | st.floats(allow_nan=False)))
def test_fuzzed_arguments_are_a_schedule_or_refused(given, es):
    schedule = build_or_none(lambda: CosineAnnealing(**given))
    if schedule is None:
        return
    end = 2**63 - 1
    for e in (0, 1, schedule.t_max - 1, schedule.t_max, end, *es):
        if e != inf or schedule.cycles is not None:
            rate = schedule(e)
            assert type(rate) is float
            assert lowest_rate(schedule) <= rate <= schedule.lr_initial
            assert 0 <= schedule.factor(e) <= 1
    assert CosineAnnealing.from_dict(schedule.to_dict()) == schedule


@settings(max_examples=500)
@given(
    st.dictionaries(st.sampled_from(list(VALID)) | st.text(max_size=4), anything) | anything,
    arguments,
)
def test_fuzzed_dicts_are_a_schedule_or_refused(fuzzed, likely):
    parameters = likely | fuzzed if isinstance(fuzzed, dict) else fuzzed
    try:
        schedule = CosineAnnealing.from_dict(parameters)
    except (TypeError, ValueError) as error:
        assert len(str(error)) < 400  # noqa: PT017
    else:
        assert schedule.to_dict().items() >= parameters.items()


@settings(max_examples=300)
@given(
    st.fixed_dictionaries(
        {}, optional={name: MOSTLY_VALID[name] | anything for name in MOSTLY_VALID}
    ),
    st.integers(0, 100) | st.integers(0, 10**6),
)
def test_fuzzed_layouts_are_cycles_or_refused(given, planned):
    parameters = build_or_none(lambda: Parameters(**given))
    cycles = parameters and build_or_none(lambda: lay_out(parameters, planned))
    if cycles:
        ends = cycles.ends[:1000]
        assert all(start < end for start, end in pairwise([cycles.warmup, *ends]))
        assert cycles.ends[-1] <= 2**63 - 1
