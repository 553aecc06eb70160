"""A model saved on one backend continues its curve on another one."""

from pathlib import Path

import pytest

from tests.programs import run_program

SAVED = Path(__file__).parents[1] / "keras" / "saved.py"


# Keras cannot load an optimizer saved on torch with another backend.
@pytest.mark.parametrize(
    ("saved", "loaded"),
    [
        ("tensorflow", "jax"),
        ("jax", "tensorflow"),
        ("tensorflow", "torch"),
        ("jax", "torch"),
        ("torch", "torch"),
    ],
)
def test_saved_on_one_backend_and_loaded_on_another(tmp_path, saved, loaded):
    path = tmp_path / "model.keras"
    run_program(SAVED, "save", path, KERAS_BACKEND=saved)
    resumed = run_program(SAVED, "load", path, KERAS_BACKEND=loaded)
    assert resumed["rate"] == pytest.approx(0.05, rel=6e-7)
    assert resumed["weight"] == pytest.approx(-1.05, rel=6e-7)
