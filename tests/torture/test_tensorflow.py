"""tf.keras, killed at seeded points, uses the rates of the uninterrupted run."""

import pytest

from .run import POINTS, run_program


def test_killed_and_resumed(tmp_path):
    result = run_program(tmp_path, "fit_points.py", "tensorflow", str(POINTS))
    runs = result["runs"]
    assert result["killed"] >= len(runs) * POINTS
    # The uninterrupted runs: halfway from 0.1 to 0.001, and two cycles of two epochs.
    assert runs["step"][8] == pytest.approx(0.0505, rel=6e-7)
    assert runs["epoch"][:16:4] == pytest.approx([0.1, 0.055, 0.1, 0.055], rel=6e-7)
