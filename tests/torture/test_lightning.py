"""Lightning, killed at seeded points or with a damaged file: the right rates, or an error."""

import pickle

import pytest
import torch

from tests.curve import cosines
from tests.integration.lightning.parts import Model, fit, per_update, pl

from .run import POINTS, run_program


@pytest.mark.skipif(
    pl.__version__.startswith("2.2."),
    reason="Lightning 2.2 trains a batch of the epoch that it resumes once more: see test_resume",
)
def test_killed_and_resumed(tmp_path):
    result = run_program(tmp_path, "lightning_points.py", POINTS)
    runs = result["runs"]
    assert result["killed"] >= len(runs) * POINTS
    # The uninterrupted runs: halfway from 0.1 to 0.001, and two cycles of two epochs.
    assert runs["step"][10] == pytest.approx(0.0505, rel=1e-15)
    assert runs["epoch"][::5] == pytest.approx([0.1, 0.055, 0.1, 0.055], rel=1e-15)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A checkpoint from the middle of a run."""
    file = tmp_path_factory.mktemp("saved") / "run.ckpt"
    fit(Model(), per_update(t_max=20), max_steps=7).save_checkpoint(file)
    return file


def resume(file):
    """Resume from the file, which must not change; return the rates used and the exception."""
    before, model, raised = file.read_bytes(), Model(), None
    try:
        fit(model, per_update(t_max=20), max_steps=20, max_epochs=3, ckpt_path=file)
    except Exception as error:  # noqa: BLE001 - which one it may be, the tests say
        raised = error
    assert file.read_bytes() == before
    return model.rates, raised


def test_an_intact_checkpoint(saved):
    rates, raised = resume(saved)
    assert raised is None
    assert rates == cosines(range(7, 20), 20)


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.3, 0.7, 0.99, 0.9999])
def test_a_truncated_checkpoint(saved, tmp_path, fraction):
    file, data = tmp_path / "run.ckpt", saved.read_bytes()
    file.write_bytes(data[: int(len(data) * fraction)])
    rates, raised = resume(file)
    assert rates == []
    assert isinstance(raised, RuntimeError | EOFError | pickle.UnpicklingError | ValueError)


def test_a_checkpoint_without_our_state(saved, tmp_path):
    checkpoint = torch.load(saved, weights_only=True)
    del checkpoint["callbacks"]["CosineAnnealingCallback{'optimizers': None}"]
    file = tmp_path / "run.ckpt"
    torch.save(checkpoint, file)
    # Lightning saves the position and torch the base: nothing is lost.
    assert resume(file) == resume(saved)
