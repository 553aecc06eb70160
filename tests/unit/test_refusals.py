"""Bad input is refused in one sentence that names the argument, the value and the remedy.

Here for all adapters, which check their arguments by the same table: theirs test one value of each.
"""

import math
import re
from functools import partial

import numpy as np
import pytest

from cosine_callbacks import CosineAnnealing, cosine_annealing
from cosine_callbacks._schedule.parameters import (
    PARAMETERS,
    GivenParameters,
    Parameters,
    ParametersDict,
)
from tests.fuzz import NO_NUMBERS, VALID

from .inputs import annealing

inf, nan = math.inf, math.nan
OPTIONAL = ["lr_min_ratio", "warmup_start_ratio", "cycles"]  # None is one of their values
UNITS = [-1, -0.1, 1.0, 1.5, 1e3, nan, inf, -inf, 10, 0.96, 2**63, np.float32(1)]
COUNTS = [0, -1, nan, inf, 1.0, 0.5, 2.5, 2**63, np.array(0)]
RATIOS = [-0.1, 1.0001, 2, -1, nan, inf, -inf]
WRONG_VALUES = {
    "lr_initial": [0, 0.0, -1, -0.1, nan, inf, -inf, np.float32("nan"), np.array(inf)],
    "t_max": [0, -1, nan, inf, -inf, 0.5, 1.0, 10.0, 1e3, 2**63, np.int8(-1), np.float64(10)],
    "lr_min": [-1, -1e-300, nan, inf, -inf, 0.2, 1, np.float32(0.5)],
    "lr_min_ratio": RATIOS,
    "warmup": UNITS,
    "hold": UNITS,
    "warmup_start_ratio": RATIOS,
    "cycles": COUNTS,
    "t_mult": COUNTS,
    "peak_decay": [0, 0.0, *RATIOS],
    "e": [nan, np.float32("nan"), np.array(nan), np.float64("nan")],
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
    """Build with one argument replaced, and with those that it needs; or look up a position."""
    if name == "e":
        return annealing()(value)
    needed = {"lr_initial", "t_max"}
    needed |= {"warmup_start_ratio": {"warmup"}, "t_mult": {"cycles"}}.get(name, set())
    return parameters(**{key: VALID[key] for key in needed} | {name: value})


@pytest.mark.parametrize("name", [*VALID, "e"])
def test_wrong_kinds_are_type_errors(name):
    for value in NO_NUMBERS:
        shown = repr(value) if len(repr(value)) <= 30 else None  # it is cut
        for kind in (CosineAnnealing, Parameters):
            assert_refused(TypeError, name, shown, partial(build, name, value, kind))


@pytest.mark.parametrize("name", [*VALID, "e"])
def test_none_stands_for_not_given_or_is_a_wrong_kind(name):
    if name in OPTIONAL:
        assert getattr(build(name, None), name) is None
    else:
        assert_refused(TypeError, name, "None", lambda: build(name, None))


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
    if name == "e":
        shown = "nan"
    assert_refused(ValueError, name, shown, lambda: build(name, value))


@pytest.mark.parametrize("value", [0, -1, 0.0, 1.5, 8.0, nan, inf, 2**63])
def test_lengths_that_are_neither_units_nor_a_fraction_of_the_run(value):
    limits = rf"(>= 1( or a fraction in \(0, 1\])?|in \[1, {2**63 - 1}\])"
    with pytest.raises(ValueError, match=rf"^t_max must be an int {limits}, got"):
        Parameters(t_max=value)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [("t_max", value, ValueError) for value in (0, -1, nan, inf)]
    + [("t_max", value, TypeError) for value in (True, "10", [10])]
    + [("lr_min", value, ValueError) for value in (0.5, -1, nan)],
)
def test_the_bare_formula(name, value, error):
    cosine_annealing(1, lr_initial=0.1, t_max=1)  # equal to True, and cached
    given = {"lr_initial": 0.1, "t_max": 10, name: value}
    assert_refused(error, name, repr(value), lambda: cosine_annealing(1, **given))


def test_one_floor_only():
    for lr_min in (0, 0.0, -0.0):
        assert annealing(lr_min=lr_min, lr_min_ratio=0.1)(10) == 0.1 * 0.1
    for given in ({"lr_min": 0.01, "lr_min_ratio": 0.1}, {"lr_min": 0.01, "lr_min_ratio": 0}):
        assert_refused(ValueError, "lr_min", 0.01, partial(annealing, **given))


WHOLE = {name: value for name, value in VALID.items() if isinstance(value, int)}
REAL = {"lr_initial": 0.25, "lr_min": 0.0625, "warmup": 0.25, "peak_decay": 0.5}
REAL |= {"lr_min_ratio": 0.5, "warmup_start_ratio": 0.5}


@pytest.mark.parametrize(
    ("name", "value", "made"),
    [(*item, made) for item in REAL.items() for made in (np.array, np.float64, np.float16)]
    + [(*item, made) for item in WHOLE.items() for made in (np.array, np.int8, np.uint64)]
    + [(name, 1, made) for name in ("lr_initial", "peak_decay") for made in (np.int8, int)],
)
def test_numpy_scalars_are_plain_numbers_and_whole_rates_are_floats(name, value, made):
    stored = getattr(build(name, made(value)), name)
    assert stored == value
    assert type(stored) is (type(value) if name == "warmup" else type(VALID[name]))


def test_arguments_are_taken_by_name_only():
    sentence = r"^CosineAnnealing\(\) takes its arguments by name, got 0\.1$"
    with pytest.raises(TypeError, match=sentence):
        CosineAnnealing(0.1, t_max=10)


MEANT = {"T_max": "t_max", "T_0": "t_max", "decay_steps": "t_max", "T_mult": "t_mult"}
MEANT |= {"eta_min": "lr_min", "alpha": "lr_min_ratio", "warmup_steps": "warmup"}
MEANT |= {"initial_learning_rate": "lr_initial", "cycle_limit": "cycles"}


@pytest.mark.parametrize(("name", "meant"), MEANT.items())
def test_the_name_that_another_library_uses_is_explained(name, meant):
    sentence = f"CosineAnnealing() got an unexpected keyword argument '{name}'; {name} is {meant}"
    with pytest.raises(TypeError, match=f"^{re.escape(sentence)} here$"):
        annealing(**{name: 1})


def test_the_typed_dicts_have_all_parameters():
    for typed in (GivenParameters, ParametersDict):
        assert [*typed.__annotations__] == [*PARAMETERS]


def test_no_name_of_another_library_is_one_of_ours_or_has_two_meanings():
    aliases = [name for parameter in PARAMETERS.values() for name in parameter.aliases.split()]
    assert len({*aliases, *PARAMETERS}) == len(aliases) + len(PARAMETERS)
