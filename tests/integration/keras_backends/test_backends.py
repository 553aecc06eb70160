"""A model saved on one backend continues its curve on another one."""

import json
from pathlib import Path

import pytest

from tests.integration.keras import parts

HERE = Path(__file__).parent
KERAS = Path(parts.__file__).parent


@pytest.mark.parametrize(
    ("saved", "loaded"),
    # Keras cannot load an optimizer saved on torch with another backend.
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
    parts.run_program(HERE, "saved_half.py", path, KERAS_BACKEND=saved)
    printed = parts.run_program(KERAS, "saved_run.py", path, KERAS_BACKEND=loaded)
    resumed = json.loads(printed.splitlines()[-1])
    assert resumed["rate"] == pytest.approx(0.05, rel=6e-7)
    assert resumed["weight"] == pytest.approx(-1.05, rel=6e-7)
