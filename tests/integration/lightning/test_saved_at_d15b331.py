"""Checkpoints that an older version saved resume with the rates of the uninterrupted run."""

import json
from pathlib import Path

import pytest

from tests.saved_at_d15b331 import make_checkpoints as old

HERE = Path(old.__file__).parent
USED = json.loads((HERE / "checkpoints.json").read_text())
RUNS = {
    "step.ckpt": (lambda: old.Model(10), old.STEP, {"max_steps": 25}),
    "epoch.ckpt": (lambda: old.Model(4), old.EPOCH, {"max_epochs": 8}),
    "manual.ckpt": (lambda: old.Manual(4), old.MANUAL, {"max_epochs": 3}),
}


@pytest.mark.parametrize("name", RUNS)
def test_an_old_checkpoint_resumes(name):
    make_model, parameters, limits = RUNS[name]
    model = make_model()
    old.fit(model, parameters, ckpt_path=HERE / name, **limits)
    assert model.used == USED[name]
