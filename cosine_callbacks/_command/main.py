"""The command `cosine-callbacks`: its arguments, and what becomes of its errors."""

import os
import sys
from argparse import SUPPRESS
from collections.abc import Iterable
from functools import partial
from itertools import chain
from shutil import get_terminal_size
from typing import Any

from cosine_callbacks._command import preview
from cosine_callbacks._command.check import compare
from cosine_callbacks._command.log import open_log
from cosine_callbacks._command.plan import make_plans
from cosine_callbacks._schedule.extras import required
from cosine_callbacks._schedule.parameters import PARAMETERS

CHECK = (
    "Say whether a run used the planned learning rate: exit status 0 if it did, 1 if not, 2 if "
    "that cannot be told."
)
CONFIG = (
    "LightningCLI YAML that has our callback: the run's, or the resolved one in its log folder; "
    "the other arguments win over it"
)
LOG = "CSV file of Lightning or Keras, or a TensorBoard event file or a folder of them"
FLAGS = {
    **{name: parameter.help for name, parameter in PARAMETERS.items()},
    "interval": "the unit of all lengths: epoch, or step for optimizer updates (default: epoch)",
    "steps_per_epoch": "batches per epoch and process; not in a config",
    "optimizers": "which callback, if the config has several: its value there",
}
FLAGS["lr_initial"] += "; may be repeated, for a curve each"


def make_parser() -> Any:
    """Return the parser of all commands; every value is a text, as in a config."""
    with required("jsonargparse", "preview"):
        from jsonargparse import ArgumentParser  # noqa: PLC0415 - for `required`
    new = partial(ArgumentParser, exit_on_error=False, allow_abbrev=False)
    top = new(prog="cosine-callbacks", description="See the curve: before training, and after.")
    show = new(description="Show the learning rate that a run will use.")
    check = new(description=CHECK)
    check.add_argument("log", help=LOG)
    for made in (show, check):
        add = partial(made.add_argument, default=SUPPRESS)
        add("--config", action="append", metavar="FILE", help=CONFIG)
        for name, meaning in FLAGS.items():
            action = "append" if name == "lr_initial" else "store"
            add(f"--{name}", action=action, metavar="VALUE", help=meaning)
        add("--save", metavar="FILE", help="draw into FILE.png or FILE.svg")
    add("--column", metavar="NAME", help="the rate to check, if there are several")
    check.add_argument("--plot", action="store_true", help="draw plan and log in the terminal")
    form = show.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print every position as CSV")
    form.add_argument("--json", action="store_true", help="print what matters as JSON")
    commands = top.add_subcommands()
    commands.add_subcommand("preview", show, help="show the rate that a run will use")
    commands.add_subcommand("check", check, help="compare a run's log with the plan")
    return top


def execute(arguments: list[str] | None) -> tuple[int, Iterable[str]]:
    """Return the exit status, which is 1 for a log that is not as planned, and the lines to print.

    What the lines need that is missing may be raised by their first one.
    """
    given = make_parser().parse_args(arguments).as_dict()
    own = given[given["subcommand"]]
    config, *more = own.get("config", [None])
    if more:
        raise ValueError(
            f"config must be one file, got {len(more) + 1}; give the config.yaml that LightningCLI "
            "saves in its log folder, which has merged them"
        )
    curves = make_plans(config, {name: value for name, value in own.items() if name in FLAGS})
    plans, as_planned = [*chain.from_iterable(curves)], True
    log, line, terminal = preview.NOTHING, "", (get_terminal_size().columns, sys.stdout.encoding)
    if "log" in own:
        if len(plans) > 1:
            raise ValueError(
                f"check must have one curve, got {len(plans)}; give one --lr_initial, and choose a "
                "callback by --optimizers"
            )
        as_planned, line, log = compare(plans[0], open_log(own["log"], own.get("column")))
    if "save" in own:
        preview.save(curves, own["save"], log)
    if "log" in own:
        drawn = [preview.in_terminal(plans, *terminal, log)] if own["plot"] else []
        return int(not as_planned), [*drawn, _escaped(line)]
    if own["csv"] or own["json"]:
        return 0, preview.as_csv(plans) if own["csv"] else [preview.as_json(plans)]
    return 0, (preview.as_text(each, *terminal) for each in curves)


def _escaped(line: str) -> str:
    """Return a line without control characters, which names of files and columns may hold."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in line)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; whatever goes wrong is one line and exit status 2, or 130 for Ctrl-C."""
    try:
        encoding = sys.stdout.encoding
        status, lines = execute(arguments)
        try:
            for line in lines:
                shown = line.encode(encoding, "backslashreplace").decode(encoding)
                print(shown)  # noqa: T201 - what the command is for
            sys.stdout.flush()
        except OSError as error:
            # What is not yet written would fail once more at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if not isinstance(error, BrokenPipeError):  # a reader such as `head` may stop
                raise
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - status 1 would mean: not as planned
        text = " ".join(str(error).split()) or type(error).__name__
        print(f"error: {_escaped(text)}", file=sys.stderr)  # noqa: T201 - likewise
        return 2
    return status
