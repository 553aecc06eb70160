"""The arguments of the commands."""

from __future__ import annotations

from argparse import SUPPRESS
from functools import partial
from typing import TYPE_CHECKING

from cosine_callbacks._schedule.extras import required
from cosine_callbacks._schedule.parameters import PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from jsonargparse import ArgumentParser

FLAGS = {
    **{name: parameter.help for name, parameter in PARAMETERS.items()},
    "interval": "the unit of all lengths: epoch, or step for optimizer updates (default: epoch)",
    "steps_per_epoch": "batches per epoch and process, which no config tells",
}


def make_parser() -> ArgumentParser:
    """Return the parser of all commands; a mistake is raised as an ArgumentError.

    Raises:
        ModuleNotFoundError: jsonargparse is not installed.
    """
    with required("jsonargparse", "preview"):
        from jsonargparse import ArgumentParser  # noqa: PLC0415 - for `required`

    new = partial(ArgumentParser, exit_on_error=False, allow_abbrev=False)
    top = new(prog="cosine-callbacks", description="See the curve: before training, and after.")
    commands = top.add_subcommands()
    commands.add_subcommand("preview", _preview(new), help="show the rate that a run will use")
    commands.add_subcommand("check", _check(new), help="compare a run's log with the plan")
    return top


def _preview(new: Callable[..., ArgumentParser]) -> ArgumentParser:
    made = new(description="Show the learning rate that a run will use.")
    _add_plan(made)
    made.add_argument(
        "--save", metavar="FILE", default=SUPPRESS, help="draw the curve into FILE.png or FILE.svg"
    )
    form = made.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print every position as CSV")
    form.add_argument("--json", action="store_true", help="print what matters as JSON")
    return made


def _check(new: Callable[..., ArgumentParser]) -> ArgumentParser:
    made = new(
        description="Say whether a run used the planned learning rate: exit status 0 if it did, 1 "
        "if not, 2 if that cannot be told."
    )
    _add_plan(made)
    made.add_argument(
        "log", help="CSV file of Lightning or Keras, or a TensorBoard event file or folder of such"
    )
    made.add_argument(
        "--column", metavar="NAME", default=SUPPRESS, help="the rate to check, if there are several"
    )
    return made


def _add_plan(made: ArgumentParser) -> None:
    """Add what describes a run; every value is a text, as in a config: one place reads both."""
    made.add_argument(
        "--config",
        action="append",
        metavar="FILE",
        default=SUPPRESS,
        help="LightningCLI YAML that has our callback; may be repeated, a later file wins, and the "
        "other arguments win over all files",
    )
    for name, meaning in FLAGS.items():
        made.add_argument(f"--{name}", metavar="VALUE", default=SUPPRESS, help=meaning)
