"""Why a run's rates are not the planned ones: each usual fault is tried against the log."""

from __future__ import annotations

import math
from bisect import bisect_left
from contextlib import suppress
from dataclasses import replace
from itertools import dropwhile, pairwise, product, takewhile
from typing import TYPE_CHECKING, Any, NamedTuple

from cosine_callbacks._schedule.cycles import lay_out
from cosine_callbacks._schedule.parameters import floor_under
from cosine_callbacks.formula import height_at, peak_through

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cosine_callbacks._command.plan import Plan

# TensorBoard stores float32 (6e-8), and a float32 schedule is computed to 6e-7.
RELATIVE = 1e-6
# Others end slightly above a floor of 0, because their cos(pi) is not exactly -1.
ABSOLUTE = 1e-12
MAX_LENGTH = 2**40


class Entry(NamedTuple):
    """A logged rate: where the log has it, where in the plan's unit, and where in the other one."""

    at: int
    e: int
    other: int | None
    rate: float


def same_rate(plan: Plan, a: float, b: float) -> bool:
    """Say whether two rates are one, as far as logs keep them."""
    return math.isclose(a, b, rel_tol=RELATIVE, abs_tol=ABSOLUTE * plan.peak)


def likely_causes(plan: Plan, entries: Sequence[Entry]) -> list[str]:
    """Return the fault, or else the faults, that all the entries show; none if no usual ones do.

    Args:
        plan: What the rates should have been.
        entries: Some of the log in order, the first one that differs among them.
    """
    if all(same_rate(plan, entry.rate, plan.peak) for entry in entries):
        return ["nothing drives the rate, which stays at lr_initial"]
    # Fewest faults first; a changed plan comes last, because it fits a number.
    tried = product(_plans(plan, entries), _ends(), _moves(plan, entries))
    for (changed, another), (ended, end), (moved, move) in tried:
        faults, curve = [*filter(None, (moved, changed, ended))], end(another)
        if faults and all(same_rate(plan, curve(move(entry)), entry.rate) for entry in entries):
            return faults
    return []


def _moves(plan: Plan, entries: Sequence[Entry]) -> Iterator[tuple[str, Callable[[Entry], Any]]]:
    """Yield the positions at which a run may have looked up its rates."""
    yield "", lambda entry: entry.e
    yield f"the run is one {plan.interval} late", lambda entry: entry.e - 1
    yield f"the run is one {plan.interval} early", lambda entry: entry.e + 1
    if all(entry.other is not None for entry in entries):
        other = "step" if plan.interval == "epoch" else "epoch"
        yield f"{plan.interval}s are taken for {other}s", lambda entry: entry.other


def _ends() -> Iterator[tuple[str, Callable[[Plan], Callable[[int], float]]]]:
    """Yield what a run may do after the end of the curve."""
    yield "", lambda plan: plan.rate
    yield "the rate climbs after the end, as with torch's CosineAnnealingLR", _climbing
    yield "the rate restarts after the end", _restarting


def _climbing(plan: Plan) -> Callable[[int], float]:
    ends = plan.cycles.ends
    end = ends[-1]
    span = end - (plan.cycles.cosine_start if len(ends) == 1 else ends[-2])

    def rate(e: int) -> float:
        if e <= end:
            return plan.rate(e)
        # The cosine rises as it fell, and falls again.
        away = (e - end) % (2 * span)
        return plan.rate(end - min(away, 2 * span - away))

    return rate


def _restarting(plan: Plan) -> Callable[[int], float]:
    return _changed(plan, cycles=None, t_max=plan.cycles.ends[0]).rate


def _changed(plan: Plan, **changes: Any) -> Plan:
    """Return the plan with other parameters, or itself, which explains nothing, if they clash."""
    with suppress(ValueError):
        parameters = replace(plan.parameters, **changes)
        return plan._replace(parameters=parameters, cycles=lay_out(parameters, plan.length or 0))
    return plan


def _plans(plan: Plan, entries: Sequence[Entry]) -> Iterator[tuple[str, Plan]]:
    """Yield the plans that a run may have followed instead."""
    yield "", plan
    if plan.cycles.warmup:
        unwarmed = _changed(plan, warmup=0, warmup_start_ratio=None)
        yield "the warmup is missing", unwarmed
    wrong = [entry for entry in entries if not same_rate(plan, plan.rate(entry.e), entry.rate)]
    if len(wrong) > 1:  # a single entry would fit any plan
        highest = max(entries, key=lambda entry: entry.rate)
        if peak := peak_through(
            plan.parameters, highest.rate, *height_at(plan.cycles, max(0, highest.e))
        ):
            yield (
                f"lr_initial is {peak:.6g} instead of {plan.peak:.6g}",
                _changed(plan, lr_initial=peak),
            )
        for t_max in _lengths(plan, entries):
            yield f"t_max is {t_max} instead of {plan.cycles.ends[0]}", _changed(plan, t_max=t_max)


def _lengths(plan: Plan, entries: Sequence[Entry]) -> Sequence[int]:
    """Return the t_max with which the first cycle falls as the entries do, the likeliest first."""
    beyond = dropwhile(lambda pair: pair[1].rate >= pair[0].rate, pairwise(entries))
    falling = [entry for _, entry in takewhile(lambda pair: pair[1].rate <= pair[0].rate, beyond)]
    if not falling:
        return ()
    # The cosine is steepest in the middle: a rate there says most about the length.
    middle = (plan.peak + floor_under(plan.parameters, plan.peak)) / 2
    entry = min(falling, key=lambda entry: abs(entry.rate - middle))
    warmup = plan.parameters.warmup
    fixed = isinstance(warmup, int) or not warmup
    longest = MAX_LENGTH if fixed else min(MAX_LENGTH, int(entry.e / warmup))
    lengths = range(int(max(entry.e, warmup)) + 1, longest)

    def rate(t_max: int) -> float:
        return _changed(plan, t_max=t_max).rate(entry.e)

    near = bisect_left(lengths, entry.rate, key=rate)
    return sorted(
        lengths[max(0, near - 1) : near + 2], key=lambda t_max: abs(rate(t_max) - entry.rate)
    )
