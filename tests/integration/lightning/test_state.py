"""The constructor of the callback, and its saved state."""

import copy
import io
import math
import pickle
import re
from typing import get_type_hints

import numpy as np
import pytest
import torch

from tests.integration.lightning.parts import CosineAnnealingCallback, Model, fit, pl, trainer

WRONG = {
    "t_max": [(0, ValueError), (-1, ValueError), (float("nan"), ValueError), (8.0, ValueError)],
    "lr_min": [(-1, ValueError), (float("inf"), ValueError), (None, TypeError)],
    "lr_initial": [(0, ValueError), (float("nan"), ValueError), (True, TypeError)],
    "lr_min_ratio": [(1.5, ValueError), ("0.1", TypeError)],
    "interval": [("batch", ValueError), (None, TypeError), (["step"], TypeError)],
    "warmup": [(1.0, ValueError), (-1, ValueError), (None, TypeError)],
    "hold": [(1.0, ValueError), (-1, ValueError), (None, TypeError)],
    "warmup_start_ratio": [(2, ValueError), (0.5, ValueError)],
    "cycles": [(0, ValueError), (1.5, ValueError), (None, ValueError)],
    "t_mult": [(0, ValueError), (1.5, ValueError), (None, TypeError)],
    "peak_decay": [(0, ValueError), (1.1, ValueError)],
    "optimizers": [
        (-1, ValueError),
        ([], ValueError),
        ([0, 0], ValueError),
        (True, TypeError),
        ([False], TypeError),
        ("0", TypeError),
        (0.0, ValueError),
    ],
}


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [(name, value, error) for name, cases in WRONG.items() for value, error in cases]
    + [("t_max", value, TypeError) for value in (True, "10", [10])],
)
def test_bad_arguments_are_refused_when_built(name, value, error):
    # With cycles=None the missing argument is t_max.
    named = "t_max" if (name, value) == ("cycles", None) else name
    with pytest.raises(error, match=rf"^{named} ") as refused:
        CosineAnnealingCallback(**{name: value})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"lr_min": 0.1, "lr_min_ratio": 0.1}, "lr_min and lr_min_ratio"),
        ({"lr_min": 0.5, "lr_initial": 0.1}, "lr_min must be <= lr_initial"),
        ({"t_max": 5, "warmup": 5}, "warmup must leave"),
    ],
    ids=["two-floors", "floor-above", "warmup-too-long"],
)
def test_contradictions_are_refused_when_built(options, named):
    with pytest.raises(ValueError, match=named):
        CosineAnnealingCallback(**options)


def test_numpy_numbers():
    built = CosineAnnealingCallback(
        t_max=np.int64(10), lr_min=np.float64(0.001), optimizers=np.int32(0)
    )
    assert repr(built) == "CosineAnnealingCallback(t_max=10, lr_min=0.001, optimizers=[0])"


def test_arguments_are_taken_by_name_only():
    sentence = r"^CosineAnnealingCallback\(\) takes its arguments by name, got 10$"
    with pytest.raises(TypeError, match=sentence):
        CosineAnnealingCallback(10)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("T_max", "; T_max is t_max here"), ("eta_min", "; eta_min is lr_min here"), ("rate", "")],
)
def test_the_name_that_another_library_uses_is_explained(name, hint):
    sentence = f"CosineAnnealingCallback() got an unexpected keyword argument '{name}'{hint}"
    with pytest.raises(TypeError, match=f"^{re.escape(sentence)}$"):
        CosineAnnealingCallback(**{name: 1})


def test_the_types_of_the_arguments_know_their_values():
    types = get_type_hints(CosineAnnealingCallback.__init__)
    assert isinstance(10, types["t_max"])
    assert isinstance(None, types["t_max"])
    assert not isinstance(8.0, types["t_max"])
    assert isinstance([0, 1], types["optimizers"])
    assert not isinstance("step", types["warmup"])
    assert str(types["t_max"]) == "TMax | None"


def test_repr_builds_an_equal_callback():
    for built in (
        CosineAnnealingCallback(),
        CosineAnnealingCallback(
            t_max=10, lr_min=0.001, interval="step", optimizers=[1, 0], warmup=0.1
        ),
    ):
        namespace = {"CosineAnnealingCallback": CosineAnnealingCallback}
        assert repr(eval(repr(built), namespace)) == repr(built)  # noqa: S307 - our own repr


