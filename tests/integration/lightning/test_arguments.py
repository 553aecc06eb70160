"""The constructor of the callback.

tests/unit/test_refusals.py has all values of each argument, test_cli.py one of each for this class.
"""

import copy
import doctest
import pickle
from collections import UserList
from inspect import signature
from typing import get_type_hints

import numpy as np
import pytest

from .parts import CosineAnnealingCallback, pl


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"interval": ["step"]}, TypeError, "interval must be 'epoch' or 'step'"),
        ({"hold": None}, TypeError, "hold must be a number"),
        ({"cycles": None}, ValueError, "t_max must be given with cycles=None"),
        ({"optimizers": 0.0}, ValueError, "optimizers must be an int >= 0"),
        ({"optimizers": []}, ValueError, "optimizers must hold each index once and at least one"),
        ({"optimizers": [False]}, TypeError, "optimizers must be a number"),
        ({"optimizers": "01"}, TypeError, "optimizers must be a number"),
        ({"optimizers": b"01"}, TypeError, "optimizers must be a number"),
        ({"optimizers": {0}}, TypeError, "optimizers must be a number"),
        ({"lr_min": 0.1, "lr_min_ratio": 0.1}, ValueError, "lr_min and lr_min_ratio"),
        ({"lr_min": 0.5, "lr_initial": 0.1}, ValueError, "lr_min must be <= lr_initial"),
        ({"t_max": 5, "warmup": 5}, ValueError, "warmup must leave"),
        (
            {"T_max": 10},
            TypeError,
            r"CosineAnnealingCallback\(\) got an unexpected keyword .*'; T_max is t_max here$",
        ),
    ],
    ids=str,
)
def test_a_bad_argument_is_refused_when_built(options, error, named):
    with pytest.raises(error, match=f"^{named}") as refused:
        CosineAnnealingCallback(**options)
    assert "\n" not in str(refused.value)


def test_arguments_are_taken_by_name_only():
    sentence = r"^CosineAnnealingCallback\(\) takes its arguments by name, got 10$"
    with pytest.raises(TypeError, match=sentence):
        CosineAnnealingCallback(10)


@pytest.mark.parametrize("indices", [UserList([0, 1]), range(2), (0, 1), [np.int32(0), 1]])
def test_indices_come_in_any_sequence(indices):
    built = CosineAnnealingCallback(t_max=np.int64(10), optimizers=indices)
    assert repr(built) == "CosineAnnealingCallback(t_max=10, optimizers=[0, 1])"


def test_the_types_of_the_arguments_know_their_values():
    types = get_type_hints(CosineAnnealingCallback.__init__)
    assert types.keys() - {"return"} == signature(CosineAnnealingCallback).parameters.keys()
    assert isinstance(10, types["t_max"])
    assert isinstance(None, types["t_max"])
    assert not isinstance(8.0, types["t_max"])
    assert isinstance([0, 1], types["optimizers"])
    assert not isinstance("step", types["warmup"])
    assert str(types["t_max"]) == "TMax | None"


def test_the_callback_is_an_ordinary_callback_without_public_names_of_its_own():
    callback = CosineAnnealingCallback(t_max=10, interval="step", optimizers=[1, 0], warmup=0.1)
    assert isinstance(callback, pl.Callback)
    loaded = pickle.loads(pickle.dumps(callback))  # noqa: S301
    assert repr(copy.deepcopy(callback)) == repr(loaded) == repr(callback)
    own = {*dir(CosineAnnealingCallback)} - {*dir(pl.Callback)}
    assert all(name.startswith("_") for name in own)


def test_the_documentation_and_its_example():
    assert "SGDR" in CosineAnnealingCallback.__doc__
    (example,) = doctest.DocTestFinder(recurse=False).find(CosineAnnealingCallback, "example")
    example.globs["CosineAnnealingCallback"] = CosineAnnealingCallback
    assert doctest.DocTestRunner().run(example) == (0, 2)
