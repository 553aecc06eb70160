"""The schedule as a value: frozen, comparable, hashable, picklable, and plain JSON."""

import copy
import dataclasses
import inspect
import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given

from cosine_callbacks import CosineAnnealing

from .inputs import rates, schedules

FULL = {
    "lr_initial": 0.1,
    "t_max": 10,
    "lr_min": 0.0,
    "lr_min_ratio": 0.1,
    "warmup": 0.25,
    "hold": 0.5,
    "warmup_start_ratio": 0.5,
    "cycles": None,
    "t_mult": 2,
    "peak_decay": 0.5,
}


@given(schedules())
def test_copies_are_equal(schedule):
    assert eval(repr(schedule)) == schedule  # noqa: S307
    for called in (False, True):
        if called:
            schedule(3)
        copies = [
            pickle.loads(pickle.dumps(schedule)),  # noqa: S301
            copy.copy(schedule),
            copy.deepcopy(schedule),
            dataclasses.replace(schedule),
            CosineAnnealing.from_dict(schedule.to_dict()),
            CosineAnnealing.from_dict(json.loads(json.dumps(schedule.to_dict()))),
        ]
        assert {*copies, schedule} == {schedule}
        assert {same(3) for same in copies} == {schedule(3)}
        assert {repr(same) for same in copies} == {repr(schedule)}


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        (CosineAnnealing(lr_initial=0.1, t_max=10), "lr_initial=0.1, t_max=10"),
        (
            CosineAnnealing(lr_initial=1, t_max=10, lr_min=0.01),
            "lr_initial=1.0, t_max=10, lr_min=0.01",
        ),
        (
            CosineAnnealing(lr_initial=np.float64(0.1), t_max=np.int8(10)),
            "lr_initial=0.1, t_max=10",
        ),
        (
            CosineAnnealing(lr_initial=0.1, t_max=10, lr_min_ratio=0),
            "lr_initial=0.1, t_max=10, lr_min_ratio=0.0",
        ),
        (
            CosineAnnealing(**FULL),
            (
                "lr_initial=0.1, t_max=10, lr_min_ratio=0.1, warmup=0.25, hold=0.5, "
                "warmup_start_ratio=0.5, cycles=None, t_mult=2, peak_decay=0.5"
            ),
        ),
    ],
)
def test_repr_shows_what_is_not_default(schedule, text):
    assert repr(schedule) == f"CosineAnnealing({text})"


@pytest.mark.parametrize(
    ("name", "value"),
    {
        "lr_initial": 0.2,
        "t_max": 11,
        "lr_min_ratio": 0.2,
        "warmup": 2,
        "cycles": 3,
        "t_mult": 3,
    }.items(),
)
def test_each_parameter_counts_for_equality(name, value):
    schedule = CosineAnnealing(**FULL)
    other = dataclasses.replace(schedule, **{name: value})
    assert other != schedule
    assert hash(other) != hash(schedule)


def test_equality_is_of_parameters_not_of_curves():
    assert CosineAnnealing(lr_initial=0.1, t_max=10, lr_min=0.05) != CosineAnnealing(
        lr_initial=0.1, t_max=10, lr_min_ratio=0.5
    )
    assert CosineAnnealing(lr_initial=1, t_max=10) == CosineAnnealing(
        lr_initial=1.0, t_max=np.int64(10), lr_min=0
    )
    assert CosineAnnealing(lr_initial=0.1, t_max=10) != 0.1


def test_frozen():
    schedule = CosineAnnealing(lr_initial=0.1, t_max=10)
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


def test_from_dict_fills_in_defaults():
    assert CosineAnnealing.from_dict({"t_max": 10, "lr_initial": 0.1}) == CosineAnnealing(
        lr_initial=0.1, t_max=10
    )


@pytest.mark.parametrize("missing", ["lr_initial", "t_max"])
def test_from_dict_needs_the_required_keys(missing):
    parameters = {key: value for key, value in FULL.items() if key != missing}
    with pytest.raises(TypeError, match=missing):
        CosineAnnealing.from_dict(parameters)


@pytest.mark.parametrize("unknown", ["gamma", "interval", "_", "LR_min"])
def test_from_dict_refuses_unknown_keys(unknown):
    with pytest.raises(TypeError, match=rf"unexpected keyword argument '{unknown}'"):
        CosineAnnealing.from_dict(FULL | {unknown: 1})


@given(rates)
def test_factor_is_exactly_1_at_the_peak_and_has_the_floor(peak):
    schedule = CosineAnnealing(lr_initial=peak, t_max=10, lr_min_ratio=0.25, warmup=2, cycles=2)
    assert [schedule.factor(e) for e in (2, 10)] == [1.0, 1.0]
    assert schedule.factor(20) == peak * 0.25 / peak
    assert schedule.factor(math.inf) * peak == pytest.approx(peak * 0.25, abs=math.ulp(0.0))


@pytest.mark.parametrize(("e", "factor"), [(0, 1), (5, 0.505), (10, 0.01), (99, 0.01)])
def test_factor(e, factor):
    assert CosineAnnealing(lr_initial=0.1, t_max=10, lr_min=0.001).factor(e) == pytest.approx(
        factor, rel=1e-15
    )


def test_nothing_but_the_documented_names_is_public():
    public = {name for name in dir(CosineAnnealing(**FULL)) if not name.startswith("_")}
    assert public == {*FULL, "factor", "plot", "to_dict", "from_dict"}
    assert CosineAnnealing.__module__ == "cosine_callbacks"


def test_peak_and_length_must_be_given():
    signature = inspect.signature(CosineAnnealing)
    needed = [name for name, p in signature.parameters.items() if p.default is p.empty]
    assert needed == ["lr_initial", "t_max"]
    with pytest.raises(TypeError, match=r"missing 1 required keyword-only argument: 't_max'$"):
        CosineAnnealing(lr_initial=0.1)
