"""Which logs `check` reads and refuses, its pictures and its exit status."""

import math
import os
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from cosine_callbacks._command import main
from tests.preview.logs import curve, write_events, write_log

PLAN = "--lr_initial 0.1 --lr_min 0.001 --t_max 90 --interval step"
RIGHT = [curve(e) for e in range(100)]


@pytest.mark.parametrize(
    ("header", "column", "named"),
    [
        ("step,lr-Adam,lr-Adam-momentum,lr-Adam-weight_decay,lr,learning_rate", "lr-Adam", False),
        ("step,lr-Adam/pg1,lr-Adam/pg2", "lr-Adam/pg1", True),
        ("step,train/lr", "train/lr", True),
        ("\ufeffepoch,learning_rate,lr", "learning_rate", False),
        ("epoch,lr", "lr", False),
        ("epoch,learning_rate_sgd", "learning_rate_sgd", False),
        ("epoch,learning_rate_b,learning_rate_a", "learning_rate_b", True),
    ],
)
def test_columns(output_of, tmp_path, header, column, named):
    path = tmp_path / "log.csv"
    path.write_text(f"{header}\n0,0.1{',7' * (header.count(',') - 1)}\n\n")
    unit = "step" if "step" in header else "epoch"
    chosen = f"--column {column}" if named else ""
    output = output_of("check", path, PLAN, "--interval", unit, chosen)
    assert output == f"{path}: {column} is as planned; rates compared: 1\n"


NO_RATE = "{} must have one rate lr-* or learning_rate, got "
HINT = (
    "; give the log of a run with Lightning's LearningRateMonitor, with Keras' CSVLogger after our "
    "callback, or with Keras' TensorBoard"
)
NOT_FINITE = (
    "{{}} must hold a finite rate at each position from 0 to 2**63 - 1, got {}; check the log"
)
COLUMNS = "{{}} must have one column {} and one column lr-A, got {}; give the log of a run"
NOT_CSV = "{{}} must be a CSV file, got {}; give a log"
NOT_UTF8 = "'utf-8' codec can't decode byte 0x89 in position 0: invalid start byte"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", f"{NO_RATE}[]{HINT}"),
        (b"a,b\n1,2\n", f"{NO_RATE}['a', 'b']{HINT}"),
        (b"step,lr-A,lr-B\n", NO_RATE + "['lr-A', 'lr-B']; give --column lr-A or --column lr-B"),
        (b"step,my lr\n", NO_RATE + "['my lr', 'step']; give --column 'my lr'"),
        (b"lr-A\n1\n", COLUMNS.format("epoch", "['lr-A']")),
        (b"step,lr-A,lr-A\n1,2,3\n", COLUMNS.format("step", "['step', 'lr-A', 'lr-A']")),
        (b"step,lr-A\n0,\n", "{} must have rates as lr-A, got none; give the log of a run"),
        (b"step,lr\n%d,.5\n" % 2**63, NOT_FINITE.format("'.5' at '9223372036854775808'")),
        (b"step,lr-A\n0,0.1\n-1,0.1\n", NOT_FINITE.format("'0.1' at '-1'")),
        (b"step,lr-A\n0,0.1\n1,nan\n", NOT_FINITE.format("'nan' at '1'")),
        (b"epoch,learning_rate\nx,0.1\n", NOT_FINITE.format("'0.1' at 'x'")),
        (b"step,lr-A\n0,0.1\n1", "{} must have 2 cells in each line, got 1 in line 3; check the"),
        (b"x" * 9_000_000, NOT_CSV.format("field larger than field limit (131072)")),
        (b"\x89PNG\r\n", NOT_CSV.format(NOT_UTF8)),
    ],
    ids=lambda each: each[:40],
)
def test_bad_csv_files(assert_refused, tmp_path, text, sentence):
    path = tmp_path / "log.csv"
    path.write_bytes(text)
    assert_refused(sentence.format(path), "check", path, PLAN)


