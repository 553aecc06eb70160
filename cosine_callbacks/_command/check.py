"""The command that compares a run's logged rates with the planned curve."""

from itertools import islice, pairwise, starmap
from operator import eq

from cosine_callbacks._command.diagnosis import BY_HAND, Reading, find_fault
from cosine_callbacks._command.log import Log
from cosine_callbacks._command.plan import Plan
from cosine_callbacks._command.preview import Logged

TRIED = (
    "none of the usual faults alone gives these rates; tried: another lr_initial, lr_min, t_max, "
    "warmup or hold, all rates times a number, one epoch or step late or early, epochs taken for "
    "steps, no schedule, climbing, restarting or stopping, a curve begun anew, rates set by hand"
)


def compare(plan: Plan, log: Log) -> tuple[bool, str, Logged]:
    """Return whether each logged rate is the planned one, the line that says so or why not, both.

    Keras' TensorBoard callback logs a schedule's rate after the epoch's last update. Nothing in its
    log tells that from the rate of that update, so all the rates may be the one or all the other.
    """
    found = []
    for after in range(1 + log.name.startswith("epoch_learning_rate")):
        reading = Reading(plan, log, after)
        wrong = [*islice(reading.off(reading.of(plan), reading.rows), BY_HAND + 1)]
        found.append((reading, wrong, find_fault(reading, wrong) if wrong else ""))
    # Prefer the reading that is as planned, then one that a fault explains.
    reading, wrong, fault = min(found, key=lambda each: (bool(each[1]), each[2] is None))
    rates = {reading.e(log.positions[i]): log.rates[i] for i in reading.sample(wrong)}
    first = {e: rates[e] for e in (reading.e(log.positions[i]) for i in wrong[:1])}
    if wrong:
        return False, _difference(reading, wrong[0], fault), Logged(rates, first)
    how = " after each epoch, where Keras asks a schedule" if reading.after else ""
    line = f"{log.path}: {log.name} is as planned{how}; rates compared: {len(log.rates)}"
    return True, line, Logged(rates, first)


def _difference(reading: Reading, first: int, fault: str | None) -> str:
    """Return the line that says what was planned, what is logged, and why."""
    log, plan, rates, rate = reading.log, reading.plan, reading.rates, reading.rates[first]
    planned = reading.of(plan)(reading.positions[first])
    if fault is None:
        fault = TRIED
        # With the unit of the other, rates by step would last for an epoch each.
        mixed = any(starmap(eq, pairwise(rates))), not reading.same(plan.rate(0), rates[0])
        if plan.updates_per_epoch is None and mixed[plan.interval == "epoch"]:
            fault += "; with --steps_per_epoch more can be tried"
    return (
        f"{log.path}: {log.name} differs first {'after' if reading.after else 'at'} "
        f"{reading.place(first)}: {rate:.7g} is logged, {planned:.7g} planned, "
        f"{abs(rate - planned):.3g} too {'high' if rate > planned else 'low'}; "
        f"likely cause: {fault}"
    )
