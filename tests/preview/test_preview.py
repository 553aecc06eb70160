"""What the command shows before training, as text, CSV, JSON and files."""

import json
import math
import os
import pty
import re
import subprocess
import sys
import termios
from contextlib import suppress

import pytest

from cosine_callbacks import CosineAnnealing
from tests.truth import true_rate, ulps

CONFIG = "--config examples/lightning/config.yaml --steps_per_epoch 34"
SMALL = "--lr_initial 0.1 --t_max 10 --lr_min 0.001"
TABLE = """\
epoch  rate
    0  0.1        start
    5  0.0505     middle
    9  0.0034227  last used
   10  0.001      t_max
   11  0.001      after
"""


def table_of(output):
    """Return the table, which follows the picture."""
    return re.search(r"^ *(epoch|step)  rate\n.*", output, re.MULTILINE | re.DOTALL)[0]


@pytest.mark.parametrize(
    ("flags", "title"),
    [
        ("--t_max 10 --warmup 0.05", "t_max=10, warmup=0.05 (0 epochs); epochs"),
        ("--t_max 40 --warmup 0.25 --interval step", "t_max=40, warmup=0.25 (10 steps); steps"),
        ("--t_max 10 --warmup 2", "t_max=10, warmup=2; epochs"),
    ],
)
def test_the_title_says_how_many_units_a_fraction_is(output_of, flags, title):
    assert output_of("preview --lr_initial 0.1", flags).startswith(f"lr_initial=0.1, {title}\n")


RESTARTS = "0 1 start|2 0.5 middle of cycle 1|4 1 restart 1|8 1 restart 2|12 1 restart 3"
MORE = "|16 1 restart 4|20 1 restart 5|24 1 restart 6|28 1 restart 7|32 1 restart 8"


@pytest.mark.parametrize(
    ("flags", "rows"),
    [
        # 0.5 in the middle of the cosine, and 1/5 + 4/5 * e/4 in the warmup.
        ("--t_max 12 --warmup 4", "0 0.2 start|4 1 end of warmup|8 0.5 middle|11 0.0380602 last"),
        ("--t_max 1", "0 1 start, middle, last used|1 0 t_max|2 0 after"),
        (
            "--t_max 2 --cycles 3 --t_mult 2 --peak_decay 0.5 --lr_min 0.5",
            "0 1 start|1 0.75 middle of cycle 1|2 0.75 restart 1|6 0.625 restart 2|13 0.504758",
        ),
        ("--t_max 4 --cycles null --interval step", f"{RESTARTS}, ..."),
        ("--t_max 4 --cycles 9", f"{RESTARTS}{MORE}|35 0.146447 last used|36 0 end|37 0 after"),
        ("--t_max 4 --cycles 10", f"{RESTARTS}{MORE}, ...|39 0.146447 last used|40 0 end|41 0"),
        # Computed unit by unit these would take forever.
        ("--t_max 1e12 --warmup 0.1", "0 1e-11 start|100000000000 1 end of warmup|"),
        ("--t_max 1e12 --warmup 0.1 --cycles 100000", "0 1e-11 start|"),
        ("--t_max 1e12 --warmup 0.1 --cycles null", "0 1e-11 start|"),
        # The edge of what floats hold.
        ("--lr_initial 1e308 --t_max 10", "0 1e+308 start|5 5e+307 middle"),
    ],
)
def test_the_rows_that_matter(output_of, flags, rows):
    peak = "" if "lr_initial" in flags else "--lr_initial 1"
    lines = table_of(output_of("preview", peak, flags)).splitlines()[1:]
    assert "|".join(" ".join(line.split()) for line in lines).startswith(rows)


def test_the_picture_is_the_curve(output_of):
    lines = output_of("preview --lr_initial 1 --t_max 1000").splitlines()
    inside = [re.split("[┤│]", line)[1] for line in lines if line.endswith("│")]
    drawn = [(x, y) for y, line in enumerate(inside) for x, mark in enumerate(line) if mark != " "]
    wide = max(x for x, _ in drawn)
    for x, y in drawn:
        right = 0.5 + 0.5 * math.cos(math.pi * min(x / wide * 1100, 1000) / 1000)
        assert 1 - y / (len(inside) - 1) == pytest.approx(right, abs=0.12)
    assert {x for x, _ in drawn} == {*range(wide + 1)}


