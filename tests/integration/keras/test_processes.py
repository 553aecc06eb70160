"""Saving, killing and distribution: tests that need a separate process."""

import json
import math
import signal
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from cosine_callbacks.keras import CosineAnnealingSchedule
from tests.integration.keras.parts import BACKEND, compiled, fit, run_program

HERE = Path(__file__).parent


def last_line(printed):
    return json.loads(printed.splitlines()[-1])


def save(path):
    # All arguments are given, but only the first three shape the curve.
    schedule = CosineAnnealingSchedule(
        lr_initial=0.1,
        t_max=20,
        lr_min=0.0,
        gradient_accumulation_steps=1,
        cycles=1,
        t_mult=2,
        peak_decay=0.5,
        name="mine",
    )
    model = compiled(keras.optimizers.SGD(schedule))
    fit(model)
    model.save(path)
    return schedule


def test_saved_at_10_of_20_and_loaded_in_a_new_process(tmp_path):
    schedule = save(tmp_path / "model.keras")
    resumed = last_line(run_program(HERE, "saved_run.py", tmp_path / "model.keras"))
    assert resumed["rate"] == pytest.approx(0.05, rel=6e-7)
    assert resumed["weight"] == pytest.approx(-1.05, rel=6e-7)
    assert resumed["config"] == schedule.get_config()


def test_without_the_import_keras_says_what_the_docstring_shows(tmp_path):
    save(tmp_path / "model.keras")
    program = f"import keras, parts\nkeras.models.load_model({str(tmp_path / 'model.keras')!r})"
    (tmp_path / "load.py").write_text(program)
    with pytest.raises(AssertionError) as failed:
        run_program(tmp_path, "load.py")
    for part in ("could not be deserialized properly", "Could not locate class 'CosineAnn"):
        assert part in str(failed.value)
        assert part in CosineAnnealingSchedule.__doc__.replace("\n    ", " ")


@pytest.mark.parametrize(
    ("interval", "order"), [("step", 1), ("epoch", -1)], ids=["ours-first", "backup-first"]
)
def test_killed_and_restored(tmp_path, interval, order):
    t_max = 40 if interval == "step" else 4
    options = json.dumps({"t_max": t_max, "interval": interval})
    killed = "[2, 5]"
    run_program(HERE, "killed_fit.py", tmp_path, options, order, killed, expect=-signal.SIGKILL)
    run_program(HERE, "killed_fit.py", tmp_path, options, order, "null")
    lines = (tmp_path / "used.jsonl").read_text().splitlines()
    used = [tuple(json.loads(line)) for line in lines]
    assert [(epoch, batch) for epoch, batch, _ in used] == [
        *((epoch, batch) for epoch in range(2) for batch in range(10)),
        *((2, batch) for batch in range(6)),
        *((epoch, batch) for epoch in (2, 3) for batch in range(10)),
    ]
    assert used[26] == (2, 0, pytest.approx(0.05, rel=6e-7))
    for epoch, batch, rate in used:
        e = epoch * 10 + batch if interval == "step" else epoch
        assert rate == pytest.approx(0.05 * (1 + math.cos(math.pi * e / t_max)), rel=6e-7)


@pytest.mark.skipif(BACKEND == "torch", reason="Keras distributes over JAX and TensorFlow only")
def test_several_devices():
    weights = last_line(run_program(HERE, "devices.py"))
    assert weights == pytest.approx([-0.55, -0.55], rel=6e-7)


def test_tensorflow_is_not_imported():
    program = (
        "import sys, cosine_callbacks.keras\n"
        "sys.exit('tensorflow' in sys.modules and 'the adapter imports TensorFlow')"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == (1 if BACKEND == "tensorflow" else 0), done.stderr