def test_files_that_are_not_there(assert_refused, tmp_path, monkeypatch):
    for path in (tmp_path / "log.csv", tmp_path / "events.out.tfevents.1"):
        assert_refused(f"[Errno 2] No such file or directory: '{path}'", "check", path, PLAN)
    assert_refused(f"{NO_RATE.format(tmp_path)}[]{HINT}", "check", tmp_path, PLAN)

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(type(tmp_path), "iterdir", refuse)
    assert_refused(f"[Errno 13] Permission denied: '{tmp_path}'", "check", tmp_path, PLAN)


def test_names_cannot_write_to_the_terminal(command, assert_refused, tmp_path):
    path = tmp_path / "a\n\x1b[31m.csv"
    shown = str(path).replace("\n", "\\n").replace("\x1b", "\\x1b")
    path.write_text("none\n")
    assert_refused(f"{tmp_path}/a", "check", path, PLAN)
    assert "\x1b" not in command("check", path, PLAN)[2]
    path.write_text("step,lr-\x1b[31m\n0,0.1\n")
    right = f"{shown}: lr-\\x1b[31m is as planned; rates compared: 1\n"
    assert command("check", path, PLAN) == (0, right, "")


def test_names_that_the_output_cannot_encode(process, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    path = tmp_path / "é.csv"
    path.write_text("step,lr\n0,0.1\n")
    assert "\\xe9.csv: lr is as planned; " in process("check", path, PLAN).stdout


def test_a_stream_is_read_once(process, tmp_path):
    wrong = [0.05] * 49 + [curve(e, 9_000) for e in range(49, 10_000)]
    log = write_log(tmp_path, "lightning", wrong).read_text()
    done = process("check /dev/stdin", PLAN, "--t_max 9000", given=log)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("/dev/stdin: lr-Adam differs first at step 0: 0.05 is logged")


@pytest.mark.parametrize("tensor", [False, True])
def test_events(command, assert_refused, tmp_path, tensor):
    folder = write_events(tmp_path / "whole", RIGHT, tensor=tensor)
    (file,) = folder.iterdir()
    resumed = write_events(tmp_path / "resumed", RIGHT[:3], tensor=tensor)
    write_events(resumed, RIGHT[3:], first=3, tensor=tensor)
    for path in (folder, file, resumed):
        right = f"{path}: lr-SGD is as planned; rates compared: 100\n"
        assert command("check", path, PLAN) == (0, right, "")
    write_events(resumed, [0.1], tag="lr-Adam", first=200)
    both = "['lr-Adam', 'lr-SGD']; give --column lr-Adam or --column lr-SGD"
    assert_refused(f"{NO_RATE.format(resumed)}{both}", "check", resumed, PLAN)
    tags = "['complex', 'keras', 'loss', 'lr-SGD', 'picture', 'vector']; give --column lr-SGD"
    mine = f"{folder} must have one rate mine, got {tags}"
    assert_refused(mine, "check", folder, PLAN, "--column mine")
    for other in ("complex", "keras", "loss", "picture", "vector"):
        assert_refused(f"{folder} must hold a finite ", "check", folder, PLAN, "--column", other)


def test_the_folder_of_a_run_is_found(output_of, assert_refused, tmp_path):
    write_events(tmp_path / "train", RIGHT)
    write_events(tmp_path / "validation", [0.0] * 9, tag="loss2")
    right = f"{tmp_path}: lr-SGD is as planned; rates compared: 100\n"
    assert output_of("check", tmp_path, PLAN) == right
    (tmp_path / "train").rename(tmp_path / "version_0")
    two = f"{tmp_path} must hold the events of one run, got ['validation', 'version_0']; give one"
    assert_refused(f"{two} of these", "check", tmp_path, PLAN)


def test_damaged_events_are_refused(command, assert_refused, tmp_path):
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    def record(length, data):
        head = length.to_bytes(8, "little")
        crcs = (masked_crc32c(part).to_bytes(4, "little") for part in (head, data))
        return head + next(crcs) + data + next(crcs)

    (file,) = write_events(tmp_path / "good", RIGHT).iterdir()
    whole, bad = file.read_bytes(), tmp_path / "bad.tfevents"
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    cut = (whole[:-count] for count in (1, 5, 20))
    wrong = whole + record(5, b"\xff" * 5), whole + record(2**62, b"")
    for data in (flipped, *cut, *wrong, os.urandom(10_000)):
        bad.write_bytes(data)
        damaged = f"{bad} must hold whole records, got a damaged or cut one after "
        assert_refused(damaged, "check", bad, PLAN)
    bad.write_bytes(whole[: len(whole) * 3 // 4])
    assert int(re.search(r"after step (\d+);", command("check", bad, PLAN)[2])[1]) in range(70, 80)


def test_pictures_show_plan_log_and_first_difference(command, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    log, svg = write_log(tmp_path, "lightning", [*RIGHT[:60], *[0.15] * 40]), tmp_path / "log.svg"
    status, output, stderr = command("check", log, PLAN, "--plot --save", svg)
    assert (status, stderr) == (1, "")
    *picture, line = output.splitlines()
    assert line.endswith("; likely cause: the rate stays at 0.15 from step 60 on")
    assert " logged" in output
    assert " differs" in output
    (row,) = [row for row in picture if "X" in row and "differs" not in row]
    assert row in picture[:3]  # the highest rate
    assert row.rindex("X") == pytest.approx(7 + 72 * 60 / 99, abs=3)
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg.read_text())
    assert {"logged", "first difference", "step", "learning rate"} <= {*texts}
    right = write_log(tmp_path, "lightning", RIGHT)
    status, output, _ = command("check", right, PLAN, "--plot --save", svg)
    assert (status, "differs" in output) == (0, False)
    assert "first difference" not in svg.read_text()
    assert "logged" in svg.read_text()


def test_failures_are_one_line_and_status_2(tmp_path):
    log = write_log(tmp_path, "lightning", [0.3] * 40)
    for name, output in product((f"check {log}", "preview"), ("&-", "/dev/full")):
        shell = f"{sys.executable} -m cosine_callbacks {name} {PLAN} >{output}"
        done = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert done.stderr.startswith("error: ")


def test_a_full_device_is_an_error(monkeypatch, capsys):
    with Path("/dev/full").open("w", encoding="utf-8") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert main.main(["preview", *PLAN.split()]) == 2
    assert capsys.readouterr().err == "error: [Errno 28] No space left on device\n"


@pytest.mark.parametrize("buffering", [1, -1], ids=["each line", "at the end"])
def test_a_failed_check_into_a_closed_pipe(monkeypatch, tmp_path, buffering):
    log = write_log(tmp_path, "lightning", [0.2])
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", buffering=buffering) as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert main.main(["check", str(log), *PLAN.split()]) == 1


@pytest.mark.parametrize(("error", "status"), [(ZeroDivisionError, 2), (KeyboardInterrupt, 130)])
def test_an_error_that_nobody_thought_of(command, monkeypatch, error, status):
    def fail(*_):
        raise error

    monkeypatch.setattr(main, "make_plans", fail)
    sentence = "error: ZeroDivisionError\n" if status == 2 else ""
    assert command("preview", PLAN) == (status, "", sentence)


MEASURED = """
import resource, sys
from cosine_callbacks._command.main import main
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
status = main()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, status)
"""


def test_a_million_rows_take_little_memory(process, tmp_path):
    path, count = tmp_path / "metrics.csv", 1_000_000
    rates = (0.05 + 0.05 * math.cos(math.pi * e / count) for e in range(count))
    with path.open("w") as file:
        file.write("lr-Adam,step\n")
        file.writelines(f"{rate},{e}\n" for e, rate in enumerate(rates))
    plan = "--lr_initial 0.1 --t_max 900000 --interval step"
    line, end = process("check", path, plan, program=MEASURED).stdout.splitlines()
    grown, status = map(int, end.split())
    assert status == 1
    assert line.endswith("; likely cause: t_max is 1000000 instead of 900000")
    assert grown < 40 * 1024  # in kB on Linux
