"""The cycles of the schedule in whole units: where each ends, and where the warmup does."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cosine_callbacks._schedule.validation import MAX_POSITION, short_repr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cosine_callbacks._schedule.parameters import Parameters

# A table of this many ends takes a few megabytes and milliseconds; nobody restarts more often.
MAX_FILLED = 100_000


@dataclass(eq=False)
class Cycles:
    """Cycles laid out in whole units.

    Attributes:
        ends: Where each cycle ends. A `range` where all are equally long: no table is needed.
        warmup: Length of the warmup, with which the first cycle begins.
        hold: How long the peak is then held.
        warmup_start: The rate at e = 0 as a fraction of the peak.
        peak_decay: The height of a cycle as a fraction of the height of the one before.
    """

    ends: Sequence[int]
    warmup: int
    hold: int
    warmup_start: float
    peak_decay: float

    # Derived; stored because a property costs more than the sine.
    first: int = field(init=False, repr=False)
    end: int = field(init=False, repr=False)
    cosine_start: int = field(init=False, repr=False)
    first_span: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Note where the first and the last cycle end, and where the first cosine begins."""
        self.first, self.end = self.ends[0], self.ends[-1]
        self.cosine_start = self.warmup + self.hold
        self.first_span = float(self.first - self.cosine_start)

    def find(self, e: float) -> tuple[float, float, float]:
        """Return how far e >= 0 is from its cycle's end, the span of the cosine, and its height."""
        if e < self.cosine_start:  # held at the peak
            return self.first_span, self.first_span, 1.0
        if e < self.first:
            return self.first - e, self.first_span, 1.0
        if e >= self.end:
            return 0, 1.0, 1.0
        if isinstance(self.ends, range):
            i = min(int(e // self.first), len(self.ends) - 1)
            return self.first - e % self.first, float(self.first), self.peak_decay**i
        i = bisect_right(self.ends, e)
        return self.ends[i] - e, float(self.ends[i] - self.ends[i - 1]), self.peak_decay**i

    def corners(self) -> list[tuple[int, str]]:
        """Return where each stage before the first cosine ends, and its name."""
        warmup = [(self.warmup, "end of warmup")] if self.warmup else []
        return [*warmup, (self.cosine_start, "end of hold")] if self.hold else warmup

    def horizon(self, *, endless: bool) -> int:
        """Return how far to draw: a little beyond the end, or 3 cycles where they never end."""
        return self.ends[:3][-1] if endless else self.end + self.end // 10


def lay_out(parameters: Parameters, planned: int = 0, last: int = MAX_POSITION) -> Cycles:
    """Lay the cycles out.

    Args:
        parameters: Of the schedule.
        planned: Length of the planned run in units, needed where t_max is None or a fraction.
        last: The highest position that can be reached; cycles that would end beyond it are left
            out, and the last one that is not holds its floor.

    Raises:
        ValueError: Warmup and hold leave nothing of the first cycle, the cycles do not fit into the
            planned run, or the run ends beyond `last`.
    """
    if planned > last:
        raise ValueError(
            f"t_max must be given where the planned run is longer than {last}, got "
            f"{short_repr(planned)} units; give t_max="
        )
    count = parameters.cycles
    if parameters.t_max is None and count is not None:
        ends = _filled(planned, count, parameters.t_mult)
    else:
        ends = _repeated(_first_end(parameters.t_max, planned), count, parameters.t_mult, last)
    warmup, hold = (
        round(each * ends[0]) if isinstance(each, float) else each
        for each in (parameters.warmup, parameters.hold)
    )
    if warmup + hold >= ends[0]:
        given = {"warmup": parameters.warmup, "hold": parameters.hold}
        names = [name for name in given if given[name]]
        raise ValueError(
            f"{' and '.join(names)} must leave the cosine at least one unit of the first cycle's "
            f"{ends[0]}, got {' and '.join(str(given[name]) for name in names)}; shorten "
            f"{' or '.join(names)} or lengthen t_max"
        )
    start = parameters.warmup_start_ratio
    start = 1 / (warmup + 1) if start is None else start
    return Cycles(ends, warmup, hold, start, parameters.peak_decay)


def lost_warmup(parameters: Parameters, cycles: Cycles, interval: str) -> str | None:
    """Return the warning that the fraction of a warmup is rounded to nothing, None if it is not."""
    if not parameters.warmup or cycles.warmup:
        return None
    units = f"{interval}s"
    cure = "" if interval == "step" else "interval='step' or "
    return (
        f"warmup must be more than half a unit of the first cycle, got {parameters.warmup} of "
        f"{cycles.first} {units}, which is 0 {units}; give {cure}an int"
    )


def _first_end(t_max: float | None, planned: int) -> int:
    if isinstance(t_max, int):
        return t_max
    # A float cannot hold each length beyond 2**53.
    return max(1, planned if t_max in (None, 1.0) else round(t_max * planned))


def _repeated(first: int, count: int | None, t_mult: int, last: int) -> Sequence[int]:
    """Return the ends of cycles of which each is t_mult times as long as the one before."""
    if t_mult == 1:
        fitting = last // first
        return range(first, first * (fitting if count is None else min(count, fitting)) + 1, first)
    ends, length = [first], first * t_mult
    while (count is None or len(ends) < count) and ends[-1] + length <= last:
        ends.append(ends[-1] + length)
        length *= t_mult
    return tuple(ends)


def _filled(planned: int, count: int, t_mult: int) -> Sequence[int]:
    """Return the ends of cycles that fill the planned run, each rounded half up."""
    sums, length = [1], 1
    while len(sums) < count <= planned and sums[-1] <= 2 * planned:
        length *= t_mult
        sums.append(sums[-1] + length)
    total = sums[-1]
    ends = tuple((2 * planned * each + total) // (2 * total) for each in sums)
    if len(ends) < count or not ends[0]:
        raise ValueError(
            f"cycles must each get at least one unit of the planned {planned}, got {count} with "
            f"t_mult={t_mult}; give fewer cycles or t_max="
        )
    return ends
