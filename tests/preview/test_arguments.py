"""The arguments of the commands: their help, and the errors for wrong ones."""

import re
import runpy
import sys

import pytest

PLAN = [
    *("config", "lr_initial", "t_max", "lr_min", "lr_min_ratio", "warmup", "hold"),
    *("warmup_start_ratio", "cycles", "t_mult", "peak_decay", "interval", "steps_per_epoch"),
]
OWN = {"preview": ["save", "csv", "json"], "check": ["column"]}


@pytest.mark.parametrize("columns", ["40", "80"])
@pytest.mark.parametrize("name", OWN)
def test_help_explains_every_argument(command, monkeypatch, name, columns):
    monkeypatch.setenv("COLUMNS", columns)
    status, output, stderr = command(name, "--help")
    assert (status, stderr) == (0, "")
    explained = dict(re.findall(r"^  --(\w+)(.*?)(?=^  --|\Z)", output, re.MULTILINE | re.DOTALL))
    assert [*explained] == [*PLAN, *OWN[name]]
    assert all(len(text.split()) > 3 for text in explained.values())
    assert ("  log  " in output) == (name == "check")
    body = output.partition("\n\n")[2]  # without the usage: argparse does not wrap the command name
    assert max(map(len, body.splitlines())) <= int(columns)


def test_help_names_the_commands(command):
    status, output, _ = command("--help")
    assert status == 0
    assert re.search(r"^ +preview +show the rate that a run will use$", output, re.MULTILINE)
    assert re.search(r"^ +check +compare a run's log with the plan$", output, re.MULTILINE)


GOOD = "preview --lr_initial 0.1 --t_max 10"
FLOOR_ABOVE_PEAK = (
    "lr_min must be <= lr_initial (0.1), got 0.2; lower lr_min or give the floor as lr_min_ratio="
)
NO_LR_INITIAL = (
    "lr_initial must be given where no config tells the optimizer's lr, got none; give --lr_initial"
)
NO_LENGTH = (
    "t_max must be an int where no config tells trainer.max_epochs or max_steps, got None; give "
    "an int as --t_max, or a config with one of the two"
)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            "preview --lr_initial 0.1 --t_max 0",
            "t_max must be an int >= 1, got 0",
        ),
        (
            "preview --lr_initial 0.1 --t_max ten",
            "t_max must be a number, got 'ten' (str)",
        ),
        (
            "preview --lr_initial nan --t_max 1",
            "lr_initial must be finite, got nan",
        ),
        (
            f"{GOOD} --lr_min 0.2",
            FLOOR_ABOVE_PEAK,
        ),
        (
            f"{GOOD} --lr_min null",
            "lr_min must be a number, got None (NoneType)",
        ),
        (
            f"{GOOD} --interval batch",
            "interval must be 'epoch' or 'step', got 'batch'",
        ),
        (
            f"{GOOD} --steps_per_epoch 0",
            "steps_per_epoch must be an int >= 1, got 0",
        ),
        (
            "preview --t_max 10",
            NO_LR_INITIAL,
        ),
        (
            "preview --lr_initial 0.1",
            NO_LENGTH,
        ),
        (
            "check log.csv --lr_initial 0.1 --t_max 0.5",
            NO_LENGTH.replace("None", "0.5"),
        ),
    ],
)
def test_values(assert_refused, arguments, sentence):
    assert_refused(sentence, *arguments.split())


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("", "preview"),
        ("show", "show"),
        (f"{GOOD} --gamma 1", "--gamma"),
        (f"{GOOD} --lr_ini 1", "--lr_ini"),
        (f"{GOOD} extra", "extra"),
        (f"{GOOD} --csv --json", "--json"),
        (f"{GOOD} --warmup", "--warmup"),
        ("check --t_max 10", "log"),
    ],
)
def test_parser_errors_are_one_line_too(command, arguments, named):
    status, output, stderr = command(*arguments.split())
    assert (status, output) == (2, "")
    assert stderr.startswith("error: ")
    assert stderr.count("\n") == 1
    assert named in stderr


def test_a_newline_in_a_file_name_makes_no_second_line(command, tmp_path):
    status, _, stderr = command("check", tmp_path / "a\nb.csv", *GOOD.split()[1:])
    assert (status, stderr.count("\n")) == (2, 1)
    (tmp_path / "a\nb.csv").touch()
    status, _, stderr = command("check", tmp_path / "a\nb.csv", *GOOD.split()[1:])
    assert (status, stderr.count("\n")) == (2, 1)


def test_as_a_module(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["cosine-callbacks", *GOOD.split(), "--csv"])
    monkeypatch.delitem(sys.modules, "cosine_callbacks.__main__", raising=False)
    with pytest.raises(SystemExit) as end:
        runpy.run_module("cosine_callbacks", run_name="__main__")
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("epoch,learning_rate\n0,0.1\n")
