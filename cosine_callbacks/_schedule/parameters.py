"""The parameters of the schedule: their validation, and the cycles they lay out in whole units."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import KW_ONLY, Field, dataclass, fields
from typing import TYPE_CHECKING, Any

from cosine_callbacks._schedule.validation import CHECKS, LAST_POSITION, show

if TYPE_CHECKING:
    from collections.abc import Sequence

# A table of this many ends takes a few megabytes and milliseconds; nobody restarts more often.
MOST_FILLED = 100_000


# An import pays for every method that `dataclass` writes: none here or below without a caller.
@dataclass(eq=False, repr=False)
class Cycles:
    """Cycles laid out in whole units: where each ends, and how the first one warms up.

    `ends` is a `range` where all cycles are equally long: then no table is needed, however many.
    What `ends` and `warmup` say at every update is kept beside them: its `first` and last entry
    (`end`), and `rest`, what the warmup leaves of the first cycle.
    """

    ends: Sequence[int]
    first: int
    end: int
    warmup: int
    rest: float
    warmup_start: float
    peak_decay: float

    def find(self, e: float) -> tuple[int, float, float]:
        """Return the cycle in which e in [0, end] lies, what is left of it there, and its span."""
        if isinstance(self.ends, range):
            i = int(min(e // self.first, len(self.ends) - 1))
            left = self.first - e % self.first if e < self.end else 0
            return i, left, float(self.first) if i else self.rest
        i = bisect_right(self.ends, e, hi=len(self.ends) - 1)
        return i, self.ends[i] - e, float(self.ends[i] - self.ends[i - 1]) if i else self.rest

    def horizon(self, *, endless: bool) -> int:
        """Return a position by which everything is seen: a little after the end, or 3 cycles."""
        return self.ends[:3][-1] if endless else self.end + self.end // 10


def optional(field: Field[Any]) -> bool:
    """Say whether None is a value of this field."""
    return "None" in str(field.type)


@dataclass(frozen=True, eq=False, repr=False)
class Parameters:
    """All parameters of the schedule as a callback takes them: what only a trainer knows is None.

    `lr_initial=None` is each param group's own rate; `t_max=None` the whole planned run and a float
    in (0, 1] that part of it. `CosineAnnealing` documents the others.
    """

    lr_initial: float | None = None
    t_max: int | float | None = None
    lr_min: float = 0.0
    _: KW_ONLY
    lr_min_ratio: float | None = None
    warmup: int | float = 0
    warmup_start_ratio: float | None = None
    cycles: int | None = 1
    t_mult: int = 1
    peak_decay: float = 1.0

    def __post_init__(self) -> None:
        """Validate, and store plain ints and floats."""
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None or not optional(field):
                object.__setattr__(self, field.name, CHECKS[field.name](field.name, value))
        if self.lr_min and self.lr_min_ratio is not None:
            raise ValueError(
                f"lr_min and lr_min_ratio both give the floor, got lr_min={self.lr_min} and "
                f"lr_min_ratio={self.lr_min_ratio}; give one of the two"
            )
        if self.warmup_start_ratio is not None and not self.warmup:
            raise ValueError(
                f"warmup_start_ratio needs a warmup, got warmup_start_ratio="
                f"{self.warmup_start_ratio} with warmup=0; give warmup= or leave it out"
            )
        if self.t_max is None:
            if self.cycles is None:
                raise ValueError("t_max must be given with cycles=None, got None; give t_max=")
            if self.cycles > MOST_FILLED:
                raise ValueError(
                    f"cycles must be at most {MOST_FILLED} where they fill the planned run, got "
                    f"{self.cycles}; give fewer cycles or t_max="
                )
        if self.lr_initial is not None:
            self.floor(self.lr_initial)
        if isinstance(self.t_max, int):
            self.layout()

    def __repr__(self) -> str:
        """Return the call that builds such an object, defaults left out."""
        return f"{type(self).__name__}({self.given()})"

    def given(self) -> str:
        """Return the arguments that are not at their defaults, as in a call."""
        values = ((f.name, getattr(self, f.name), f.default) for f in fields(self))
        return ", ".join(f"{name}={value!r}" for name, value, default in values if value != default)

    def floor(self, peak: float, owner: str = "lr_initial") -> float:
        """Return the floor under this peak rate; ValueError, naming its owner, if it lies above."""
        floor = self.lr_min if self.lr_min_ratio is None else self.lr_min_ratio * peak
        if floor > peak:
            raise ValueError(
                f"lr_min must not lie above {owner}, got lr_min={floor} with {owner}={peak}; "
                "lower lr_min or give the floor as lr_min_ratio="
            )
        return floor

    def layout(self, planned: int = 0, last: int = LAST_POSITION) -> Cycles:
        """Lay the cycles out.

        Args:
            planned: Length of the planned run in units, needed where t_max is None or a part.
            last: The highest position that can be reached; cycles that would end beyond it are left
                out, and the last one that is not holds its floor.

        Raises:
            ValueError: The cycles do not fit the planned length, or the warmup the first cycle.
        """
        if planned > last:
            raise ValueError(
                f"t_max must be given where the planned run is longer than {last}, got "
                f"{show(planned)} units; give t_max="
            )
        most = math.inf if self.cycles is None else self.cycles
        if self.t_max is None:
            ends = self._fill(planned, most)
        elif isinstance(self.t_max, int):
            ends = self._repeat(self.t_max, most, last)
        else:
            # A float cannot hold each length beyond 2**53.
            part = planned if self.t_max == 1 else round(self.t_max * planned)
            ends = self._repeat(max(1, part), most, last)
        warmup = self.warmup if isinstance(self.warmup, int) else round(self.warmup * ends[0])
        if warmup >= ends[0]:
            raise ValueError(
                f"warmup must leave the cosine at least one unit of the first cycle's {ends[0]}, "
                f"got {self.warmup}; shorten warmup or lengthen t_max"
            )
        start = self.warmup_start_ratio
        start = 1 / (warmup + 1) if start is None else start
        rest = float(ends[0] - warmup)
        return Cycles(ends, ends[0], ends[-1], warmup, rest, start, self.peak_decay)

    def _repeat(self, first: int, most: float, last: int) -> Sequence[int]:
        if self.t_mult == 1:
            return range(first, first * int(min(most, last // first)) + 1, first)
        ends, length = [first], first * self.t_mult
        while len(ends) < most and ends[-1] + length <= last:
            ends.append(ends[-1] + length)
            length *= self.t_mult
        return tuple(ends)

    def _fill(self, planned: int, most: float) -> Sequence[int]:
        """Let the cycles fill the planned length: each end rounded half up, the last one exact."""
        sums, power = [1], 1
        while len(sums) < most <= planned and sums[-1] <= 2 * planned:
            power *= self.t_mult
            sums.append(sums[-1] + power)
        total = sums[-1]
        ends = tuple((2 * planned * part + total) // (2 * total) for part in sums)
        if len(ends) < most or not ends[0]:
            raise ValueError(
                f"cycles must each get at least one unit of the planned {planned}, got "
                f"{show(self.cycles)} with t_mult={show(self.t_mult)}; give fewer cycles or t_max="
            )
        return ends