def test_the_callback_is_an_ordinary_callback():
    callback = CosineAnnealingCallback(t_max=10)
    assert isinstance(callback, pl.Callback)
    assert repr(copy.deepcopy(callback)) == repr(pickle.loads(pickle.dumps(callback)))  # noqa: S301
    assert "SGDR" in CosineAnnealingCallback.__doc__


def test_the_callback_has_no_public_names_of_its_own():
    own = {*dir(CosineAnnealingCallback)} - {*dir(pl.Callback)}
    assert all(name.startswith("_") for name in own)


def test_the_state_key_names_no_hyperparameter():
    key = "CosineAnnealingCallback{'optimizers': None}"
    assert (
        CosineAnnealingCallback(t_max=10, lr_min=0.01).state_key
        == CosineAnnealingCallback().state_key
        == key
    )
    one = "CosineAnnealingCallback{'optimizers': [1]}"
    assert CosineAnnealingCallback(optimizers=1).state_key == one
    assert CosineAnnealingCallback(optimizers=[1]).state_key == one


def test_a_subclass_may_name_its_state_as_lightning_says():
    class Made(CosineAnnealingCallback):
        @property
        def state_key(self):
            return self._generate_state_key(tag="x")

    class Fixed(CosineAnnealingCallback):
        state_key = "fixed"

    assert Made(t_max=10).state_key == Made.__qualname__ + "{'tag': 'x'}"
    assert Fixed(t_max=10).state_key == "fixed"


def test_the_state_is_plain_and_loads_with_weights_only(tmp_path):
    callback = CosineAnnealingCallback(interval="step", warmup=0.1, cycles=2)
    fit(Model(), callback, max_epochs=2).save_checkpoint(tmp_path / "run.ckpt")
    saved = torch.load(tmp_path / "run.ckpt", weights_only=True)["callbacks"]
    state = saved[callback.state_key]
    assert state == {
        "version": 1,
        "interval": "step",
        "t_max": 10,
        "planned": 20,
        "warmup": 1,
        "hold": 0,
        "warmup_start_ratio": None,
        "cycles": 2,
        "t_mult": 1,
        "peak_decay": 1.0,
        "epochs": 2,
        "open": False,
        "cut": False,
        "batches": 20,
        "ends": 2,
        "plan": {
            "interval": "step",
            "batches": 10.0,
            "limits": [2.0, math.inf],
            "accumulation": [[0, 1]],
            "length": 20,
        },
        "counted": False,
        "optimizers": [
            {"index": 0, "bases": [0.1], "floors": [0.0], "count": 0, "configured": [0.1]}
        ],
    }


def test_there_is_no_state_before_a_run():
    assert CosineAnnealingCallback().state_dict() == {}


def save_edited_checkpoint(tmp_path, **changes):
    """Save a run of 5 updates, change our state in the file, and return its path."""
    callback = CosineAnnealingCallback(t_max=10, interval="step")
    fit(Model(), callback, max_steps=5).save_checkpoint(tmp_path / "run.ckpt")
    checkpoint = torch.load(tmp_path / "run.ckpt", weights_only=True)
    state = checkpoint["callbacks"][callback.state_key]
    state.update(changes)
    for gone in [name for name, value in state.items() if value == "gone"]:
        del state[gone]
    torch.save(checkpoint, tmp_path / "run.ckpt")
    return tmp_path / "run.ckpt"


@pytest.mark.parametrize(
    "changes",
    [
        {"t_max": -1},
        {"t_max": "gone"},
        {"t_max": torch.tensor(10)},
        {"peak_decay": torch.tensor(1.0, device="meta")},
        {"interval": "hour"},
        {"version": "1"},
        {"epochs": None},
        {"optimizers": 3},
        {"optimizers": [{"index": 0, "bases": ["0.1"], "floors": [0.0], "count": 0}]},
        {"optimizers": [{"index": 0, "bases": [float("nan")], "floors": [0.0], "count": 0}]},
        {"optimizers": [{"index": "0", "bases": [0.1], "floors": [0.0], "count": 0}]},
    ],
    ids=str,
)
def test_a_foreign_state_is_refused_in_one_sentence(tmp_path, changes):
    checkpoint = save_edited_checkpoint(tmp_path, **changes)
    model = Model()
    attempt = trainer(CosineAnnealingCallback(t_max=10, interval="step"), max_steps=10)
    with pytest.raises(ValueError, match="must be one that it saved") as refused:
        attempt.fit(model, ckpt_path=checkpoint)
    assert "\n" not in str(refused.value)
    assert model.used == []


