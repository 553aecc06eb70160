"""What the command says about TensorBoard events, as written by torch and Keras."""

import math
import os
import subprocess
import sys
from types import ModuleType

import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util.tensor_util import make_tensor_proto

PLAN = ["--lr_initial", "0.1", "--lr_min", "0.05", "--t_max", "4"]
BY_STEP = [*PLAN, "--interval", "step"]
# 0.075 + 0.025 * cos(45 degrees * e)
RIGHT = [0.1, 0.09267767, 0.075, 0.05732233, 0.05, 0.05]


def torch_value(tag, value):
    """Return what torch's SummaryWriter writes for Lightning."""
    return Summary.Value(tag=tag, simple_value=value)


def keras_value(tag, value):
    """Return what the TensorBoard callback writes."""
    return Summary.Value(tag=tag, tensor=make_tensor_proto(value, "float32"))


def write_events(path, rates, first=0, tag="lr-SGD", form=torch_value):
    """Write events of a rate, of a loss of nan, and of values that are not numbers."""
    writer = EventFileWriter(str(path), filename_suffix=f".{first}")
    for step, rate in enumerate(rates, first):
        values = [
            form(tag, rate),
            form("loss", float("nan")),
            Summary.Value(tag="keras", tensor=make_tensor_proto("the model as JSON")),
            Summary.Value(tag="weights", tensor=make_tensor_proto([1.0, 2.0])),
            Summary.Value(tag="picture", image=Summary.Image(height=1, width=1)),
        ]
        for value in values:
            writer.add_event(Event(step=step, summary=Summary(value=[value])))
    writer.close()
    return path


@pytest.mark.parametrize("form", [torch_value, keras_value])
def test_a_run_as_planned(command, tmp_path, form):
    folder = write_events(tmp_path / "whole", RIGHT, form=form)
    (file,) = folder.iterdir()
    resumed = write_events(tmp_path / "resumed", RIGHT[:3], form=form)
    write_events(resumed, RIGHT[3:], first=3, form=form)
    for path in (folder, file, resumed):
        right = f"{path}: lr-SGD is as planned; rates compared: 6\n"
        assert command("check", path, *BY_STEP) == (0, right, "")


def test_a_fault(command, tmp_path):
    status, output, _ = command("check", write_events(tmp_path, [0.1, *RIGHT]), *BY_STEP)
    assert status == 1
    assert "lr-SGD differs first at step 1: 0.1 is logged, 0.09267767 planned, " in output
    assert output.endswith("; likely cause: the run is one step late\n")


@pytest.mark.parametrize(
    ("tag", "arguments"),
    [
        ("lr-SGD", []),
        ("epoch_learning_rate", []),
        ("epoch_learning_rate_sgd", []),
        ("epoch_lr", ["--column", "epoch_lr"]),
        ("mine", ["--column", "mine"]),
    ],
)
def test_tags(command, tmp_path, tag, arguments):
    unit = "epoch" if tag.startswith("epoch_") else "step"
    folder = write_events(tmp_path, RIGHT, tag=tag)
    right = f"{folder}: {tag} is as planned; rates compared: 6\n"
    assert command("check", folder, *PLAN, "--interval", unit, *arguments) == (0, right, "")


def cosine(e, t_max):
    return 0.05 + 0.025 * (1 + math.cos(math.pi * min(max(e, 0), t_max) / t_max))


SLOW = [*PLAN[:-1], 24, "--steps_per_epoch", 4]
BY_UPDATE = [*SLOW, "--interval", "step"]


@pytest.mark.parametrize(
    ("plan", "rates"),
    [
        (PLAN, [cosine(e + 1, 4) for e in range(6)]),
        (BY_UPDATE, [cosine(4 * e + 4, 24) for e in range(6)]),
    ],
    ids=["epochs", "steps"],
)
@pytest.mark.parametrize("tag", ["epoch_learning_rate", "epoch_learning_rate_adam"])
def test_keras_asks_a_schedule_after_the_epoch(command, tmp_path, plan, rates, tag):
    folder = write_events(tmp_path, rates, tag=tag)
    right = f"{folder}: {tag} is as planned after each epoch, where Keras asks a schedule; "
    assert command("check", folder, *plan) == (0, f"{right}rates compared: 6\n", "")


E_RATE = "epoch_learning_rate"
EARLY, LATE = "the run is one {} early", "the run is one {} late"
SHORT = "t_max is 20 instead of 24"
TAKEN, MISTAKEN = "steps are taken for epochs", "epochs are taken for steps"
NONE = "none of the usual faults gives these rates"


