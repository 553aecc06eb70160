"""The values that arguments may have, and the sentences that refuse all others."""

from __future__ import annotations

import math
import reprlib
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Callable

Interval = Literal["epoch", "step"]
INTERVALS = get_args(Interval)

# Positions are int64 in arrays and in every framework's counters.
LAST_POSITION = 2**63 - 1
_LEAST, _MOST = math.ulp(0.0), sys.float_info.max
# What is written of a range, and the least and the greatest number in it.
RANGES = {
    "(0, inf)": (_LEAST, _MOST),
    "[0, inf)": (0.0, _MOST),
    "(0, 3.4e38]": (_LEAST, (2 - 2**-23) * 2.0**127),  # Keras keeps rates in float32
    "[0, 1]": (0.0, 1.0),
    "(0, 1]": (_LEAST, 1.0),
    "[0, 1)": (0.0, math.nextafter(1.0, 0.0)),
}


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


def checked_interval(value: Any) -> str:
    """Return value as a plain str of INTERVALS, else TypeError or ValueError."""
    known = isinstance(value, str)
    plain = str.__str__(value) if known else ""
    if plain not in INTERVALS:
        words = " or ".join(map(repr, INTERVALS))
        kind = ValueError if known else TypeError
        raise kind(f"interval must be {words}, got {show(value)}; give one of them")
    return plain


def whole(name: str, value: Any, low: int = 1, high: int = LAST_POSITION) -> int:
    """Return value as a plain int in [low, high], else TypeError or ValueError."""
    plain = number(name, value)
    if isinstance(plain, float) or not low <= plain <= high:
        most = f" and at most {high}" if plain > high else ""
        raise ValueError(
            f"{name} must be an int in its range, got {show(value)}; give an int of at least "
            f"{low}{most}"
        )
    return plain


def whole_or_part(name: str, value: Any, low: int, parts: str) -> int | float:
    """Return value as a plain int of at least low or a float in `parts`, a key of RANGES."""
    plain = number(name, value)
    if not isinstance(plain, float):
        return whole(name, value, low)
    least, most = RANGES[parts]
    if not least <= plain <= most:
        raise ValueError(
            f"{name} must be an int or a float in {parts}, got {show(value)}; give an int of at "
            f"least {low}, or a part as a float in {parts}"
        )
    return plain


def real(name: str, value: Any, within: str) -> float:
    """Return value as a plain float in `within`, a key of RANGES, else TypeError or ValueError."""
    plain = number(name, value)
    least, most = RANGES[within]
    if not least <= plain <= most:
        raise ValueError(f"{name} must lie in {within}, got {show(value)}; give a number in there")
    return float(plain)


def indices(name: str, value: Any) -> int | list[int]:
    """Return value as a plain index or a list of different ones, else TypeError or ValueError."""
    if not isinstance(value, list | tuple):
        return whole(name, value, 0)
    plain = [whole(name, index, 0) for index in value]
    if not plain or len(set(plain)) < len(plain):
        raise ValueError(
            f"{name} must hold different indices, got {show(value)}; give each one once, or leave "
            f"{name} out for all"
        )
    return plain


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


# What one argument can show wrong; `Parameters.__post_init__` adds the rules across arguments.
CHECKS: dict[str, Callable[[str, Any], int | float]] = {
    "lr_initial": partial(real, within="(0, inf)"),
    "t_max": partial(whole_or_part, low=1, parts="(0, 1]"),
    "lr_min": partial(real, within="[0, inf)"),
    "lr_min_ratio": partial(real, within="[0, 1]"),
    "warmup": partial(whole_or_part, low=0, parts="[0, 1)"),
    "warmup_start_ratio": partial(real, within="[0, 1]"),
    "cycles": whole,
    "t_mult": whole,
    "peak_decay": partial(real, within="(0, 1]"),
}
