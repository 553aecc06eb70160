"""How long a driver trains."""

from typing import NamedTuple


class Plan(NamedTuple):
    """Epochs of `batches` updates each; training begins with epoch `first`."""

    updates: int
    batches: int
    first: int


def plan(interval, given):
    """Plan the run: epochs of two updates per unit, or one update per unit in two epochs."""
    units, start = len(given["rates"]), given["start"]
    if interval == "epoch":
        return Plan(2 * units, 2, start)
    return Plan(units, units // 2, start // (units // 2))
