"""The command that compares a run's logged rates with the planned curve."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from cosine_callbacks import _rate_log
from cosine_callbacks._causes import Entry, likely, same

if TYPE_CHECKING:
    from cosine_callbacks._plan import Plan

# As many entries as tell one cause from another, however long the log.
KEPT = 1000


def compare(plan: Plan, path: str, name: str | None) -> tuple[bool, str]:
    """Return whether each logged rate is the planned one, and the line that says so or what not.

    Raises:
        ModuleNotFoundError: It is a TensorBoard log, and TensorBoard is not installed.
        OSError: The log cannot be read.
        ValueError: It is no log of one rate, or its epochs cannot be told from its steps or its
            steps from its epochs.
    """
    log = _rate_log.read(path, name)
    count, first = 0, None
    for count, (at, rate) in enumerate(log.entries, 1):  # noqa: B007 - the number of all
        entry = _entry(plan, path, log.unit, at, rate)
        if first is None and not same(plan, plan.rate(entry.e), rate):
            first = entry
    if not count:
        raise ValueError(f"{path} must have rates as {log.name}, got none; give the log of a run")
    if first is None:
        return True, f"{path}: {log.name} is as planned; rates compared: {count}"
    some = islice(_rate_log.read(path, name).entries, 0, None, 1 + count // KEPT)
    entries = {first, *(_entry(plan, path, log.unit, at, rate) for at, rate in some)}
    planned = plan.rate(first.e)
    side = "high" if first.rate > planned else "low"
    return False, (
        f"{path}: {log.name} differs first at {log.unit} {first.at}: {first.rate:.7g} is logged, "
        f"{planned:.7g} planned, {abs(first.rate - planned):.3g} too {side}; likely cause: "
        f"{likely(plan, sorted(entries))}"
    )


def _entry(plan: Plan, path: str, unit: str, at: int, rate: float) -> Entry:
    other = None
    if updates := plan.updates_per_epoch:
        # A log by epochs has the rate of each epoch's last step.
        other = at // updates if unit == "step" else (at + 1) * updates - 1
    if unit == plan.interval:
        return Entry(at, at, other, rate)
    if other is None:
        raise ValueError(
            f"steps_per_epoch must tell the {unit}s of {path} in {plan.interval}s, got none or an "
            "accumulation that changes; give --steps_per_epoch"
        )
    return Entry(at, other, at, rate)
