"""The arguments of the commands."""

from __future__ import annotations

from argparse import SUPPRESS
from functools import partial
from typing import TYPE_CHECKING

from cosine_callbacks._schedule.extras import required

if TYPE_CHECKING:
    from collections.abc import Callable

    from jsonargparse import ArgumentParser

PLAN = {
    "lr_initial": "peak rate, > 0; by default the lr of the config's optimizer, or the lr or "
    "learning_rate of its model where it has no optimizer",
    "t_max": "position at which the floor is reached, warmup included: an int, or with a config a "
    "part of the planned run as a float in (0, 1] or null for the whole of it",
    "lr_min": "floor as a rate, at most lr_initial (default: 0)",
    "lr_min_ratio": "floor as a part of lr_initial, in [0, 1]; instead of --lr_min",
    "interval": "what t_max and warmup count: epoch, or step for optimizer updates "
    "(default: epoch)",
    "warmup": "linear warmup: an int, or a float in (0, 1) as a part of the first cycle "
    "(default: 0)",
    "warmup_start_ratio": "first rate as a part of lr_initial (default: 1 / (warmup + 1))",
    "cycles": "number of cosine cycles; null restarts for ever (default: 1)",
    "t_mult": "each cycle is this many times as long as the one before (default: 1)",
    "peak_decay": "each cycle's height is this part of the one before, in (0, 1] (default: 1)",
    "steps_per_epoch": "batches per epoch and process, which no config tells",
}


def parser() -> ArgumentParser:
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
    for name, meaning in PLAN.items():
        made.add_argument(f"--{name}", metavar="VALUE", default=SUPPRESS, help=meaning)
