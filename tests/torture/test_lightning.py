"""Lightning, killed at seeded points or with a damaged file: the right rates, or an error."""

import pickle

import pytest

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


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.3, 0.7, 0.99, 0.9999, 1.0])
def test_a_truncated_checkpoint_is_refused_and_a_whole_one_resumes(tmp_path, fraction):
    file, model = tmp_path / "run.ckpt", Model()
    fit(Model(), per_update(t_max=20), max_steps=7).save_checkpoint(file)
    data = file.read_bytes()[: int(file.stat().st_size * fraction)]
    file.write_bytes(data)
    try:
        fit(model, per_update(t_max=20), max_steps=20, max_epochs=3, ckpt_path=file)
    except (RuntimeError, EOFError, pickle.UnpicklingError, ValueError):
        assert fraction < 1
        assert model.rates == []
    else:
        assert fraction == 1
        assert model.rates == cosines(range(7, 20), 20)
    assert file.read_bytes() == data
