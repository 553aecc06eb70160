"""What the callback saves, and which saved states it takes."""

import copy
import io
import json
import math
import re
from pathlib import Path

import pytest
import torch

from tests.saved_at_d15b331 import make_checkpoints as old

from .parts import CosineAnnealingCallback, Model, Validated, fit, per_update, trainer

KEY = "CosineAnnealingCallback{'optimizers': None}"


def test_the_state_key_names_no_hyperparameter_and_a_subclass_may_name_its_own():
    assert per_update(t_max=10).state_key == CosineAnnealingCallback().state_key == KEY
    for one in (1, [1]):
        assert per_update(optimizers=one).state_key == "CosineAnnealingCallback{'optimizers': [1]}"

    class Made(CosineAnnealingCallback):
        @property
        def state_key(self):
            return self._generate_state_key(tag="x")

    class Fixed(CosineAnnealingCallback):
        state_key = "fixed"

    assert Made(t_max=10).state_key == Made.__qualname__ + "{'tag': 'x'}"
    assert Fixed(t_max=10).state_key == "fixed"


def test_the_state_is_plain_and_loads_with_weights_only(tmp_path):
    callback = per_update(warmup=0.1, cycles=2)
    assert callback.state_dict() == {}
    fit(Model(), callback, max_epochs=2).save_checkpoint(tmp_path / "run.ckpt")
    saved = torch.load(tmp_path / "run.ckpt", weights_only=True)["callbacks"]
    curve = {"interval": "step", "t_max": 10, "planned": 20, "warmup": 1, "hold": 0}
    curve |= {"warmup_start_ratio": None, "cycles": 2, "t_mult": 1, "peak_decay": 1.0}
    done = {"epochs": 2, "open": False, "cut": False, "batches": 20, "ends": 2, "counted": False}
    plan = {"interval": "step", "batches": 10.0, "limits": [2.0, math.inf]}
    plan |= {"accumulation": [[0, 1]], "length": 20}
    only = {"index": 0, "bases": [0.1], "floors": [0.0], "count": 0, "configured": [0.1]}
    state = {"version": 1, **curve, **done, "plan": plan, "optimizers": [only]}
    assert saved[callback.state_key] == state


@pytest.fixture
def edited(tmp_path):
    """Save a run of 5 updates, change our state in the file, and return its path."""

    def save(**changes):
        path = tmp_path / "run.ckpt"
        fit(Model(), per_update(t_max=10), max_steps=5).save_checkpoint(path)
        checkpoint = torch.load(path, weights_only=True)
        state = checkpoint["callbacks"][KEY] | changes
        checkpoint["callbacks"][KEY] = {key: each for key, each in state.items() if each != "gone"}
        torch.save(checkpoint, path)
        return path

    return save


@pytest.mark.parametrize(
    "changes",
    [
        {"t_max": -1},
        {"t_max": "gone"},
        {"peak_decay": torch.tensor(1.0, device="meta")},
        {"optimizers": [{"index": 0, "bases": [math.nan], "floors": [0.0], "count": 0}]},
        {"version": 2, "added_then": True},
    ],
    ids=str,
)
def test_a_foreign_or_a_newer_state_is_refused_in_one_sentence(edited, changes):
    model, attempt = Model(), trainer(per_update(t_max=10), max_steps=10)
    with pytest.raises(ValueError, match=r"^the checkpoint's state for ") as refused:
        attempt.fit(model, ckpt_path=edited(**changes))
    if changes.get("version") == 2:
        assert str(refused.value) == (
            "the checkpoint's state for CosineAnnealingCallback must be of version 1 or older, got "
            "2; update cosine-callbacks to resume from it"
        )
    else:
        sentence = r".* must be one that it saved, got .*; resume from another checkpoint"
        assert re.fullmatch(sentence, str(refused.value))
    assert model.used == []


def test_other_stages_ignore_the_state(edited):
    used, fresh = per_update(t_max=10), per_update(t_max=10)
    fit(Validated(), used, max_steps=3)
    for callback in (fresh, used):
        before = copy.deepcopy(callback.state_dict())
        trainer(callback).test(Validated(), ckpt_path=edited(), verbose=False)
        assert callback.state_dict() == before


def test_a_fitted_callback_can_be_pickled():
    callback, file = per_update(t_max=10), io.BytesIO()
    fit(Model(), callback, max_steps=5)
    torch.save(callback, file)
    file.seek(0)
    assert torch.load(file, weights_only=False).state_dict() == callback.state_dict()


@pytest.mark.parametrize(
    ("name", "model", "parameters", "limits"),
    [
        ("step.ckpt", old.Model(10), old.STEP, {"max_steps": 25}),
        ("epoch.ckpt", old.Model(4), old.EPOCH, {"max_epochs": 8}),
        ("manual.ckpt", old.Manual(4), old.MANUAL, {"max_epochs": 3}),
    ],
    ids=["step", "epoch", "manual"],
)
def test_a_checkpoint_that_an_old_version_saved_resumes(name, model, parameters, limits):
    folder = Path(old.__file__).parent
    old.fit(model, parameters, ckpt_path=folder / name, **limits)
    # Those of the run that was not interrupted.
    assert model.used == json.loads((folder / "checkpoints.json").read_text())[name]
