"""`fit` of Keras 3 or tf.keras, killed at seeded points, uses the rates of the whole run."""

from tests.integration.fit.parts import LEGACY, close, once

from .run import POINTS, run_program


@once
def test_killed_and_resumed(tmp_path):
    result = run_program(tmp_path, "fit_points.py", str(POINTS))
    runs = result["runs"]
    assert len(runs) == (3 if LEGACY else 4)
    assert result["killed"] >= len(runs) * POINTS
    # The uninterrupted runs: halfway from 0.1 to 0.001, two cycles of two epochs, a warmup.
    assert runs["step"][8] == close(0.0505)
    assert runs["epoch"][:16:4] == close([0.1, 0.055, 0.1, 0.055])
    if not LEGACY:
        assert runs["schedule"][:3] == close([0.1 / 3, 0.2 / 3, 0.1])
