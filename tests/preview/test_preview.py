"""What the command shows before training, as text, CSV, JSON and files."""

import fcntl
import io
import json
import math
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from cosine_callbacks import CosineAnnealing
from cosine_callbacks._command.main import main
from tests.truth import true_rate, ulps

CONFIG = ["--config", "examples/lightning/config.yaml", "--steps_per_epoch", "34"]
SMALL = ["--lr_initial", 0.1, "--t_max", 10, "--lr_min", 0.001]
TABLE = """\
epoch  rate
    0  0.1        start
    5  0.0505     middle
    9  0.0034227  last used
   10  0.001      t_max
   11  0.001      after"""


def table_of(output):
    """Return the table, which follows the plot."""
    lines = output.splitlines()
    (start,) = (i for i, line in enumerate(lines) if line.split()[:2] in HEADS)
    return "\n".join(lines[start:])


HEADS = [["epoch", "rate"], ["step", "rate"]]


@pytest.mark.parametrize(
    ("flags", "title"),
    [
        ("--t_max 10 --warmup 0.05", "t_max=10, warmup=0.05 (0 epochs); epochs"),
        ("--t_max 40 --warmup 0.25 --interval step", "t_max=40, warmup=0.25 (10 steps); steps"),
        ("--t_max 20 --hold 0.1", "t_max=20, hold=0.1 (2 epochs); epochs"),
        ("--t_max 10 --warmup 2", "t_max=10, warmup=2; epochs"),
    ],
)
def test_the_title_says_how_many_units_a_fraction_is(command, flags, title):
    status, output, stderr = command("preview", "--lr_initial", 0.1, *flags.split())
    assert (status, stderr) == (0, "")
    assert output.startswith(f"lr_initial=0.1, {title}\n")


RESTARTS = "0 1 start|2 0.5 middle of cycle 1|4 1 restart 1|8 1 restart 2|12 1 restart 3"
MORE = "|16 1 restart 4|20 1 restart 5|24 1 restart 6|28 1 restart 7|32 1 restart 8"
GROWING = "--t_max 2 --cycles 3 --t_mult 2 --peak_decay 0.5 --lr_min 0.5"


@pytest.mark.parametrize(
    ("arguments", "rows"),
    [
        # 0.5 in the middle of the cosine, and 1/5 + 4/5 * e/4 in the warmup.
        (
            "--t_max 12 --warmup 4",
            "0 0.2 start|4 1 end of warmup|8 0.5 middle|11 0.0380602 last used|12 0 t_max",
        ),
        ("--t_max 1", "0 1 start, middle, last used|1 0 t_max|2 0 after"),
        (
            GROWING,
            "0 1 start|1 0.75 middle of cycle 1|2 0.75 restart 1|6 0.625 restart 2|13 0.504758",
        ),
        ("--t_max 4 --cycles null --interval step", f"{RESTARTS}, ..."),
        ("--t_max 4 --cycles 9", f"{RESTARTS}{MORE}|35 0.146447 last used|36 0 end|37 0 after"),
        (
            "--t_max 4 --cycles 10",
            f"{RESTARTS}{MORE}, ...|39 0.146447 last used|40 0 end|41 0 after",
        ),
    ],
)
def test_the_rows_that_matter(command, arguments, rows):
    _, output, _ = command("preview", "--lr_initial", 1, *arguments.split())
    shown = [" ".join(line.split()) for line in table_of(output).splitlines()[1:]]
    assert "|".join(shown).startswith(rows)


CONFIG_TEMPLATE = """\
trainer:
  max_epochs: {}
  callbacks:
    - class_path: cosine_callbacks.lightning.CosineAnnealingCallback
      init_args: {}
model: {{lr: 1}}
"""


