"""What the command says about the logs that Keras writes: CSV files and TensorBoard events."""

import os
import subprocess
import sys
from functools import partial

import pytest

from cosine_callbacks._command.main import main
from cosine_callbacks.keras import CosineAnnealingSchedule
from tests.curve import cosine

from .parts import (
    BACKEND,
    LEGACY,
    CosineAnnealingCallback,
    compiled,
    fit,
    keras,
    keras_3,
    once,
    per_step,
)

LOGS = ["csv", "events"] if BACKEND == "tensorflow" else ["csv"]
PLANNED = "is as planned; rates compared: 6"
ASKED = "is as planned after each epoch, where Keras asks a schedule; rates compared: 6"


def plan(t_max, *more):
    return ["--lr_initial", "0.1", "--lr_min", "0.001", "--t_max", str(t_max), *more]


STEPS = ["--steps_per_epoch", "10"]
BY_EPOCH, BY_STEP = plan(4), plan(40, "--interval", "step", *STEPS)


def trained(folder, kind, *callbacks, rate=0.1):
    """Train for 6 epochs of 10 steps; return the log, and the name of the rate in it."""
    if kind == "csv":
        logger, log = keras.callbacks.CSVLogger(folder / "log.csv"), folder / "log.csv"
    else:
        logger, log = keras.callbacks.TensorBoard(folder), folder / "train"
    fit(compiled(keras.optimizers.SGD(rate)), *callbacks, logger, epochs=6)
    return log, "learning_rate" if kind == "csv" else "epoch_learning_rate"


def check(capsys, log_and_name, flags):
    """Return what the command says about a log."""
    log, name = log_and_name
    capsys.readouterr()
    status = main(["check", str(log), *flags])
    output, complaint = capsys.readouterr()
    assert complaint == ""
    assert output.startswith(f"{log}: {name} ")
    says = output.removeprefix(f"{log}: {name} ").rstrip("\n")
    assert status == (0 if says.startswith("is as planned") else 1)
    return says


@pytest.mark.parametrize("kind", LOGS)
@pytest.mark.parametrize("interval", ["epoch", "step"])
def test_a_run_as_planned_and_one_of_another_length(tmp_path, capsys, kind, interval):
    t_max, flags = (4, BY_EPOCH) if interval == "epoch" else (40, BY_STEP)
    ours = CosineAnnealingCallback(t_max=t_max, lr_min=1e-3, interval=interval)
    log = trained(tmp_path, kind, ours)
    assert check(capsys, log, flags) == PLANNED
    says = check(capsys, log, [*flags, "--t_max", str(t_max + 1)])
    assert says.startswith("differs first at epoch ")
    assert says.endswith(f"; likely cause: t_max is {t_max} instead of {t_max + 1}")


def at(place):
    """Return a callback that takes the curve's rate at another place in each epoch."""
    return keras.callbacks.LearningRateScheduler(lambda e, _: cosine(place(e), 4, floor=1e-3))


@once
@keras_3
@pytest.mark.parametrize(
    ("made", "flags", "fault"),
    [
        (at(lambda e: max(e - 1, 0)), BY_EPOCH, "1: the run is one epoch late"),
        # Torch's own formula, which rises again after the end.
        (
            at(lambda e: min(e, 8 - e)),
            BY_EPOCH,
            "5: the rate climbs after the end, as with torch's CosineAnnealingLR",
        ),
        (per_step(4, lr_min=1e-3), plan(4, *STEPS), "0: epochs are taken for steps"),
        (CosineAnnealingCallback(lr_min=1e-3), BY_EPOCH, "1: t_max is 6 instead of 4"),
        (
            CosineAnnealingCallback(t_max=4, lr_min=1e-3, lr_initial=0.03),
            BY_EPOCH,
            "0: lr_initial is 0.03 instead of 0.1",
        ),
    ],
)
def test_the_fault_of_a_real_run_is_named(tmp_path, capsys, made, flags, fault):
    epoch, _, cause = fault.partition(": ")
    says = check(capsys, trained(tmp_path, "csv", made), flags)
    assert says.startswith(f"differs first at epoch {epoch}: ")
    assert says.endswith(f"; likely cause: {cause}")


OURS = partial(CosineAnnealingSchedule, lr_initial=0.1, lr_min=1e-3)
SCHEDULES = {
    # alpha is the floor as a fraction of the peak.
    "CosineDecay": (keras.optimizers.schedules.CosineDecay(0.1, 40, alpha=0.01), BY_STEP),
    "ours by step": (OURS(t_max=40), BY_STEP),
    "ours by epoch": (OURS(t_max=4, steps_per_epoch=10), BY_EPOCH),
}


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorBoard's callback needs TensorFlow")
@pytest.mark.parametrize("name", list(SCHEDULES)[: 1 if LEGACY else 3])
def test_events_of_a_schedule(tmp_path, capsys, name):
    schedule, flags = SCHEDULES[name]
    log = trained(tmp_path, "events", rate=schedule)
    assert check(capsys, log, flags) == ASKED
    t_max = int(flags[5])
    says = check(capsys, log, [*flags, "--t_max", str(t_max + 10)])
    assert says.startswith("differs first after epoch 0: ")
    assert says.endswith(f"; likely cause: t_max is {t_max} instead of {t_max + 10}")


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow is loud")
def test_tensorflow_prints_nothing(tmp_path):
    log, name = trained(tmp_path, "events", CosineAnnealingCallback(t_max=4, lr_min=1e-3))
    command = [sys.executable, "-m", "cosine_callbacks", "check", log, *BY_EPOCH]
    loud = {name: os.environ[name] for name in os.environ if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(command, env=loud, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{log}: {name} {PLANNED}\n", "")
