"""The command that compares a run's logged rates with the planned curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosine_callbacks import _rate_log
from cosine_callbacks._causes import Entry, likely, same

if TYPE_CHECKING:
    from cosine_callbacks._plan import Plan

# Entries kept to find the cause, and again as many that follow the first one that differs.
KEPT = 500


def compare(plan: Plan, path: str, name: str | None) -> tuple[bool, str]:
    """Return whether each logged rate is the planned one, and the line that says so or what not.

    Raises:
        ModuleNotFoundError: It is a TensorBoard log, and TensorBoard is not installed.
        OSError: The log cannot be read.
        ValueError: It is no log of one rate, or its epochs cannot be told from its steps or its
            steps from its epochs.
    """
    log = _rate_log.read(path, name)
    kept: list[Entry] = []
    wrong: list[Entry] = []
    count, stride = 0, 1
    for at, rate in log.entries:
        entry = _entry(plan, path, log.unit, at, rate)
        if wrong or not same(plan, plan.rate(entry.e), rate):
            wrong += [entry] * (len(wrong) < KEPT)
        if count % stride == 0:
            kept.append(entry)
        if len(kept) == 2 * KEPT:
            del kept[1::2]
            stride *= 2
        count += 1
    if not count:
        raise ValueError(f"{path} must have rates as {log.name}, got none; give the log of a run")
    if not wrong:
        return True, f"{path}: {log.name} is as planned; rates compared: {count}"
    first = wrong[0]
    planned = plan.rate(first.e)
    side = "high" if first.rate > planned else "low"
    cause = likely(plan, sorted({*kept, *wrong}))
    return False, (
        f"{path}: {log.name} differs first at {log.unit} {first.at}: {first.rate:.7g} is logged, "
        f"{planned:.7g} planned, {abs(first.rate - planned):.3g} too {side}; likely cause: {cause}"
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
            f"steps_per_epoch must be given where {path} counts {unit}s and the curve "
            f"{plan.interval}s, got none; give --steps_per_epoch"
        )
    return Entry(at, other, at, rate)
