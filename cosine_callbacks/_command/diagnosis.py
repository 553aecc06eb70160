"""Why a run's rates are not the planned ones: each usual fault alone is tried on the log."""

import math
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from cosine_callbacks._command.log import Log
from cosine_callbacks._command.plan import Plan

# The rate at a position of the log, and what is said of the fault that gives such rates.
Curve = Callable[[int], float]
Faults = Iterator[tuple[str, Curve]]

# TensorBoard stores float32 (6e-8), and a float32 schedule is computed to 6e-7.
RELATIVE = 1e-6
# Others end slightly above a floor of 0, because their cos(pi) is not exactly -1.
ABSOLUTE = 1e-12
# Rows that tell one fault from another, however long the log is; rates that may be set by hand.
KEPT, BY_HAND = 1000, 5
MAX_LENGTH, MAX_GAP = 2**40, 100_000
CHANGES: dict[str, dict[str, Any]] = {
    "the warmup is missing": {"warmup": 0, "warmup_start_ratio": None},
    "the restarts are missing": {"cycles": 1},
    "t_mult is 1": {"t_mult": 1},
    "peak_decay is 1": {"peak_decay": 1.0},
}
TORCH = "the rate climbs after the end, as with torch's CosineAnnealingLR"


class Reading:
    """A log as positions in a plan; `after` is 1 if its rates are those after each epoch."""

    def __init__(self, plan: Plan, log: Log, after: int) -> None:
        """Find what turns the log's positions into epochs and steps."""
        self.plan, self.log, self.after = plan, log, after
        self.positions, self.rates, self.rows = log.positions, log.rates, range(len(log.rates))
        updates = plan.updates_per_epoch or 0

        def own(at: int) -> int:
            return at + after

        def converted(at: int) -> int:
            # An epoch's row has the rate of its last step, or of the step after it.
            return at // updates if log.unit == "step" else (at + 1) * updates - 1 + after

        same_unit = log.unit == plan.interval
        if not same_unit and not updates:
            changes = plan.updates_per_epoch is not None
            raise ValueError(
                f"{log.path} must count {plan.interval}s, got {log.unit}s and "
                f"{'an accumulation that changes' if changes else 'no steps_per_epoch'}; give "
                f"{'a log that does' if changes else '--steps_per_epoch'}"
            )
        self.e, self.other = (own, converted) if same_unit else (converted, own)
        self.exact = same_unit and not after

    def same(self, a: float, b: float) -> bool:
        """Say whether two rates are one, as far as logs keep them."""
        return math.isclose(a, b, rel_tol=RELATIVE, abs_tol=ABSOLUTE * self.plan.peak)

    def off(self, curve: Curve, rows: Iterable[int]) -> Iterator[int]:
        """Yield those of the rows whose rate the curve does not give."""
        positions, rates, same = self.positions, self.rates, self.same
        for i in rows:
            planned, rate = curve(positions[i]), rates[i]
            # Fast path: most rates are very near or equal, and a call costs as much as the sine.
            if abs(planned - rate) > 5e-7 * rate and not same(planned, rate):
                yield i

    def fits(self, curve: Curve, rows: Iterable[int]) -> bool:
        """Say whether the curve gives the rates of all the rows."""
        return next(self.off(curve, rows), None) is None

    def of(self, plan: Plan, **changes: Any) -> Curve:
        """Return the curve of a plan with other parameters; as it is, if these clash."""
        with suppress(ValueError):
            plan = plan.changed(**changes)
        return plan.rate if self.exact else lambda at: plan.rate(self.e(at))

    def sample(self, wrong: list[int]) -> list[int]:
        """Return rows from the whole log, these among them."""
        return sorted({*self.rows[:: 1 + len(self.rows) // KEPT], *wrong, self.rows[-1]})

    def place(self, row: int) -> str:
        """Return where the row stands in the log."""
        return f"{self.log.unit} {self.positions[row]}"


def find_fault(reading: Reading, wrong: list[int]) -> str | None:
    """Return the one fault that all rows show, with its value or place; None if no usual one does.

    `wrong` are the first rows that are not as planned, all if they are at most BY_HAND.
    """
    first, sample, count = wrong[0], reading.sample(wrong), len(reading.rows)
    for fault, curve in _faults(reading, sample, first):
        if reading.fits(curve, sample) and reading.fits(curve, reading.rows):
            return fault
    rest = reading.rows[first:]
    off = sum(1 for _ in reading.off(reading.of(reading.plan), rest))
    # So few rows as planned would be a chance.
    if 1 < off == len(rest) < 0.9 * count:
        if len({*reading.rates[first:]}) == 1:
            return f"the rate stays at {reading.rates[first]:.6g} from {reading.place(first)} on"
        return f"the rates are as planned before {reading.place(first)}, and off from there on"
    if len(wrong) <= BY_HAND and 2 * len(wrong) < count:
        places = " and ".join(dict.fromkeys(map(reading.place, wrong)))
        return f"all rates are as planned but those of {places}, as if set by hand"
    return None


def _faults(reading: Reading, sample: list[int], first: int) -> Faults:
    """Yield the faults, those without a fitted number first."""
    plan, unit, e = reading.plan, reading.plan.interval, reading.e
    yield "nothing drives the rate, which stays at lr_initial", lambda _: plan.peak
    for fault, changes in CHANGES.items():
        yield fault, reading.of(plan, **changes)
    yield f"the run is one {unit} late", lambda at: plan.rate(e(at) - 1)
    yield f"the run is one {unit} early", lambda at: plan.rate(e(at) + 1)
    yield TORCH, lambda at: _climbing(plan, e(at))
    if plan.updates_per_epoch:
        taken = f"{unit}s are taken for {'step' if unit == 'epoch' else 'epoch'}s"
        yield taken, lambda at: plan.rate(reading.other(at))
        # One mistake in torch: a scheduler that steps at every update.
        yield f"{taken}, and {TORCH}", lambda at: _climbing(plan, reading.other(at))
    again = reading.of(plan, cycles=None, t_max=plan.cycles.first)
    yield "the rate restarts after the end", again
    if first:
        yield from _begun_anew(reading, first)
    if len(wrong := [*reading.off(reading.of(plan), sample)]) > 1:  # one row would fit any number
        yield from _numbers(reading, sample)
        yield from _lengths(reading, sample, wrong)
        rate = reading.rates[0]
        yield f"nothing drives the rate, which stays at {rate:.6g}", lambda _: rate


def _climbing(plan: Plan, e: int) -> float:
    """Return the rate of a cosine that rises after the end as it fell, and falls again."""
    ends = plan.cycles.ends
    span = ends[-1] - (plan.cycles.cosine_start if len(ends) == 1 else ends[-2])
    away = max(0, e - ends[-1]) % (2 * span)
    return plan.rate(min(e, ends[-1]) - min(away, 2 * span - away))


def _begun_anew(reading: Reading, first: int) -> Faults:
    """Yield the curves that begin again between the last row as planned and the next one."""
    plan, (before, e) = reading.plan, map(reading.e, reading.positions[first - 1 : first + 1])

    def anew(start: int, at: int) -> float:
        e = reading.e(at)
        return plan.rate(e - start if e >= start else e)

    for start in range(max(before + 1, e - MAX_GAP), e + 1):
        if reading.same(plan.rate(e - start), reading.rates[first]):
            fault = f"the curve begins anew at {plan.interval} {start}, as after a lost checkpoint"
            yield fault, partial(anew, start)


def _numbers(reading: Reading, sample: list[int]) -> Faults:
    """Yield another peak, floor or factor: each rate is linear in these, so one row tells them."""
    plan, peak, at = reading.plan, reading.plan.peak, reading.positions
    ratio = plan.parameters.lr_min_ratio is not None
    floor, unit = ("lr_min_ratio", peak) if ratio else ("lr_min", 1.0)
    planned = reading.of(plan)
    instead = f"lr_initial is {{:.6g}} instead of {peak:.6g}"
    lower = f"{floor} is {{:.6g}} instead of {plan.floor / unit:.6g}"
    lowest = plan.parameters.lr_min or sys.float_info.min
    # What is said, the curve of a number, and two numbers that others are measured by.
    searches: list[tuple[str, Callable[[float], Curve], float, float]] = [
        (instead, lambda number: reading.of(plan, lr_initial=number), lowest, 2 * peak),
        (lower, lambda number: reading.of(plan, **{floor: number}), 0.0, peak / unit),
        (
            "all rates are {:.6g} times the planned ones",
            lambda number: lambda e: number * planned(e),
            0.0,
            1.0,
        ),
    ]
    for fault, curve, low, high in searches:
        below, above = curve(low), curve(high)
        span, row = max((above(at[i]) - below(at[i]), i) for i in sample)
        if span:
            share = (reading.rates[row] - below(at[row])) / span
            number = max(0.0, low + (high - low) * share)
            # As people write it, which a rounded row has blurred, and as it is.
            for each in (float(f"{number:.3g}"), float(f"{number:.6g}"), number):
                yield fault.format(each), curve(each)


def _lengths(reading: Reading, sample: list[int], wrong: list[int]) -> Faults:
    """Yield another t_max, warmup or hold: of each the length that fits best, if any does."""
    plan, positions, rates = reading.plan, reading.positions, reading.rates
    # Rows near the beginning as well as near the end: each length shows in a part of the curve.
    rows = {wrong[(len(wrong) - 1) >> shift] for shift in range(12)}
    for name, now in plan.units.items():
        fitting = []
        for length in {n for i in rows for n in _lengths_through(reading, name, i)}:
            curve = reading.of(plan, **{name: length})
            if reading.fits(curve, sample):
                worst = max(abs(curve(positions[i]) - rates[i]) for i in sample)
                fitting.append((worst, length, curve))
        if fitting:
            _, length, curve = min(fitting)
            yield f"{name} is {length} instead of {now}", curve


def _lengths_through(reading: Reading, name: str, row: int) -> Iterator[int]:
    """Yield the lengths with which the curve passes this row, or comes nearest to it."""
    plan, cycles, at = reading.plan, reading.plan.cycles, reading.positions[row]
    e, warmup = reading.e(at), plan.parameters.warmup
    # The rate rises with the length up to `split`; beyond it the row lies in the warmup.
    low, high = 0, cycles.first - (cycles.hold if name == "warmup" else cycles.warmup)
    if name == "t_max":
        low, high = max(e, cycles.cosine_start) + 1, MAX_LENGTH
        if isinstance(warmup, float) and warmup:
            high = int(min(high, e / warmup))
    split = min(e, high) if name == "warmup" else high
    for lengths, sign in ((range(low, split), 1), (range(split, high), -1)):

        def rate(length: int, sign: int = sign) -> float:
            return sign * reading.of(plan, **{name: length})(at)

        nearest = bisect_left(lengths, sign * reading.rates[row], key=rate)
        yield from lengths[max(0, nearest - 1) : nearest + 2]