@pytest.mark.parametrize(
    ("length", "written", "shown", "listed"),
    [
        (9, "{cycles: null, t_max: 4}", [4, 8], [4, 8]),
        # The run ends with the cycle.
        (8, "{cycles: null, t_max: 4}", [4], [4]),
        (99, "{cycles: 3, t_max: 4}", [4, 8], [4, 8]),
        (33, "{cycles: null, t_max: 4}", [*range(4, 33, 4)], [*range(4, 33, 4)]),
        (37, "{cycles: null, t_max: 4}", [*range(4, 33, 4)], [*range(4, 37, 4)]),
        (10**12, "{cycles: null, t_max: 1}", [*range(1, 9)], [*range(1, 1001)]),
        (10**12, "{cycles: 5000}", None, [10**12 // 5000 * i for i in range(1, 1001)]),
        (-1, "{cycles: 12, t_max: 4}", [*range(4, 33, 4)], [*range(4, 48, 4)]),
    ],
)
def test_the_restarts_are_those_of_the_run(command, tmp_path, length, written, shown, listed):  # noqa: PLR0913, PLR0917 - a table
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG_TEMPLATE.format(length, written))
    _, output, _ = command("preview", "--config", config)
    found = re.findall(r"^ *(\d+) .*\brestart \d+(, \.\.\.)?", output, re.MULTILINE)
    assert [int(e) for e, _ in found] == (listed[:8] if shown is None else shown)
    assert [bool(more) for _, more in found[-1:]] == [len(listed) > 8] * bool(found)
    _, output, _ = command("preview", "--json", "--config", config)
    rows = [row for row in json.loads(output)[0]["rows"] if "restart" in row["what"]]
    assert [row["e"] for row in rows] == listed
    assert [row["what"].endswith(", ...") for row in rows[-1:]] == [length == 10**12] * bool(rows)


def dots(output):
    """Return (column, row) of each character drawn between the axes, from the top left."""
    inside = [line for line in output.splitlines() if line.endswith("│")]
    left = min(line.index(mark) for line in inside for mark in "┤│" if mark in line) + 1
    return [
        (column, row)
        for row, line in enumerate(inside)
        for column, mark in enumerate(line[left:-1])
        if mark != " "
    ], len(inside)


def test_the_picture_is_the_curve(command):
    _, output, _ = command("preview", "--lr_initial", 1, "--t_max", 1000)
    drawn, height = dots(output)
    wide = max(column for column, _ in drawn)
    for column, row in drawn:
        e = column / wide * 1100
        right = 0.5 + 0.5 * math.cos(math.pi * min(e, 1000) / 1000)
        assert 1 - row / (height - 1) == pytest.approx(right, abs=0.12)
    assert {column for column, _ in drawn} == set(range(wide + 1))


def test_the_axes_are_labelled(command):
    _, output, _ = command("preview", "--lr_initial", 3e-5, "--t_max", 1e9)
    ticks = [line.partition("┤")[0].strip() for line in output.splitlines() if "┤" in line]
    assert ticks == ["3e-05", "2.25e-05", "1.5e-05", "7.5e-06", "0"]
    assert positions(output) == ["0", "2e+08", "4e+08", "6e+08", "8e+08", "1e+09"]


def positions(output):
    """Return the tick labels below the plot."""
    below = output.partition("└")[2].splitlines()
    assert below[0].count("┬") == len(below[1].split())
    return below[1].split()


@pytest.mark.parametrize(
    ("until", "columns", "shown"),
    [
        (1, 80, [0, 1]),
        (339, 80, [0, 50, 100, 150, 200, 250, 300]),
        (339, 40, [0, 100, 200, 300]),
        (11, 20, [0, 10]),
        (1_100_000, 80, [0, 200_000, 400_000, 600_000, 800_000, 1_000_000]),
    ],
)
def test_positions_are_round(command, monkeypatch, until, columns, shown):
    monkeypatch.setenv("COLUMNS", str(columns))
    t_max = until - until // 11
    _, output, _ = command("preview", "--lr_initial", 1, "--t_max", t_max)
    assert positions(output) == [*map(str, shown)]


def test_a_terminal():
    columns = 40
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: os.environ[name] for name in os.environ if name != "COLUMNS"}
    arguments = ["preview", *map(str, SMALL), "--warmup", "3", "--peak_decay", "0.25"]
    # The width is that of the terminal that stdout is connected to.
    with subprocess.Popen(
        [sys.executable, "-m", "cosine_callbacks", *arguments], stdout=theirs, env=environment
    ) as running:
        os.close(theirs)
        output = b""
        while True:
            try:
                output += os.read(ours, 10_000)
            except OSError:  # its other end is closed
                break
    os.close(ours)
    assert running.returncode == 0
    lines = output.decode().splitlines()
    assert {len(line) for line in lines if line.endswith(("┐", "│", "┘"))} == {columns}
    assert max(map(len, lines)) == columns
    assert "\x1b" not in output.decode()
    assert " ".join(lines[:2]).startswith("lr_initial=0.1, t_max=10, lr_min=0.001,")


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_pipe(command, process, monkeypatch, encoding):
    done = process("preview", *SMALL, PYTHONIOENCODING=encoding, COLUMNS="40")
    assert (done.returncode, done.stderr) == (0, "")
    head, *picture = done.stdout.partition("epoch  rate")[0].splitlines()[:-2]
    assert head == "lr_initial=0.1, t_max=10, lr_min=0.001;"  # wrapped
    assert table_of(done.stdout) == TABLE
    assert "\x1b" not in done.stdout
    if encoding == "ascii":
        assert set("".join(picture[1:])) <= set("0123456789. +-|*")
        assert picture[2].startswith("  0.1+***")
    else:
        assert {len(line) for line in picture if "│" in line} == {40}
    # The same in this process.
    output = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys, "stdout", output)
    assert main(["preview", *map(str, SMALL)]) == 0
    assert output.buffer.getvalue().decode(encoding) == done.stdout


