"""The parameters of the schedule: their validation, and the cycles they lay out in whole units."""

from __future__ import annotations

import math
import reprlib
import sys
from contextlib import suppress
from dataclasses import KW_ONLY, Field, dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Positions are int64 in arrays and in every framework's counters.
LAST_POSITION = 2**63 - 1


@dataclass(slots=True)
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


def show(value: Any) -> str:
    """Return a short repr for an error message, whatever the value."""
    try:
        return reprlib.repr(value)
    except ValueError:  # an int of more digits than Python agrees to print, or a list of such
        return f"an int of {value.bit_length()} bits" if isinstance(value, int) else "a huge value"


def number(name: str, value: Any) -> int | float:
    """Return value as a plain int or float, which may be nan or infinite.

    Raises:
        TypeError: value is no Python number, NumPy scalar or 0-d array; bool is none either.
    """
    scalar = getattr(value, "shape", None) == () and hasattr(value, "item")
    plain = value.item() if scalar else value
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        kind = type(value).__name__
        raise TypeError(
            f"{name} must be a number, got {show(value)} ({kind}); give an int or float"
        )
    return int(plain) if isinstance(plain, int) else float(plain)


def whole(name: str, value: Any, low: int = 1, high: int = LAST_POSITION) -> int:
    """Return value as a plain int in [low, high], else TypeError or ValueError."""
    plain = number(name, value)
    if isinstance(plain, float) or not low <= plain <= high:
        raise ValueError(
            f"{name} must be a whole number in its range, got {show(value)}; "
            f"give an int of at least {low} and at most {high}"
        )
    return plain


def whole_or_part(
    name: str, value: Any, low: int, low_part: float, high_part: float
) -> int | float:
    """Return value as a plain int of at least low or a float part in [low_part, high_part]."""
    plain = number(name, value)
    if isinstance(plain, float) and low_part <= plain <= high_part:
        return plain
    return whole(name, value, low)


def real(name: str, value: Any, low: float, high: float, interval: str) -> float:
    """Return value as a plain float in [low, high], which `interval` words; else an error."""
    plain = number(name, value)
    if not low <= plain <= high:
        raise ValueError(
            f"{name} must lie in {interval}, got {show(value)}; give a number in there"
        )
    return float(plain)


def read(check: Callable[[str, Any], Any], name: str, value: Any) -> Any:
    """Return value as the check wants it, be it a number or as a command line or YAML writes one.

    Raises:
        TypeError: It is no number.
        ValueError: It is out of its range.
    """
    for kind in (int, float) if isinstance(value, str) else ():  # as the command line gives it
        with suppress(ValueError):
            value = kind(value)
            break
    try:
        return check(name, value)
    except ValueError:
        if isinstance(value, float) and value.is_integer():  # YAML's 1e3 is a float
            return check(name, int(value))
        raise


_LEAST, _MOST, _BELOW_ONE = math.ulp(0.0), sys.float_info.max, math.nextafter(1.0, 0.0)
# What one argument can show wrong; `Parameters.__post_init__` adds the rules across arguments.
CHECKS: dict[str, Callable[[str, Any], int | float]] = {
    "lr_initial": partial(real, low=_LEAST, high=_MOST, interval="(0, inf)"),
    "t_max": partial(whole_or_part, low=1, low_part=_LEAST, high_part=1.0),
    "lr_min": partial(real, low=0, high=_MOST, interval="[0, inf)"),
    "lr_min_ratio": partial(real, low=0, high=1, interval="[0, 1]"),
    "warmup": partial(whole_or_part, low=0, low_part=0.0, high_part=_BELOW_ONE),
    "warmup_start_ratio": partial(real, low=0, high=1, interval="[0, 1]"),
    "cycles": whole,
    "t_mult": whole,
    "peak_decay": partial(real, low=_LEAST, high=1, interval="(0, 1]"),
}


def optional(field: Field[Any]) -> bool:
    """Say whether None is a value of this field."""
    return "None" in str(field.type)


@dataclass(frozen=True, repr=False)
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
        if self.cycles is None and self.t_max is None:
            raise ValueError("t_max must be given with cycles=None, got None; give t_max=")
        if self.lr_initial is not None:
            self.floor(self.lr_initial)
        if isinstance(self.t_max, int):
            self.layout()

    def __repr__(self) -> str:
        """Return the call that builds an equal object, defaults left out."""
        given = ((f.name, getattr(self, f.name), f.default) for f in fields(self))
        shown = (f"{name}={value!r}" for name, value, default in given if value != default)
        return f"{type(self).__name__}({', '.join(shown)})"

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
        most = math.inf if self.cycles is None else self.cycles
        if self.t_max is None:
            ends = self._fill(planned, most)
        else:
            part = self.t_max if isinstance(self.t_max, float) else 0.0
            ends = self._repeat(
                max(1, round(part * planned)) if part else int(self.t_max), most, last
            )
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
        if len(ends) == 1 < most:
            raise ValueError(
                f"t_mult must let the second cycle end by {last}, got {show(self.t_mult)} with a "
                f"first cycle of {first}; give a smaller t_mult"
            )
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
