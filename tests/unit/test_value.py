"""The schedule as a value: frozen, comparable, hashable, picklable, and plain JSON."""

import copy
import dataclasses
import inspect
import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from cosine_callbacks import CosineAnnealing
from tests.fuzz import VALID

from .inputs import annealing, rates, schedules

FULL = {**VALID, "lr_min": 0.0, "warmup": 0.25, "hold": 0.5, "cycles": None}


@given(schedules())
def test_copies_are_equal(schedule):
    # The second time it has been called.
    for _ in range(2):
        copies = [
            eval(repr(schedule)),  # noqa: S307
            pickle.loads(pickle.dumps(schedule)),  # noqa: S301
            copy.copy(schedule),
            copy.deepcopy(schedule),
            dataclasses.replace(schedule),
            CosineAnnealing.from_dict(schedule.to_dict()),
            CosineAnnealing.from_dict(json.loads(json.dumps(schedule.to_dict()))),
        ]
        assert {*copies, schedule} == {schedule}
        assert {repr(same) for same in copies} == {repr(schedule)}
        assert {same(3) for same in copies} == {schedule(3)}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, ""),
        ({"lr_initial": np.float64(0.1), "t_max": np.int8(10)}, ""),
        ({"lr_min": 0.01}, ", lr_min=0.01"),
        ({"lr_min_ratio": 0}, ", lr_min_ratio=0.0"),
        (
            {**FULL, "t_mult": 1, "peak_decay": 1},
            ", lr_min_ratio=0.1, warmup=0.25, hold=0.5, warmup_start_ratio=0.5, cycles=None",
        ),
    ],
)
def test_repr_shows_what_is_not_default(given, text):
    assert repr(annealing(**given)) == f"CosineAnnealing(lr_initial=0.1, t_max=10{text})"


@pytest.mark.parametrize("name", [name for name in FULL if name != "lr_min"])
def test_each_parameter_counts_for_equality(name):
    other = {name: 0.125 if isinstance(FULL[name], float) else 12}
    schedule, changed = annealing(**FULL), annealing(**FULL | other)
    assert changed != schedule
    assert hash(changed) != hash(schedule)


def test_equality_is_of_parameters_not_of_curves():
    assert annealing(lr_min=0.05) != annealing(lr_min_ratio=0.5)
    assert annealing(lr_initial=1) == annealing(lr_initial=1.0, t_max=np.int64(10), lr_min=0)
    assert annealing() != 0.1


def test_frozen():
    schedule = annealing()
    for name in (*FULL, "another"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(schedule, name, 1)
    assert schedule(0) == 0.1


def test_to_dict_has_the_constructors_names_and_plain_types():
    given = {name: np.array(value) if value is not None else None for name, value in FULL.items()}
    stored = CosineAnnealing(**given).to_dict()
    assert stored == FULL
    assert list(stored) == list(FULL)
    assert {type(value) for value in stored.values()} == {float, int, type(None)}


def test_from_dict_fills_in_defaults_and_refuses_other_keys():
    assert CosineAnnealing.from_dict({"t_max": 10, "lr_initial": 0.1}) == annealing()
    for missing in ("lr_initial", "t_max"):
        parameters = {key: value for key, value in FULL.items() if key != missing}
        with pytest.raises(TypeError, match=rf"missing .* argument: '{missing}'$"):
            CosineAnnealing.from_dict(parameters)
    for unknown in ("gamma", "interval", "_", "LR_min"):
        with pytest.raises(TypeError, match=rf"unexpected keyword argument '{unknown}'$"):
            CosineAnnealing.from_dict(FULL | {unknown: 1})


@given(rates)
def test_factor_is_exactly_1_at_the_peak_and_has_the_floor(peak):
    schedule = CosineAnnealing(lr_initial=peak, t_max=10, lr_min_ratio=0.25, warmup=2, cycles=2)
    assert [schedule.factor(e) for e in (2, 10)] == [1.0, 1.0]
    assert schedule.factor(20) == peak * 0.25 / peak
    assert schedule.factor(math.inf) * peak == pytest.approx(peak * 0.25, abs=math.ulp(0.0))


@pytest.mark.parametrize(("e", "factor"), [(0, 1), (5, 0.505), (10, 0.01), (99, 0.01)])
def test_factor(e, factor):
    assert annealing(lr_min=0.001).factor(e) == pytest.approx(factor, rel=1e-15)


def test_nothing_but_the_documented_names_is_public():
    public = {name for name in dir(annealing(**FULL)) if not name.startswith("_")}
    assert public == {*FULL, "factor", "plot", "to_dict", "from_dict"}
    assert CosineAnnealing.__module__ == "cosine_callbacks"


def test_peak_and_length_must_be_given():
    parameters = inspect.signature(CosineAnnealing).parameters
    needed = [name for name, p in parameters.items() if p.default is p.empty]
    assert needed == ["lr_initial", "t_max"]


def test_a_pickle_that_an_old_version_saved_loads():
    saved = Path(__file__).parents[1] / "saved_at_d15b331"
    schedule = pickle.loads((saved / "schedule.pickle").read_bytes())  # noqa: S301 - our own
    same = annealing(t_max=20, lr_min=0.001, warmup=2, cycles=None, t_mult=2)
    assert schedule == same
    assert schedule.__dict__ == same.__dict__ == same.to_dict()
    rates = json.loads((saved / "schedules.json").read_text())["schedule.pickle"]
    assert [schedule(e) for e in range(200)] == rates
