"""The command `cosine-callbacks`, also as `python -m cosine_callbacks`."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentError

from cosine_callbacks import _arguments, _plan, check, preview


def run(arguments: list[str] | None) -> int:
    """Run the command, and return its exit status: 1 for a log that is not as planned."""
    given = _arguments.parser().parse_args(arguments).as_dict()
    own = given[given["subcommand"]]
    flags = {name: value for name, value in own.items() if name in _arguments.PLAN}
    plan = _plan.make(own.get("config", []), flags)
    if given["subcommand"] == "preview":
        if "save" in own:
            preview.save(plan, own["save"])
        preview.show(plan, as_csv=own["csv"], as_json=own["json"])
        return 0
    as_planned, line = check.compare(plan, own["log"], own.get("column"))
    print(line)  # noqa: T201 - what the command is for
    return int(not as_planned)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; what is wrong with its input is one line and exit status 2."""
    try:
        status = run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ArgumentError, ImportError, OSError, TypeError, ValueError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)  # noqa: T201 - likewise
        return 2
    return status


if __name__ == "__main__":
    sys.exit(main())