@pytest.mark.parametrize(
    ("tag", "plan", "rates", "place", "cause"),
    [
        # Any other log holds the rates that were used.
        ("lr-SGD", BY_STEP, [cosine(e + 1, 4) for e in range(6)], "at step 0", EARLY),
        ("lr-SGD", BY_UPDATE, [cosine(e + 1, 24) for e in range(24)], "at step 0", EARLY),
        # Neither all rates before the epoch nor all rates after it.
        (E_RATE, PLAN, [cosine(e - 1, 4) for e in range(6)], "at epoch 1", LATE),
        (E_RATE, BY_UPDATE, [cosine(4 * e + 2, 24) for e in range(6)], "at epoch 0", LATE),
        (E_RATE, BY_UPDATE, [cosine(4 * e + 5, 24) for e in range(6)], "after epoch 0", EARLY),
        (E_RATE, BY_UPDATE, [cosine(4 * e + 3 + e // 3, 24) for e in range(6)], "at epoch 3", NONE),
        # The interpretation that needs fewer faults.
        (E_RATE, BY_UPDATE, [cosine(4 * e + 3, 20) for e in range(6)], "at epoch 0", SHORT),
        (E_RATE, BY_UPDATE, [cosine(4 * e + 4, 20) for e in range(6)], "after epoch 0", SHORT),
        (E_RATE, BY_UPDATE, [cosine(e + 1, 24) for e in range(6)], "after epoch 0", TAKEN),
        (E_RATE, SLOW, [cosine(4 * e + 4, 24) for e in range(6)], "after epoch 0", MISTAKEN),
    ],
)
def test_rates_that_are_not_those_of_a_schedule(command, tmp_path, tag, plan, rates, place, cause):  # noqa: PLR0913, PLR0917 - a table
    folder = write_events(tmp_path, rates, tag=tag)
    status, output, _ = command("check", folder, *plan)
    assert status == 1
    assert output.startswith(f"{folder}: {tag} differs first {place}: ")
    unit = "step" if "step" in plan else "epoch"
    assert output.endswith(f"; likely cause: {cause.format(unit)}\n")


def test_the_rate_after_the_epoch_is_named(command, tmp_path):
    # 0.075 + 0.025 * cos(37.5 degrees) instead of cos(30 degrees).
    folder = write_events(tmp_path, [cosine(4 * e + 5, 24) for e in range(6)], tag=E_RATE)
    right = (
        f"{folder}: {E_RATE} differs first after epoch 0: 0.09483384 is logged, 0.09665064 "
        "planned, 0.00182 too low; likely cause: the run is one step early\n"
    )
    assert command("check", folder, *BY_UPDATE) == (1, right, "")


def test_a_csv_has_the_rates_that_were_used(command, tmp_path):
    path = tmp_path / "log.csv"
    for name in ("learning_rate", E_RATE):
        lines = (f"{e},{cosine(e + 1, 4)!r}\n" for e in range(6))
        path.write_text(f"epoch,{name}\n{''.join(lines)}")
        status, output, _ = command("check", path, *PLAN)
        assert status == 1
        assert output.endswith("; likely cause: the run is one epoch early\n")


def test_bad_events(command, tmp_path):
    def error_of(path, *arguments):
        status, output, stderr = command("check", path, *BY_STEP, *arguments)
        assert (status, output, stderr.count("\n")) == (2, "", 1)
        return stderr.removeprefix(f"error: {path} must ").removesuffix("\n")

    nothing = (
        "have one rate lr-* or learning_rate, got nothing; give the log of a run with Lightning's "
        "LearningRateMonitor, with Keras' CSVLogger after our callback, or with Keras' TensorBoard"
    )
    assert error_of(tmp_path) == nothing
    missing = tmp_path / "events.out.tfevents.1"
    assert error_of(missing) == f"error: [Errno 2] No such file or directory: '{missing}'"
    missing.write_bytes(os.urandom(10_000))
    assert error_of(missing) == nothing
    folder = write_events(tmp_path / "nan", [0.1, float("nan")])
    assert error_of(folder) == (
        "hold a finite rate at each position below 2**63, got nan at 1 in an event; check the log"
    )
    write_events(folder, [0.1], first=9, tag="lr-Adam")
    assert error_of(folder) == (
        "have one rate lr-* or learning_rate, got several, ['lr-Adam', 'lr-SGD']; give --column "
        "one of them"
    )
    for absent in ("accuracy", "keras", "picture", "weights"):
        assert error_of(folder, "--column", absent) == (
            f"have one rate {absent}, got ['loss', 'lr-Adam', 'lr-SGD']; give --column one of them"
        )


def test_a_tensorflow_that_is_imported_is_not_hidden(command, tmp_path, monkeypatch):
    folder, hidden = write_events(tmp_path, RIGHT), "tensorboard.compat.notf"
    monkeypatch.delitem(sys.modules, hidden, raising=False)
    with monkeypatch.context() as imported:
        imported.setitem(sys.modules, "tensorflow", ModuleType("tensorflow"))
        assert command("check", folder, *BY_STEP)[0] == 0
        assert hidden not in sys.modules
    assert command("check", folder, *BY_STEP)[0] == 0
    assert hidden in sys.modules


MEASURED = """
import resource, sys
from cosine_callbacks._command.main import main

def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

little, much, *plan = sys.argv[1:]
main(["check", little, *plan])  # imports TensorBoard
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
opened = []
sys.addaudithook(lambda name, given: opened.append(given[0]) if name == "open" else None)

def openings():
    count = sum(path in (much, much.encode()) for path in opened)
    opened.clear()
    return count

for _ in LegacyEventFileLoader(much).Load():
    pass
once, before = openings(), most()
status = main(["check", much, *plan])
print(status, openings() - once, most() - before)
"""


def test_a_long_log_is_read_once_and_takes_no_memory(tmp_path):
    (little,) = write_events(tmp_path / "little", [*RIGHT, *[0.05] * 94] * 5).iterdir()
    much = tmp_path / "events.out.tfevents.much"
    much.write_bytes(little.read_bytes() * 25)
    program = [sys.executable, "-c", MEASURED, little, much, *PLAN[:-1], "5", *BY_STEP[-2:]]
    done = subprocess.run([*map(str, program)], capture_output=True, text=True, check=True)
    *_, line, end = done.stdout.splitlines()
    status, openings, grown = map(int, end.split())
    assert line.startswith(f"{much}: lr-SGD differs first at step 1: ")
    assert (status, openings) == (1, 1)  # the check that the file exists
    assert grown < 10_000  # in kB on Linux