@pytest.mark.parametrize(
    ("until", "columns", "shown"),
    [
        (1, 80, "0 1"),
        (339, 80, "0 50 100 150 200 250 300"),
        (339, 40, "0 100 200 300"),
        (11, 20, "0 10"),
        (1_100_000, 80, "0 200000 400000 600000 800000 1000000"),
        (1_100_000_000, 80, "0 2e+08 4e+08 6e+08 8e+08 1e+09"),
    ],
)
def test_the_axes_are_labelled(output_of, monkeypatch, until, columns, shown):
    monkeypatch.setenv("COLUMNS", str(columns))
    output = output_of("preview --lr_initial 3e-5 --t_max", until - until // 11)
    rates = [line.partition("┤")[0].strip() for line in output.splitlines() if "┤" in line]
    assert rates == ["3e-05", "2.25e-05", "1.5e-05", "7.5e-06", "0"]
    ticks, positions = output.partition("└")[2].splitlines()[:2]
    assert positions.split() == shown.split()
    assert ticks.count("┬") == len(shown.split())


def test_a_terminal(monkeypatch):
    columns = 40
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    monkeypatch.delenv("COLUMNS", raising=False)
    flags = f"{SMALL} --warmup 3 --peak_decay 0.25".split()
    # The width is that of the terminal that stdout is connected to.
    command = [sys.executable, "-m", "cosine_callbacks", "preview", *flags]
    subprocess.run(command, stdout=theirs, check=True, timeout=60)
    os.close(theirs)
    output = b""
    with suppress(OSError):  # its other end is closed
        while True:
            output += os.read(ours, 10_000)
    os.close(ours)
    lines = output.decode().splitlines()
    assert {len(line) for line in lines if line.endswith(("┐", "│", "┘"))} == {columns}
    assert max(map(len, lines)) == columns
    assert "\x1b" not in output.decode()
    assert " ".join(lines[:2]).startswith("lr_initial=0.1, t_max=10, lr_min=0.001,")


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_pipe(process, monkeypatch, encoding):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    done = process("preview", SMALL)
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


@pytest.mark.parametrize(
    ("flags", "last"),
    [
        ({"t_max": 10, "lr_min": 0.001}, 11),
        ({"t_max": 20, "warmup": 0.25}, 22),
        ({"t_max": 4, "cycles": None}, 12),
        ({"t_max": 3, "cycles": 3, "t_mult": 2, "peak_decay": 0.5, "lr_min_ratio": 0.1}, 23),
    ],
)
def test_csv_has_every_position(output_of, flags, last):
    schedule = CosineAnnealing(lr_initial=0.1, **flags)
    given = " ".join(f"--{name} {value}" for name, value in flags.items()).replace("None", "null")
    head, *lines = output_of("preview --csv --lr_initial 0.1", given).splitlines()
    assert (head, len(lines)) == ("epoch,learning_rate", last + 1)
    for e, line in enumerate(lines):
        at, _, rate = line.partition(",")
        right = true_rate(schedule, e)
        assert (int(at), float(rate) == right or ulps(float(rate), right) < 8) == (e, True)


def test_the_demos_config(output_of):
    output = output_of("preview", CONFIG)
    title = "lr_initial=0.003 from model.lr, lr_min=0.0001, warmup=0.05 (17 steps); 340 steps\n"
    assert output.startswith(title)
    # 17 updates of warmup, and 1/18 of the peak in the first.
    assert table_of(output).startswith("step  rate\n   0  0.000166667  start\n  17  0.003 ")
    head, *lines = output_of("preview --csv", CONFIG).splitlines()
    assert head == "step,learning_rate"
    assert [int(line.partition(",")[0]) for line in lines] == [*range(340)]


def test_csv_of_the_longest_run_begins_at_once():
    long = "-m cosine_callbacks preview --csv --lr_initial 0.1 --t_max 1e18"
    with subprocess.Popen(
        [sys.executable, *long.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert [running.stdout.readline() for _ in range(2)] == ["epoch,learning_rate\n", "0,0.1\n"]
        running.stdout.close()  # as `head` does
        assert running.wait(timeout=60) == 0
        assert running.stderr.read() == ""


def test_json(output_of):
    (facts,) = json.loads(output_of("preview --json --interval step", SMALL))
    parameters, rows = facts.pop("parameters"), facts.pop("rows")
    assert parameters == CosineAnnealing(lr_initial=0.1, t_max=10, lr_min=0.001).to_dict()
    about = {"lr_initial_from": "--lr_initial", "optimizers": None, "interval": "step"}
    assert facts == about | {"length": None}
    marked = {row["e"]: row["what"] for row in rows}
    assert marked == {0: "start", 5: "middle", 9: "last used", 10: "t_max", 11: "after"}
    rates = [0.1, 0.0505, 0.0034227, 0.001, 0.001]
    assert [row["rate"] for row in rows] == pytest.approx(rates, rel=1e-5)


@pytest.mark.parametrize(("suffix", "begin"), [("png", b"\x89PNG\r\n"), ("svg", b"<?xml")])
def test_the_same_curve_is_the_same_file(output_of, tmp_path, suffix, begin):
    pictures = [tmp_path / f"{name}.{suffix}" for name in "ab"]
    for picture in pictures:
        assert table_of(output_of("preview", SMALL, "--save", picture)) == TABLE
    assert pictures[0].read_bytes().startswith(begin)
    assert pictures[0].read_bytes() == pictures[1].read_bytes()


def numbers(path):
    """Return the positions and heights of a path of an SVG file."""
    found = [float(number) for number in re.findall(r"-?[\d.]+", path)]
    return found[::2], found[1::2]


def test_the_svg_shows_the_curve(output_of, tmp_path):
    picture = tmp_path / "curve.svg"
    output_of("preview --lr_initial 0.1 --t_max 20 --warmup 4 --lr_min 0.02 --save", picture)
    drawn = picture.read_text()
    inside = re.search(r'<g id="axes_1">\s*<g id="patch_\d+">\s*<path d="([^"]*)"', drawn)[1]
    (left, *_, right), (top, *_, bottom) = map(sorted, numbers(inside))
    (curve,) = re.findall(r'<path d="([^"]*)"[^>]*stroke: #1f77b4', drawn)
    across, down = numbers(curve)
    at = [(x - left) / (right - left) * 22 for x in across]
    assert at == pytest.approx([*range(23)], abs=1e-3)
    # matplotlib adds a margin of a twentieth of the range at the top.
    rates = [(bottom - y) / (bottom - top) * (0.1 + 0.08 / 20) for y in down]
    # A warmup from 1/5 of the peak up to e = 4, the cosine to e = 20, and the floor to e = 22.
    warmup = [0.02 + 0.08 * e / 4 for e in range(4)]
    cosine = [0.06 + 0.04 * math.cos(math.pi * min(e, 16) / 16) for e in range(19)]
    assert rates == pytest.approx(warmup + cosine, abs=1e-5)
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", drawn)
    title = "lr_initial=0.1, t_max=20, lr_min=0.02, warmup=4; epochs"
    assert {title, "epoch", "learning rate", "warmup", "0", "5", "10", "15", "20"} <= {*texts}


def test_a_long_title_has_several_lines(output_of, tmp_path):
    picture = tmp_path / "curve.svg"
    flags = "--lr_min_ratio 0.015625 --warmup 0.015625 --warmup_start_ratio 0.015625 --cycles 3"
    more = "--lr_initial 0.1 --t_max 1000 --t_mult 2 --peak_decay 0.015625 --save"
    output_of("preview", flags, more, picture)
    shown = re.findall(r"<text[^>]*>([^<]*)</text>", picture.read_text())
    title = [text for text in shown if "=" in text or "epochs" in text]
    assert " ".join(title).endswith(" t_mult=2, peak_decay=0.015625; epochs")
    assert len(title) == 2
    assert max(map(len, title)) <= 110


@pytest.mark.parametrize("name", ["curve.jpg", "png", "missing/curve.png"])
def test_other_files_are_refused(assert_refused, tmp_path, name):
    path = tmp_path / name
    sentence = "save must be a name in a folder that exists and end in .png or .svg, got "
    cure = f"make the folder {path.parent}, or give another name"
    assert_refused(f"{sentence}{path}; {cure}", "preview", SMALL, "--save", path)
