"""Checks of arguments: each returns a plain value, or refuses it in one sentence."""

import reprlib
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import Any, Literal, get_args

Interval = Literal["epoch", "step"]
INTERVALS = get_args(Interval)

# Positions are int64 in arrays and in every framework's counters.
MAX_POSITION = 2**63 - 1
MAX_FLOAT = sys.float_info.max


@dataclass(eq=False, repr=False)
class Range:
    """Finite numbers from low to high; an open end is not one of them."""

    low: float
    high: float = MAX_FLOAT
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        """Say whether the value lies in the range; nan lies in none."""
        above = self.low < value if self.open_low else self.low <= value
        below = value < self.high if self.open_high else value <= self.high
        return above and below

    def __str__(self) -> str:
        """Return the range as an error message names it."""
        if self.high == MAX_FLOAT:
            return f"{'>' if self.open_low else '>='} {self.low:g}"
        left, right = "(" if self.open_low else "[", ")" if self.open_high else "]"
        return f"in {left}{self.low:g}, {self.high:g}{right}"


FINITE = Range(-MAX_FLOAT)
POSITIVE = Range(0, open_low=True)
NON_NEGATIVE = Range(0)
FLOAT32_POSITIVE = Range(0, (2 - 2**-23) * 2.0**127, open_low=True)
UNIT = Range(0, 1)
UNIT_WITHOUT_0 = Range(0, 1, open_low=True)
UNIT_WITHOUT_1 = Range(0, 1, open_high=True)


def short_repr(value: object) -> str:
    """Return a short repr of one line for an error message."""
    short = reprlib.Repr()
    short.maxlevel = 2
    return " ".join(short.repr(value).split())


def as_number(name: str, value: Any) -> int | float:
    """Return value as a plain int or float, which may be nan or infinite.

    Raises:
        TypeError: value is no Python number, NumPy scalar or 0-d array; bool is none either.
    """
    number = value
    if getattr(value, "shape", None) == ():
        # A symbolic scalar, inside a compiled function, has no value yet.
        with suppress(AttributeError, TypeError):
            number = value.item()
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise TypeError(
            f"{name} must be a number, got {short_repr(value)} ({type(value).__name__})"
        )
    return int(number) if isinstance(number, int) else float(number)


def as_position(e: Any, *, endless: bool) -> int | float:
    """Return e as a plain int or float, else TypeError or ValueError."""
    number = as_number("e", e)
    if number != number:  # noqa: PLR0124 - math.isnan overflows on large ints
        raise ValueError("e must be a position, got nan; give the finished epochs or updates")
    if endless and number == inf:
        raise ValueError("e must be finite with cycles=None, got inf; give a number of cycles")
    return number


def as_int(name: str, value: Any, low: int = 1, high: int = MAX_POSITION) -> int:
    """Return value as a plain int in [low, high], else TypeError or ValueError."""
    number = as_number(name, value)
    if isinstance(number, float) or not low <= number <= high:
        limits = f"in [{low}, {high}]" if number > high else f">= {low}"
        raise ValueError(f"{name} must be an int {limits}, got {short_repr(value)}")
    return number


def as_int_or_fraction(name: str, value: Any, low: int, fractions: Range) -> int | float:
    """Return value as a plain int >= low or a float in `fractions`, else raise as `as_int`."""
    number = as_number(name, value)
    if not isinstance(number, float):
        return as_int(name, value, low)
    if number not in fractions:
        raise ValueError(
            f"{name} must be an int >= {low} or a fraction {fractions}, got {short_repr(value)}"
        )
    return number


def as_float(name: str, value: Any, within: Range) -> float:
    """Return value as a plain float in the range, else TypeError or ValueError."""
    number = as_number(name, value)
    if number not in within:
        limits = within if number in FINITE else "finite"
        raise ValueError(f"{name} must be {limits}, got {short_repr(value)}")
    return float(number)


def as_interval(value: Any) -> Interval:
    """Return value, which must be "epoch" or "step", else TypeError or ValueError."""
    if not isinstance(value, str) or value not in INTERVALS:
        error = ValueError if isinstance(value, str) else TypeError
        names = " or ".join(map(repr, INTERVALS))
        raise error(f"interval must be {names}, got {short_repr(value)}")
    return "step" if value == "step" else "epoch"


def as_indices(name: str, value: Any) -> int | list[int]:
    """Return one index or a list of different ones, else TypeError or ValueError."""
    # Hydra's lists are no lists.
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return as_int(name, value, 0)
    indices = [as_int(name, index, 0) for index in value]
    if not indices or len(set(indices)) < len(indices):
        raise ValueError(
            f"{name} must hold each index once and at least one, got {short_repr(value)}; leave "
            f"{name} out for all optimizers"
        )
    return indices


def as_names(name: str, value: Any) -> list[str]:
    """Return a list of different names, of which value may be one, else TypeError or ValueError."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, Sequence) or not all(isinstance(each, str) for each in names):
        raise TypeError(
            f"{name} must be a name or a list of names, got {short_repr(value)}; give those of the "
            "model's attributes that hold the optimizers"
        )
    if not names or not all(names) or len({*names}) < len(names):
        raise ValueError(
            f"{name} must hold each name once and at least one, got {short_repr(value)}; leave "
            f"{name} out for model.optimizer"
        )
    return [str(each) for each in names]


def parse_argument(check: Callable[[str, Any], Any], name: str, value: Any) -> Any:
    """Check a value of a command line or of YAML, where a number may be a text.

    Raises:
        TypeError: It is no number.
        ValueError: It is out of its range.
    """
    for kind in (int, float) if isinstance(value, str) else ():
        with suppress(ValueError):
            value = kind(value)
            break
    try:
        return check(name, value)
    except ValueError:
        if isinstance(value, float) and value.is_integer():  # YAML's 1e3 is a float
            return check(name, int(value))
        raise