def test_missing_keys_of_an_older_state_get_their_defaults(tmp_path, recwarn):
    needed = {"interval", "t_max", "optimizers"}
    straight = Model()
    fit(straight, CosineAnnealingCallback(t_max=10, interval="step"), max_steps=10)
    callback = CosineAnnealingCallback(t_max=10, interval="step")
    fit(Model(), callback, max_steps=1)
    unknown = dict.fromkeys(callback.state_dict().keys() - needed, "gone")
    optimizers = [{"index": 0, "bases": [0.1], "floors": [0.0]}]
    checkpoint = save_edited_checkpoint(tmp_path, **unknown, optimizers=optimizers)
    resumed = Model()
    fit(resumed, callback, max_steps=10, ckpt_path=checkpoint)
    assert resumed.rates == straight.rates[5:]
    assert not [w for w in recwarn if "the checkpoint has other parameters" in str(w.message)]


def test_a_state_of_a_newer_version_is_refused_as_such(tmp_path):
    checkpoint = save_edited_checkpoint(tmp_path, version=2, added_then=True)
    model = Model()
    attempt = trainer(CosineAnnealingCallback(t_max=10, interval="step"), max_steps=10)
    sentence = (
        "the checkpoint's state for CosineAnnealingCallback must be of version 1 or older, got 2; "
        "update cosine-callbacks to resume from it"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        attempt.fit(model, ckpt_path=checkpoint)
    assert model.used == []


@pytest.mark.parametrize("state", [torch.zeros(3), torch.zeros(0), [1]], ids=str)
def test_a_state_that_is_no_dict_is_refused(state):
    callback = CosineAnnealingCallback()
    callback.setup(trainer(callback), None, "fit")
    with pytest.raises(ValueError, match="must be one that it saved"):
        callback.load_state_dict(state)


def test_other_stages_ignore_the_state(tmp_path):
    class Tested(Model):
        def test_step(self, batch, batch_idx):
            pass

        def test_dataloader(self):
            return self.train_dataloader()

    callback = CosineAnnealingCallback(t_max=10, interval="step")
    fit(Model(), callback, max_steps=5).save_checkpoint(tmp_path / "run.ckpt")
    fresh = CosineAnnealingCallback(t_max=10, interval="step")
    tester = trainer(fresh)
    tester.test(Tested(), ckpt_path=tmp_path / "run.ckpt", verbose=False)
    assert fresh.state_dict() == {}
    before = copy.deepcopy(callback.state_dict())
    trainer(callback).test(Tested(), ckpt_path=tmp_path / "run.ckpt", verbose=False)
    assert callback.state_dict() == before


def test_a_fitted_callback_can_be_pickled():
    callback = CosineAnnealingCallback(t_max=10, interval="step")
    fit(Model(), callback, max_steps=5)
    loaded = torch.load(io.BytesIO(torch_saved(callback)), weights_only=False)
    assert loaded.state_dict() == callback.state_dict()


def torch_saved(thing):
    file = io.BytesIO()
    torch.save(thing, file)
    return file.getvalue()


def test_a_refused_run_changes_no_key_of_any_group():
    model = Model(lr=1e-3)
    attempt = trainer(CosineAnnealingCallback(t_max=10, lr_min=0.01), max_epochs=1)
    with pytest.raises(ValueError, match=re.escape("the rate of param group 0 of optimizer 0")):
        attempt.fit(model)
    (group,) = attempt.optimizers[0].param_groups
    fresh = torch.optim.SGD(model.parameters(), lr=1e-3).param_groups[0]
    assert {k: v for k, v in group.items() if k != "params"} == {
        k: v for k, v in fresh.items() if k != "params"
    }


def test_the_example_of_the_docstring():
    assert "CosineAnnealingCallback(t_max=10, lr_min=0.001)" in CosineAnnealingCallback.__doc__
    built = CosineAnnealingCallback(t_max=10, lr_min=0.001)
    assert repr(built) == "CosineAnnealingCallback(t_max=10, lr_min=0.001)"
