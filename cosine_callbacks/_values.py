"""The values that arguments may have, and the sentences that refuse all others."""

from __future__ import annotations

import math
import reprlib
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# Positions are int64 in arrays and in every framework's counters.
LAST_POSITION = 2**63 - 1
# Keras keeps rates in float32.
FLOAT32_MAX = (2 - 2**-23) * 2.0**127


def show(value: Any) -> str:
    """Return a short repr of one line for an error message, whatever the value."""
    try:
        return " ".join(reprlib.repr(value).split())
    except Exception:  # noqa: BLE001 - an int of more digits than Python prints, or anything else
        return f"an int of {value.bit_length()} bits" if type(value) is int else "an odd value"


def _item(value: Any) -> Any:
    """Return the number that a scalar or 0-d array holds, else the value itself."""
    try:
        return value.item() if value.shape == () else value
    except Exception:  # noqa: BLE001 - any object may come here, and may raise whatever it likes
        return value


def number(name: str, value: Any) -> int | float:
    """Return value as a plain int or float, which may be nan or infinite.

    Raises:
        TypeError: value is no Python number, NumPy scalar or 0-d array; bool is none either.
    """
    plain = value if isinstance(value, int | float) else _item(value)
    # Past what a subclass makes of itself.
    if isinstance(plain, int) and not isinstance(plain, bool):
        return int.__index__(plain)
    if isinstance(plain, float):
        return float.__float__(plain)
    kind = " ".join(type(value).__name__[:60].split())
    raise TypeError(f"{name} must be a number, got {show(value)} ({kind}); give an int or float")


def one_of(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """Return value as a plain str, one of these; else TypeError or ValueError."""
    known = isinstance(value, str)
    plain = str.__str__(value) if known else ""
    if plain not in allowed:
        words = " or ".join(map(repr, allowed))
        kind = ValueError if known else TypeError
        raise kind(f"{name} must be {words}, got {show(value)}; give one of them")
    return plain


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


_LEAST, MOST, _BELOW_ONE = math.ulp(0.0), sys.float_info.max, math.nextafter(1.0, 0.0)
# What one argument can show wrong; `Parameters.__post_init__` adds the rules across arguments.
CHECKS: dict[str, Callable[[str, Any], int | float]] = {
    "lr_initial": partial(real, low=_LEAST, high=MOST, interval="(0, inf)"),
    "t_max": partial(whole_or_part, low=1, low_part=_LEAST, high_part=1.0),
    "lr_min": partial(real, low=0, high=MOST, interval="[0, inf)"),
    "lr_min_ratio": partial(real, low=0, high=1, interval="[0, 1]"),
    "warmup": partial(whole_or_part, low=0, low_part=0.0, high_part=_BELOW_ONE),
    "warmup_start_ratio": partial(real, low=0, high=1, interval="[0, 1]"),
    "cycles": whole,
    "t_mult": whole,
    "peak_decay": partial(real, low=_LEAST, high=1, interval="(0, 1]"),
}
