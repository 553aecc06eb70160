"""What the command says of TensorBoard events, as Keras and as torch write them."""

import os
import subprocess
import sys

import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from cosine_callbacks.__main__ import main
from cosine_callbacks.tensorflow import CosineAnnealingCallback
from tests.integration.tensorflow.parts import fit, sgd

PLAN = ["--lr_initial", "0.1", "--lr_min", "0.05", "--t_max", "4"]
# 0.075 + 0.025 * cos(45 degrees * e)
RIGHT = [0.1, 0.09267767, 0.075, 0.05732233, 0.05, 0.05]


def kept_by_keras(path):
    board = tf.keras.callbacks.TensorBoard(path)
    fit(sgd(), CosineAnnealingCallback(4, 0.05), board, epochs=6)
    return path / "train"


def kept_by_torch(path, rates, first=0, tag="lr-SGD"):
    """Write events in the form in which torch's SummaryWriter writes them for Lightning."""
    writer = EventFileWriter(str(path), filename_suffix=f".{first}")
    for step, rate in enumerate(rates, first):
        for name, value in ((tag, rate), ("loss", float("nan"))):
            summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
            writer.add_event(Event(step=step, summary=summary))
    writer.close()
    return path


def test_events_of_keras(tmp_path, capsys):
    folder = kept_by_keras(tmp_path)
    capsys.readouterr()
    assert main(["check", str(folder), *PLAN]) == 0
    right = f"{folder}: epoch_learning_rate is as planned; rates compared: 6\n"
    assert capsys.readouterr().out == right
    assert main(["check", str(folder), *PLAN, "--t_max", "5"]) == 1
    assert capsys.readouterr().out.endswith("; likely cause: t_max is 4 instead of 5\n")


def test_events_of_torch(tmp_path, capsys):
    folder = kept_by_torch(tmp_path / "whole", RIGHT)
    (file,) = folder.iterdir()
    resumed = kept_by_torch(tmp_path / "resumed", RIGHT[:3])
    kept_by_torch(resumed, RIGHT[3:], first=3)
    for path in (folder, file, resumed):
        assert main(["check", str(path), *PLAN, "--interval", "step"]) == 0
        right = f"{path}: lr-SGD is as planned; rates compared: 6\n"
        assert capsys.readouterr() == (right, "")
    late = kept_by_torch(tmp_path / "late", [0.1, *RIGHT])
    assert main(["check", str(late), *PLAN, "--interval", "step"]) == 1
    assert capsys.readouterr().out.endswith("; likely cause: the run is one step late\n")


def test_bad_events(tmp_path, capsys):
    def refused(path, *arguments):
        assert main(["check", str(path), *PLAN, "--interval", "step", *arguments]) == 2
        output, complaint = capsys.readouterr()
        assert (output, complaint.count("\n")) == ("", 1)
        return complaint.removeprefix(f"error: {path} must ").removesuffix("\n")

    nothing = "have one rate lr-* or learning_rate, got nothing; give the log of a run"
    assert refused(tmp_path) == nothing
    missing = tmp_path / "events.out.tfevents.1"
    assert refused(missing) == f"error: [Errno 2] No such file or directory: '{missing}'"
    missing.write_bytes(os.urandom(10_000))
    assert refused(missing) == nothing
    folder = kept_by_torch(tmp_path / "nan", [0.1, float("nan")])
    assert refused(folder) == (
        "hold a finite rate at each position, got nan at 1 in an event; check the log"
    )
    kept_by_torch(folder, [0.1], first=9, tag="lr-Adam")
    assert refused(folder) == (
        "have one rate lr-* or learning_rate, got several, ['lr-Adam', 'lr-SGD']; give --column "
        "one of them"
    )
    assert refused(folder, "--column", "accuracy") == (
        "have one rate accuracy, got ['loss', 'lr-Adam', 'lr-SGD']; give the log of a run"
    )


def test_tensorflow_keeps_quiet(tmp_path):
    folder = kept_by_torch(tmp_path, RIGHT)
    command = [sys.executable, "-m", "cosine_callbacks", "check", folder, *PLAN]
    loud = {name: os.environ[name] for name in os.environ if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [*command, "--interval", "step"], env=loud, capture_output=True, text=True, check=False
    )
    right = f"{folder}: lr-SGD is as planned; rates compared: 6\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, right, "")
