"""How long a driver trains."""

from typing import NamedTuple


class Plan(NamedTuple):
    """Epochs of `batches` updates each; training begins with epoch `first`."""

    updates: int
    batches: int
    first: int


def plan(interval, given):
    """Plan each unit of the parameter set: an epoch of two updates, or an update of two epochs."""
    units, start = len(given["rates"]), given["start"]
    if interval == "epoch":
        return Plan(2 * units, 2, start)
    return Plan(units, units // 2, start // (units // 2))
