"""A model that an older version saved loads, on any backend, and goes on with its schedule."""

import json
from pathlib import Path

import keras
import pytest

from tests.saved_at_d15b331.make_schedules import KERAS, train

SAVED = Path(__file__).parents[2] / "saved_at_d15b331"


def test_an_old_model_loads():
    model = keras.saving.load_model(SAVED / "schedule.keras")
    rates = json.loads((SAVED / "schedules.json").read_text())["schedule.keras"]
    assert train(model, len(rates)) == pytest.approx(rates, rel=6e-7)
    config = model.optimizer.get_config()["learning_rate"]["config"]
    assert config.items() >= KERAS.items()
