"""What the command says about logs written by Keras."""

import math

import keras
import pytest

from cosine_callbacks._command.check import compare
from cosine_callbacks._command.plan import make_plan
from cosine_callbacks.keras import CosineAnnealingCallback, CosineAnnealingSchedule
from tests.integration.keras.parts import compiled, fit

PLAN = {"lr_initial": "0.1", "lr_min": "1e-3", "t_max": "4"}
BY_STEP = {**PLAN, "t_max": "40", "interval": "step", "steps_per_epoch": "10"}


def check_log(path, flags, *callbacks, rate=0.1):
    """Train for 6 epochs of 10 steps with CSVLogger, and return what the check says."""
    log = path / "log.csv"
    fit(compiled(keras.optimizers.SGD(rate)), *callbacks, keras.callbacks.CSVLogger(log), epochs=6)
    as_planned, line = compare(make_plan([], flags), str(log), None)
    assert line.startswith(f"{log}: learning_rate ")
    return as_planned, line.removeprefix(f"{log}: learning_rate ")


class LogTheRate(keras.callbacks.Callback):
    """Log the rate of the epoch's last step: Keras does not log the rate of a schedule."""

    def on_train_batch_begin(self, batch, logs=None):
        if batch < 10:  # some backends begin a batch that does not exist
            self.rate = float(self.model.optimizer.learning_rate)

    def on_epoch_end(self, epoch, logs=None):
        logs["learning_rate"] = self.rate


def rate_scheduler(rate):
    return keras.callbacks.LearningRateScheduler(lambda epoch, _: rate(epoch))


def cosine(e):
    return 1e-3 + 0.0495 * (1 + math.cos(math.pi * e / 4))


RIGHT = True, "is as planned; rates compared: 6"


@pytest.mark.parametrize(
    ("made", "flags"),
    [
        (lambda: [CosineAnnealingCallback(t_max=4, lr_min=1e-3)], PLAN),
        (lambda: [CosineAnnealingCallback(t_max=40, lr_min=1e-3, interval="step")], BY_STEP),
    ],
    ids=["epochs", "steps"],
)
def test_our_callback_is_as_planned(tmp_path, made, flags):
    assert check_log(tmp_path, flags, *made()) == RIGHT


def test_our_schedule_is_as_planned(tmp_path):
    schedule = CosineAnnealingSchedule(lr_initial=0.1, t_max=40, lr_min=1e-3)
    assert check_log(tmp_path, BY_STEP, LogTheRate(), rate=schedule) == RIGHT


TORCH = "the rate climbs after the end, as with torch's CosineAnnealingLR"


@pytest.mark.parametrize(
    ("made", "flags", "place", "cause"),
    [
        (
            lambda: rate_scheduler(lambda e: cosine(min(max(e - 1, 0), 4))),
            PLAN,
            1,
            "the run is one epoch late",
        ),
        (
            lambda: CosineAnnealingCallback(t_max=4, lr_min=1e-3, interval="step"),
            {**PLAN, "steps_per_epoch": "10"},
            0,
            "epochs are taken for steps",
        ),
        (lambda: rate_scheduler(cosine), PLAN, 5, TORCH),
        (lambda: CosineAnnealingCallback(lr_min=1e-3), PLAN, 1, "t_max is 6 instead of 4"),
        (
            lambda: CosineAnnealingCallback(t_max=4, lr_min=1e-3, lr_initial=0.03),
            PLAN,
            0,
            "lr_initial is 0.03 instead of 0.1",
        ),
    ],
)
def test_the_fault_of_a_real_run_is_named(tmp_path, made, flags, place, cause):
    as_planned, line = check_log(tmp_path, flags, made())
    assert not as_planned
    assert line.startswith(f"differs first at epoch {place}: ")
    assert line.endswith(f"; likely cause: {cause}")