@pytest.mark.parametrize(
    ("flags", "last"),
    [
        ({"t_max": 10, "lr_min": 0.001}, 11),
        ({"t_max": 20, "warmup": 0.25}, 22),
        ({"t_max": 4, "cycles": None}, 12),
        ({"t_max": 3, "cycles": 3, "t_mult": 2, "peak_decay": 0.5, "lr_min_ratio": 0.1}, 23),
    ],
)
def test_csv_has_every_position(command, flags, last):
    schedule = CosineAnnealing(lr_initial=0.1, **flags)
    texts = {name: "null" if value is None else value for name, value in flags.items()}
    arguments = [text for name in texts for text in (f"--{name}", texts[name])]
    status, output, _ = command("preview", "--csv", "--lr_initial", 0.1, *arguments)
    head, *lines = output.splitlines()
    assert (status, head, len(lines)) == (0, "epoch,learning_rate", last + 1)
    for e, line in enumerate(lines):
        at, rate = line.split(",")
        assert int(at) == e
        assert (
            float(rate) == true_rate(schedule, e) or ulps(float(rate), true_rate(schedule, e)) < 8
        )


def test_the_demos_config(command):
    status, output, _ = command("preview", *CONFIG)
    title = "lr_initial=0.003 from model.lr, lr_min=0.0001, warmup=0.05 (17 steps); 340 steps\n"
    assert (status, output.startswith(title)) == (0, True)
    # 17 updates of warmup, 1/18 of the peak in the first; then 0.0029 * (1 + cos) / 2 + 0.0001.
    rows = "0 0.000166667|17 0.003|178 0.00155705|339 0.000100069|340 0.0001|341 0.0001"
    shown = (" ".join(line.split()[:2]) for line in table_of(output).splitlines()[1:])
    assert "|".join(shown) == rows
    _, output, _ = command("preview", "--csv", *CONFIG)
    head, *lines = output.splitlines()
    assert head == "step,learning_rate"
    assert [int(line.partition(",")[0]) for line in lines] == [*range(340)]


