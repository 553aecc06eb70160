"""How long a driver trains."""


def plan(interval, given):
    """Return the updates, those of an epoch, and the first epoch.

    These are epochs of two updates per unit, or one update per unit in two epochs.
    """
    units, start = len(given["rates"]), given["start"]
    if interval == "epoch":
        return 2 * units, 2, start
    return units, units // 2, start // (units // 2)
