"""What the command says about TensorBoard events written by Keras."""

import os
import subprocess
import sys

import pytest
import tensorflow as tf

from cosine_callbacks._command.main import main
from cosine_callbacks.tensorflow import CosineAnnealingCallback
from tests.integration.tensorflow.parts import fit, sgd

FLOOR = ["--lr_initial", "0.1", "--lr_min", "0.05", "--t_max"]
BY_EPOCH = [*FLOOR, "4"]
BY_STEP = [*FLOOR, "40", "--interval", "step", "--steps_per_epoch", "10"]


def train_with_tensorboard(path, *callbacks, rate=0.1):
    """Train for 6 epochs of 10 steps, and return the folder of the events."""
    fit(sgd(rate), *callbacks, tf.keras.callbacks.TensorBoard(path), epochs=6)
    return path / "train"


def check_events(capsys, folder, plan):
    capsys.readouterr()
    status = main(["check", str(folder), *plan])
    output, complaint = capsys.readouterr()
    assert complaint == ""
    assert output.startswith(f"{folder}: epoch_learning_rate ")
    return status, output.removeprefix(f"{folder}: epoch_learning_rate ")


@pytest.mark.parametrize(
    ("interval", "plan"), [("epoch", BY_EPOCH), ("step", BY_STEP)], ids=["epochs", "steps"]
)
def test_events_of_our_callback(tmp_path, capsys, interval, plan):
    t_max = int(plan[5])
    ours = CosineAnnealingCallback(t_max=t_max, lr_min=0.05, interval=interval)
    folder = train_with_tensorboard(tmp_path, ours)
    assert check_events(capsys, folder, plan) == (0, "is as planned; rates compared: 6\n")
    status, line = check_events(capsys, folder, [*plan, "--t_max", str(t_max + 1)])
    assert status == 1
    assert line.startswith("differs first at epoch ")
    assert line.endswith(f"; likely cause: t_max is {t_max} instead of {t_max + 1}\n")


def test_events_of_a_schedule(tmp_path, capsys):
    # The planned curve: alpha is the floor as a fraction of the peak.
    decay = tf.keras.optimizers.schedules.CosineDecay(0.1, 40, alpha=0.5)
    folder = train_with_tensorboard(tmp_path, rate=decay)
    right = "is as planned after each epoch, where Keras asks a schedule; rates compared: 6\n"
    assert check_events(capsys, folder, BY_STEP) == (0, right)
    status, line = check_events(capsys, folder, [*BY_STEP, "--t_max", "50"])
    assert status == 1
    assert line.startswith("differs first after epoch 0: ")
    assert line.endswith("; likely cause: t_max is 40 instead of 50\n")


def test_tensorflow_prints_nothing(tmp_path):
    folder = train_with_tensorboard(tmp_path, CosineAnnealingCallback(t_max=4, lr_min=0.05))
    command = [sys.executable, "-m", "cosine_callbacks", "check", folder, *BY_EPOCH]
    loud = {name: os.environ[name] for name in os.environ if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(command, env=loud, capture_output=True, text=True, check=False)
    right = f"{folder}: epoch_learning_rate is as planned; rates compared: 6\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, right, "")
