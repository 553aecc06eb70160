"""Which logs `check` reads and refuses, its pictures and its exit status."""

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.preview.logs import curve, write_events, write_log

PLAN = ["--lr_initial", "0.1", "--lr_min", "0.001", "--t_max", "90", "--interval", "step"]
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
def test_columns(command, tmp_path, header, column, named):
    path = tmp_path / "log.csv"
    path.write_text(f"{header}\n0,0.1{',7' * (header.count(',') - 1)}\n\n")
    right = f"{path}: {column} is as planned; rates compared: 1\n"
    unit = "step" if "step" in header else "epoch"
    plan = ["--lr_initial", 0.1, "--t_max", 10, "--interval", unit]
    assert command("check", path, *plan, *(["--column", column] * named)) == (0, right, "")


NOT_FINITE = "{} must hold a finite rate at each position from 0 to 2**63 - 1, got "
NO_RATE = "{} must have one rate lr-* or learning_rate, got "
HINT = (
    "; give the log of a run with Lightning's LearningRateMonitor, with Keras' CSVLogger after our "
    "callback, or with Keras' TensorBoard"
)


COLUMNS = "{} must have one column "
GIVE = "; give the log of a run"
NOT_UTF8 = "'utf-8' codec can't decode byte 0x89 in position 0: invalid start byte"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", f"{NO_RATE}[]{HINT}"),
        ("a,b\n1,2\n", f"{NO_RATE}['a', 'b']{HINT}"),
        ("step,lr-A,lr-B\n", NO_RATE + "['lr-A', 'lr-B']; give --column lr-A or --column lr-B"),
        ("step,my lr\n", NO_RATE + "['my lr', 'step']; give --column 'my lr'"),
        ("lr-A\n1\n", f"{COLUMNS}epoch and one column lr-A, got ['lr-A']{GIVE}"),
        (
            "step,lr-A,lr-A\n1,2,3\n",
            f"{COLUMNS}step and one column lr-A, got ['step', 'lr-A', 'lr-A']{GIVE}",
        ),
        ("step,lr-A\n0,\n", f"{{}} must have rates as lr-A, got none{GIVE}"),
        (f"step,lr\n{2**63},.5\n", NOT_FINITE + "'.5' at '9223372036854775808'; check the log"),
        ("step,lr-A\n0,0.1\n-1,0.1\n", NOT_FINITE + "'0.1' at '-1'; check the log"),
        ("step,lr-A\n0,0.1\n1,nan\n", NOT_FINITE + "'nan' at '1'; check the log"),
        ("epoch,learning_rate\n0,NA\n", NOT_FINITE + "'NA' at '0'; check the log"),
        ("epoch,learning_rate\nx,0.1\n", NOT_FINITE + "'0.1' at 'x'; check the log"),
        (
            "step,lr-A\n0,0.1\n1",
            "{} must have 2 cells in each line, got 1 in line 3; check the log",
        ),
        (
            "x" * 9_000_000,
            "{} must be a CSV file, got field larger than field limit (131072); give a log",
        ),
        (b"\x89PNG\r\n", f"{{}} must be a CSV file, got {NOT_UTF8}; give a log"),
    ],
)
def test_bad_csv_files(assert_refused, tmp_path, text, sentence):
    path = tmp_path / "log.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert_refused(sentence.format(path), "check", path, *PLAN)


def test_files_that_are_not_there(assert_refused, tmp_path):
    for path in (tmp_path / "log.csv", tmp_path / "events.out.tfevents.1"):
        assert_refused(f"[Errno 2] No such file or directory: '{path}'", "check", path, *PLAN)
    assert_refused(f"{NO_RATE.format(tmp_path)}[]{HINT}", "check", tmp_path, *PLAN)


