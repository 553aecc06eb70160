"""The command that compares a run's logged rates with the planned curve."""

from __future__ import annotations

import math
from functools import partial
from itertools import islice, starmap
from typing import TYPE_CHECKING, Any

from cosine_callbacks import _rate_log
from cosine_callbacks._causes import Entry, likely, same

if TYPE_CHECKING:
    from cosine_callbacks._plan import Plan

# As many entries as tell one cause from another, however long the log.
KEPT = 1000


def compare(plan: Plan, path: str, name: str | None) -> tuple[bool, str]:
    """Return whether each logged rate is the planned one, and the line that says so or what not.

    Keras' TensorBoard callback logs a schedule's rate after the epoch's last update. Nothing in its
    log tells that from the rate of that update, so all the rates may be the one or all the other.

    Raises:
        ModuleNotFoundError: It is a TensorBoard log, and TensorBoard is not installed.
        OSError: The log cannot be read.
        ValueError: It is no log of one rate, or its epochs cannot be told from its steps or its
            steps from its epochs.
    """
    log = _rate_log.read(path, name)
    if log.unit != plan.interval and plan.updates_per_epoch is None:
        raise ValueError(
            f"steps_per_epoch must tell the {log.unit}s of {path} in {plan.interval}s, got none or "
            "an accumulation that changes; give --steps_per_epoch"
        )
    readings = [partial(_entry, plan, log.unit, after) for after in range(1 + log.schedule)]
    count, firsts = 0, dict[int, Entry]()
    for count, (at, rate) in enumerate(log.entries(), 1):  # noqa: B007 - the number of all
        for after, reading in enumerate(readings):
            if after not in firsts:
                entry = reading(at, rate)
                if not same(plan, plan.rate(entry.e), rate):
                    firsts[after] = entry
    if not count:
        raise ValueError(f"{path} must have rates as {log.name}, got none; give the log of a run")
    for after in range(len(readings)):
        if after not in firsts:
            how = " after each epoch, where Keras asks a schedule" if after else ""
            return True, f"{path}: {log.name} is as planned{how}; rates compared: {count}"
    some = [*islice(log.entries(), 0, None, 1 + count // KEPT)]
    causes = [
        likely(plan, sorted({firsts[after], *starmap(reading, some)}))
        for after, reading in enumerate(readings)
    ]
    # Of two readings the one that needs fewer faults.
    after = min(sorted(firsts), key=lambda after: len(causes[after]) or math.inf)
    first, cause = firsts[after], " and ".join(causes[after])
    if not cause:
        more = "" if plan.updates_per_epoch else "; with --steps_per_epoch more can be tried"
        cause = f"none of the usual faults gives these rates{more}"
    planned = plan.rate(first.e)
    side = "high" if first.rate > planned else "low"
    return False, (
        f"{path}: {log.name} differs first {'after' if after else 'at'} {log.unit} {first.at}: "
        f"{first.rate:.7g} is logged, {planned:.7g} planned, {abs(first.rate - planned):.3g} too "
        f"{side}; likely cause: {cause}"
    )


def _entry(plan: Plan, unit: str, after: int, at: int, rate: float) -> Entry:
    other: Any = None  # where plan and log differ in their unit, the updates are known
    if updates := plan.updates_per_epoch:
        # A log by epochs has the rate of each epoch's last step, or of the one after.
        other = at // updates if unit == "step" else (at + 1) * updates - 1 + after
    if unit == plan.interval:
        return Entry(at, at + after, other, rate)
    return Entry(at, other, at + after, rate)
