"""The arguments of the commands: their help, and the errors for wrong ones."""

import re
import runpy
import sys

import pytest

PLAN = (
    "config lr_initial t_max lr_min lr_min_ratio warmup hold warmup_start_ratio cycles t_mult "
    "peak_decay interval steps_per_epoch optimizers save"
)
OWN = {"preview": "csv json", "check": "column plot"}


@pytest.mark.parametrize("columns", ["40", "80"])
@pytest.mark.parametrize("name", OWN)
def test_help_explains_every_argument(output_of, monkeypatch, name, columns):
    monkeypatch.setenv("COLUMNS", columns)
    output = output_of(name, "--help")
    explained = dict(re.findall(r"^  --(\w+)(.*?)(?=^  --|\Z)", output, re.MULTILINE | re.DOTALL))
    assert " ".join(explained) == f"{PLAN} {OWN[name]}"
    assert all(len(text.split()) > 3 for text in explained.values())
    assert ("  log  " in output) == (name == "check")
    body = output.partition("\n\n")[2]  # without the usage: argparse does not wrap the command name
    assert max(map(len, body.splitlines())) <= int(columns)


def test_help_names_the_commands(output_of):
    output = output_of("--help")
    assert re.search(r"^ +preview +show the rate that a run will use$", output, re.MULTILINE)
    assert re.search(r"^ +check +compare a run's log with the plan$", output, re.MULTILINE)


NO_LENGTH = (
    "t_max must be an int where the run's length is unknown, got {}; give --t_max, or "
    "--steps_per_epoch and a config with trainer.max_epochs or max_steps"
)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ("--lr_initial 1 --t_max 0", "t_max must be an int >= 1, got 0"),
        ("--lr_initial 1 --t_max ten", "t_max must be a number, got 'ten' (str)"),
        ("--lr_initial 1 --t_max null", NO_LENGTH.format("None")),
        ("--lr_initial 1 --t_max 0.5", NO_LENGTH.format("0.5")),
        ("--lr_initial null --t_max 9", "lr_initial must be given where "),
        ("--lr_initial 0.1 --t_max 9 --lr_min 1", "lr_min must be <= lr_initial (0.1), got 1"),
        ("--lr_initial 1 --lr_min null", "lr_min must be a number, got None (NoneType)"),
        ("--lr_initial 1 --interval a", "interval must be 'epoch' or 'step', got 'a'"),
        ("--lr_initial 1 --steps_per_epoch 0", "steps_per_epoch must be an int >= 1, got 0"),
    ],
)
def test_values(assert_refused, flags, sentence):
    assert_refused(sentence, "preview", flags)


GOOD = "preview --lr_initial 0.1 --t_max 10"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("", "preview"),
        (f"{GOOD} --lr_ini 1", "--lr_ini"),
        (f"{GOOD} extra", "extra"),
        (f"{GOOD} --csv --json", "--json"),
        (f"{GOOD} --warmup", "--warmup"),
        ("check --t_max 10", "log"),
    ],
)
def test_parser_errors_are_one_line_too(command, assert_refused, arguments, named):
    assert_refused("", arguments)
    assert named in command(arguments)[2]


def test_as_a_module(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["cosine-callbacks", *GOOD.split(), "--csv"])
    monkeypatch.delitem(sys.modules, "cosine_callbacks.__main__", raising=False)
    with pytest.raises(SystemExit, match=r"^0$"):
        runpy.run_module("cosine_callbacks", run_name="__main__")
    assert capsys.readouterr().out.startswith("epoch,learning_rate\n0,0.1\n")
