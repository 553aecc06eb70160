"""The command `cosine-callbacks`."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentError
from typing import TYPE_CHECKING

from cosine_callbacks._command import check, preview
from cosine_callbacks._command.arguments import FLAGS, make_parser
from cosine_callbacks._command.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Iterable


def execute(arguments: list[str] | None) -> tuple[int, Iterable[str]]:
    """Return the exit status, which is 1 for a log that is not as planned, and the lines to print.

    What the lines need that is missing may be raised by their first one.
    """
    given = make_parser().parse_args(arguments).as_dict()
    own = given[given["subcommand"]]
    flags = {name: value for name, value in own.items() if name in FLAGS}
    plan = make_plan(own.get("config", []), flags)
    if given["subcommand"] == "check":
        as_planned, line = check.compare(plan, own["log"], own.get("column"))
        return int(not as_planned), [line]
    if "save" in own:
        preview.save(plan, own["save"])
    return 0, preview.lines(plan, as_csv=own["csv"], as_json=own["json"])


def main(arguments: list[str] | None = None) -> int:
    """Run the command; what is wrong with its input is one line and exit status 2."""
    try:
        status, lines = execute(arguments)
        try:
            for line in lines:
                print(line)  # noqa: T201 - what the command is for
            sys.stdout.flush()
        except BrokenPipeError:  # the reader, such as `head`, has stopped reading
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ArgumentError, ImportError, OSError, TypeError, ValueError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)  # noqa: T201 - likewise
        return 2
    return status
