"""The command that compares a run's logged rates with the planned curve."""

from __future__ import annotations

import math
from functools import partial
from itertools import islice, starmap
from typing import TYPE_CHECKING, Any

from cosine_callbacks._command.diagnosis import Entry, likely_causes, same_rate
from cosine_callbacks._command.log import Log, open_log

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cosine_callbacks._command.plan import Plan

# Enough entries to tell one cause from another, however long the log is.
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
    log = open_log(path, name)
    if log.unit != plan.interval and plan.updates_per_epoch is None:
        raise ValueError(
            f"steps_per_epoch must tell the {log.unit}s of {path} in {plan.interval}s, got none or "
            "an accumulation that changes; give --steps_per_epoch"
        )
    readings = [partial(_entry, plan, log.unit, after) for after in range(1 + log.schedule)]
    count, firsts = _first_differences(plan, log, readings)
    if not count:
        raise ValueError(f"{path} must have rates as {log.name}, got none; give the log of a run")
    for after, first in enumerate(firsts):
        if first is None:
            how = " after each epoch, where Keras asks a schedule" if after else ""
            return True, f"{path}: {log.name} is as planned{how}; rates compared: {count}"
    some = [*islice(log.entries(), 0, None, 1 + count // KEPT)]
    causes = [
        likely_causes(plan, sorted({first, *starmap(reading, some)}))
        for first, reading in zip(firsts, readings, strict=True)
    ]
    # Prefer the reading that needs fewer faults.
    after = min(range(len(readings)), key=lambda after: len(causes[after]) or math.inf)
    where = f"{path}: {log.name} differs first {'after' if after else 'at'} {log.unit}"
    return False, f"{where} {_difference(plan, firsts[after], causes[after])}"


def _first_differences(
    plan: Plan, log: Log, readings: Sequence[Callable[[int, float], Entry]]
) -> tuple[int, list[Any]]:
    """Return the number of entries, and for each reading the first that is not as planned."""
    count = 0
    firsts: list[Any] = [None] * len(readings)
    for count, (at, rate) in enumerate(log.entries(), 1):  # noqa: B007 - counts them
        for after, reading in enumerate(readings):
            if firsts[after] is None:
                entry = reading(at, rate)
                if not same_rate(plan, plan.rate(entry.e), rate):
                    firsts[after] = entry
    return count, firsts


def _difference(plan: Plan, first: Entry, causes: list[str]) -> str:
    planned = plan.rate(first.e)
    side = "high" if first.rate > planned else "low"
    more = "" if plan.updates_per_epoch else "; with --steps_per_epoch more can be tried"
    cause = " and ".join(causes) or f"none of the usual faults gives these rates{more}"
    return (
        f"{first.at}: {first.rate:.7g} is logged, {planned:.7g} planned, "
        f"{abs(first.rate - planned):.3g} too {side}; likely cause: {cause}"
    )


def _entry(plan: Plan, unit: str, after: int, at: int, rate: float) -> Entry:
    other: Any = None  # set wherever plan and log have different units
    if updates := plan.updates_per_epoch:
        # An epoch's entry is the rate of its last step, or of the step after it.
        other = at // updates if unit == "step" else (at + 1) * updates - 1 + after
    if unit == plan.interval:
        return Entry(at, at + after, other, rate)
    return Entry(at, other, at + after, rate)