def test_a_folder_that_cannot_be_read_is_said(assert_refused, tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(type(tmp_path), "iterdir", refuse)
    assert_refused(f"[Errno 13] Permission denied: '{tmp_path}'", "check", tmp_path, *PLAN)


def test_names_cannot_write_to_the_terminal(command, tmp_path):
    path = tmp_path / "a\n\x1b[31m.csv"
    status, _, stderr = command("check", path, *PLAN)
    assert (status, stderr.count("\n")) == (2, 1)
    path.write_text("step,lr-\x1b[31m\n0,0.1\n")
    status, output, _ = command("check", path, *PLAN)
    assert (status, "\x1b" in output + stderr, output.count("\n")) == (0, False, 1)


def test_a_stream_is_read_once(tmp_path):
    wrong = [0.05] * 49 + [curve(e, 9_000) for e in range(49, 10_000)]
    log = write_log(tmp_path, "lightning", wrong).read_bytes()
    command = [sys.executable, "-m", "cosine_callbacks", "check", "/dev/stdin", *PLAN]
    command[command.index("90")] = "9000"
    done = subprocess.run(command, input=log, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (1, b"")
    assert done.stdout.startswith(b"/dev/stdin: lr-Adam differs first at step 0: 0.05 is logged")


@pytest.mark.parametrize("tensor", [False, True])
def test_events(command, tmp_path, tensor):
    folder = write_events(tmp_path / "whole", RIGHT, tensor=tensor)
    (file,) = folder.iterdir()
    resumed = write_events(tmp_path / "resumed", RIGHT[:3], tensor=tensor)
    write_events(resumed, RIGHT[3:], first=3, tensor=tensor)
    for path in (folder, file, resumed):
        right = f"{path}: lr-SGD is as planned; rates compared: 100\n"
        assert command("check", path, *PLAN) == (0, right, "")
    write_events(resumed, [0.1], tag="lr-Adam", first=200)
    for path, names, column in [
        (resumed, "['lr-Adam', 'lr-SGD']; give --column lr-Adam or --column lr-SGD", []),
        (folder, "['bfloat16', 'complex', 'keras', 'loss', ...]; give --column lr-SGD", "mine"),
    ]:
        arguments = ["--column", column] if column else []
        status, _, stderr = command("check", path, *PLAN, *arguments)
        found = names.replace("...", "'lr-SGD', 'picture'")
        assert (status, stderr.endswith(f", got {found}\n")) == (2, True)
    for absent in ("complex", "keras", "loss", "picture"):
        status, _, stderr = command("check", folder, *PLAN, "--column", absent)
        assert (status, " must hold a finite rate " in stderr) == (2, True)


def test_the_folder_of_a_run_is_found(command, assert_refused, tmp_path):
    write_events(tmp_path / "train", RIGHT)
    write_events(tmp_path / "validation", [0.0] * 9, tag="loss2")
    right = f"{tmp_path}: lr-SGD is as planned; rates compared: 100\n"
    assert command("check", tmp_path, *PLAN) == (0, right, "")
    (tmp_path / "train").rename(tmp_path / "version_0")
    assert_refused(
        f"{tmp_path} must hold the events of one run, got ['validation', 'version_0']; give one of "
        "these",
        *("check", tmp_path, *PLAN),
    )


def test_damaged_events_are_refused(command, tmp_path):
    (file,) = write_events(tmp_path / "good", RIGHT).iterdir()
    whole = file.read_bytes()
    bad = tmp_path / "bad.tfevents"
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    def record(length, data):
        head = length.to_bytes(8, "little")
        crcs = (masked_crc32c(part).to_bytes(4, "little") for part in (head, data))
        return head + next(crcs) + data + next(crcs)

    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    cases = [
        bytes(flipped),
        *(whole[:-cut] for cut in (1, 5, 20)),
        whole + record(5, b"\xff" * 5),
        whole + record(2**62, b""),
        os.urandom(10_000),
    ]
    for data in cases:
        bad.write_bytes(data)
        status, output, stderr = command("check", bad, *PLAN)
        assert (status, output, stderr.count("\n")) == (2, "", 1)
        said = r"error: \S+ must hold whole records, got a damaged or cut one after (\w+ \w+); "
        assert re.match(said, stderr)
    bad.write_bytes(whole[: len(whole) * 3 // 4])
    assert int(re.search(r"after step (\d+);", command("check", bad, *PLAN)[2])[1]) in range(70, 80)


def test_no_tensorflow_is_imported(tmp_path):
    folder = write_events(tmp_path, RIGHT)
    program = (
        "import sys; from cosine_callbacks._command.main import main; status = main(sys.argv[1:]);"
        "print(status, 'tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", program, "check", str(folder), *PLAN]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout.splitlines()[1], done.stderr) == ("0 False", "")


def test_pictures_show_plan_log_and_first_difference(command, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    log = write_log(tmp_path, "lightning", [*RIGHT[:60], *[0.15] * 40])
    svg, png = tmp_path / "log.svg", tmp_path / "log.png"
    status, output, stderr = command("check", log, *PLAN, "--plot", "--save", svg)
    assert (status, stderr) == (1, "")
    *picture, line = output.splitlines()
    assert line.endswith("; likely cause: the rate stays at 0.15 from step 60 on")
    inside = [row.rstrip("│").rpartition("┤")[2].lstrip("│") for row in picture if "│" in row]
    drawn = "\n".join(inside)
    assert " logged" in drawn
    assert " differs" in drawn
    ((row, column),) = [
        (i, text.rindex("X"))
        for i, text in enumerate(picture)
        if "X" in text and "differs" not in text
    ]
    assert row < 3  # the highest rate
    assert column == pytest.approx(7 + 72 * 60 / 99, abs=3)
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg.read_text())
    assert {"logged", "first difference", "step", "learning rate"} <= {*texts}
    assert command("check", log, *PLAN, "--save", png)[0] == 1
    assert png.read_bytes().startswith(b"\x89PNG")
    right = write_log(tmp_path, "lightning", RIGHT)
    status, output, _ = command("check", right, *PLAN, "--plot", "--save", svg)
    assert (status, "differs" in output) == (0, False)
    assert "first difference" not in svg.read_text()
    assert "logged" in svg.read_text()


def test_failures_are_one_line_and_status_2(tmp_path):
    log = write_log(tmp_path, "lightning", [0.3] * 40)
    check = f"{sys.executable} -m cosine_callbacks check {log} {' '.join(PLAN)}"
    for shell in (
        *(f"{check} >&-", f"{check} >/dev/full"),
        *(f"{check.replace(f'check {log}', 'preview')} >/dev/full", f"{check} --lr_initial 1"),
    ):
        done = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert done.stderr.startswith("error: ")


def test_a_tiny_fraction_is_no_error(command, tmp_path):
    log = write_log(tmp_path, "lightning", [0.3] * 40)
    status, output, stderr = command("check", log, *PLAN, "--warmup", "1e-308")
    assert (status, stderr) == (1, "")
    assert output.endswith("nothing drives the rate, which stays at 0.3\n")


@pytest.mark.parametrize(("error", "status"), [(ZeroDivisionError, 2), (KeyboardInterrupt, 130)])
def test_an_error_that_nobody_thought_of(command, monkeypatch, error, status):
    from cosine_callbacks._command import main

    def fail(*_):
        raise error

    monkeypatch.setattr(main, "make_plans", fail)
    sentence = "error: ZeroDivisionError\n" if status == 2 else ""
    assert command("preview", *PLAN) == (status, "", sentence)


def test_a_full_device_is_an_error(monkeypatch, capsys):
    from cosine_callbacks._command import main

    with Path("/dev/full").open("w", encoding="utf-8") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert main.main(["preview", *PLAN]) == 2
    assert capsys.readouterr().err == "error: [Errno 28] No space left on device\n"


MEASURED = """
import resource, sys
from cosine_callbacks._command.main import main
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
status = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, status)
"""


def test_a_million_rows_take_little_memory(tmp_path):
    path, count = tmp_path / "metrics.csv", 1_000_000
    with path.open("w") as file:
        file.write("lr-Adam,step\n")
        file.writelines(
            f"{0.05 + 0.05 * math.cos(math.pi * e / count)},{e}\n" for e in range(count)
        )
    plan = ["--lr_initial", "0.1", "--t_max", "900000", "--interval", "step"]
    program = [sys.executable, "-c", MEASURED, "check", str(path), *plan]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    line, end = done.stdout.splitlines()
    grown, status = map(int, end.split())
    assert status == 1
    assert line.endswith("; likely cause: t_max is 1000000 instead of 900000")
    assert grown < 40 * 1024  # in kB on Linux