def test_csv_of_the_longest_run_begins_at_once():
    command = [sys.executable, "-m", "cosine_callbacks", "preview", "--csv"]
    long = ["--lr_initial", "0.1", "--t_max", "1e18"]
    with subprocess.Popen(
        [*command, *long], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert [running.stdout.readline() for _ in range(2)] == ["epoch,learning_rate\n", "0,0.1\n"]
        running.stdout.close()  # as `head` does
        assert running.wait(timeout=60) == 0
        assert running.stderr.read() == ""


@pytest.mark.parametrize("buffering", [1, -1], ids=["each line", "at the end"])
def test_a_failed_check_into_a_closed_pipe(monkeypatch, tmp_path, buffering):
    log = tmp_path / "log.csv"
    log.write_text("epoch,lr\n0,0.2\n")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", buffering=buffering) as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert main(["check", str(log), "--lr_initial", "0.1", "--t_max", "10"]) == 1


def test_json(command):
    status, output, _ = command("preview", "--json", *SMALL, "--interval", "step")
    (facts,) = json.loads(output)
    parameters, rows = facts.pop("parameters"), facts.pop("rows")
    assert (status, parameters) == (0, CosineAnnealing.from_dict(parameters).to_dict())
    assert (parameters["lr_initial"], parameters["t_max"], parameters["lr_min"]) == (0.1, 10, 0.001)
    about = {"lr_initial_from": "--lr_initial", "optimizers": None, "interval": "step"}
    assert facts == about | {"length": None}
    assert [(row["e"], row["what"]) for row in rows] == [
        *((0, "start"), (5, "middle"), (9, "last used"), (10, "t_max"), (11, "after")),
    ]
    rates = [0.1, 0.0505, 0.0034227, 0.001, 0.001]
    assert [row["rate"] for row in rows] == pytest.approx(rates, rel=1e-5)


@pytest.mark.parametrize("cycles", [1, 10**5, "null"])
def test_a_very_long_curve(command, cycles):
    # Computed unit by unit it would take forever.
    flags = ["--lr_initial", 0.1, "--t_max", "1e12", "--cycles", cycles, "--warmup", 0.1]
    status, _, stderr = command("preview", *flags)
    assert (status, stderr) == (0, "")


LIGHT = """
import sys
from cosine_callbacks._command.main import main
assert main(sys.argv[1:]) == 0
heavy = ["jax", "keras", "lightning", "matplotlib", "numpy", "pytorch_lightning", "tensorboard"]
print({*heavy, "tensorflow", "tf_keras", "torch"} & {*sys.modules})
"""


def test_it_imports_no_framework():
    import matplotlib as mpl
    import numpy as np

    assert mpl, np  # both are installed
    program = [sys.executable, "-c", LIGHT, "preview", *CONFIG]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize(("suffix", "begin"), [("png", b"\x89PNG\r\n"), ("svg", b"<?xml")])
def test_the_same_curve_is_the_same_file(command, tmp_path, suffix, begin):
    pictures = [tmp_path / f"{name}.{suffix}" for name in "ab"]
    for picture in pictures:
        status, output, _ = command("preview", *SMALL, "--save", picture)
        assert status == 0
        assert table_of(output) == TABLE
    assert pictures[0].read_bytes().startswith(begin)
    assert pictures[0].read_bytes() == pictures[1].read_bytes()


# A warmup from 1/5 of the peak up to e = 4, the cosine to e = 20, and the floor to e = 22.
WITH_WARMUP = ["--lr_initial", 0.1, "--t_max", 20, "--warmup", 4, "--lr_min", 0.02]

# matplotlib adds a margin of a twentieth of the range at the top.
TOP = 0.1 + 0.08 / 20


def rate_with_warmup(e):
    if e < 4:
        return 0.02 + 0.08 * e / 4
    return 0.06 + 0.04 * math.cos(math.pi * min(e - 4, 16) / 16)


def numbers(path):
    return [float(number) for number in re.findall(r"-?[\d.]+", path)]


def test_the_svg_shows_the_curve(command, tmp_path):
    picture = tmp_path / "curve.svg"
    assert command("preview", *WITH_WARMUP, "--save", picture)[0] == 0
    drawn = picture.read_text()
    inside = re.search(r'<g id="axes_1">\s*<g id="patch_\d+">\s*<path d="([^"]*)"', drawn)[1]
    left, right = min(numbers(inside)[::2]), max(numbers(inside)[::2])
    top, bottom = min(numbers(inside)[1::2]), max(numbers(inside)[1::2])
    (curve,) = re.findall(r'<path d="([^"]*)"[^>]*stroke: #1f77b4', drawn)
    points = numbers(curve)
    at = [(x - left) / (right - left) * 22 for x in points[::2]]
    assert at == pytest.approx([*range(23)], abs=1e-3)
    rates = [(bottom - y) / (bottom - top) * TOP for y in points[1::2]]
    assert rates == pytest.approx([rate_with_warmup(e) for e in range(23)], abs=1e-5)
    ticks = re.findall(r"<text[^>]*>([^<]*)</text>", drawn)
    title = "lr_initial=0.1, t_max=20, lr_min=0.02, warmup=4; epochs"
    assert {title, "epoch", "learning rate", "warmup", "0", "5", "10", "15", "20"} <= {*ticks}


def test_a_long_title_has_several_lines(command, tmp_path):
    picture = tmp_path / "curve.svg"
    flags = "--lr_min_ratio 0.015625 --warmup 0.015625 --warmup_start_ratio 0.015625 --cycles 3"
    command(
        *("preview", "--lr_initial", 0.1, "--t_max", 1000, "--save", picture),
        *(*flags.split(), "--t_mult", 2, "--peak_decay", 0.015625),
    )
    shown = re.findall(r"<text[^>]*>([^<]*)</text>", picture.read_text())
    title = [text for text in shown if "=" in text or "epochs" in text]
    assert " ".join(title).endswith(" t_mult=2, peak_decay=0.015625; epochs")
    assert len(title) == 2
    assert max(map(len, title)) <= 110


@pytest.mark.parametrize("name", ["curve.jpg", "png", "missing/curve.png"])
def test_other_files_are_refused(assert_refused, tmp_path, name):
    path = tmp_path / name
    assert_refused(
        f"save must be a name in a folder that exists and end in .png or .svg, got {path}; make "
        f"the folder {path.parent}, or give another name",
        *("preview", *SMALL, "--save", path),
    )


def test_a_peak_at_the_edge_of_what_floats_hold(command):
    status, output, stderr = command("preview", "--lr_initial", 1e308, "--t_max", 10)
    assert (status, stderr) == (0, "")
    assert re.search(r"^ +5 +5e\+307 +middle$", output, re.MULTILINE)
