"""The formula for arrays and graph tensors, whose operations are passed in.

No operation may depend on a value: every case is computed for every position, and `where` chooses.
Numbers have a path of their own in `formula.py`, held to the same bits by tests.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cosine_callbacks._schedule.cycles import Cycles
from cosine_callbacks._schedule.validation import MAX_POSITION, as_position

HALF_PI = math.pi / 2
# A block of this many values stays in the processor's cache, which halves the time of long arrays.
BLOCK = 2**15


@dataclass(eq=False, repr=False)
class Ops:
    """The operations that NumPy arrays and graph tensors do not share.

    Attributes:
        sin: The sine.
        where: Chooses between two values.
        clip: Limits a position or index to [0, high].
        to_float: Makes a float of a position or a truth.
        cycle: Finds the index, start and end of the cycle in which a position lies.
        power: Raises a Python float to an index.
        rounded: Rounds a Python float as the rates are rounded.
    """

    sin: Callable[[Any], Any]
    where: Callable[[Any, Any, Any], Any]
    clip: Callable[[Any, int], Any]
    to_float: Callable[[Any], Any]
    cycle: Callable[[Any, Any], tuple[Any, Any, Any]]
    power: Callable[[Any, Any], Any]
    rounded: Callable[[float], Any]


def heights(cycles: Cycles, e: Any, ops: Ops) -> tuple[Any, Any]:
    """Return what `formula.height_at` returns, for each position of e."""
    first, end, warmup, ends = cycles.first, cycles.end, cycles.warmup, cycles.ends
    e = ops.clip(e, end)
    i, left, span = 0, end - e, cycles.first_span
    if end != first:
        if isinstance(ends, range):
            i, span = ops.clip(e // first, len(ends) - 1), float(first)
            # A product: `where` costs TensorFlow more than the sine does.
            left = ops.to_float(e < end) * ops.to_float(first - e % first)
        else:
            i, start, end = ops.cycle(ends, e)
            left, span = end - e, ops.to_float(end - start)
        if cycles.cosine_start:
            span = ops.where(e < first, cycles.first_span, span)
    left = ops.to_float(left)
    if cycles.hold:
        left = ops.where(e < cycles.cosine_start, cycles.first_span, left)
    root = ops.sin(HALF_PI * (left / span))
    height = root * root
    if cycles.peak_decay != 1.0:
        height = height * ops.power(cycles.peak_decay, i)
    if not warmup:
        return height, 1.0
    risen = e >= warmup
    ramp = cycles.warmup_start + (1.0 - cycles.warmup_start) * (ops.to_float(e) / float(warmup))
    return ops.where(risen, height, ramp), ops.to_float(risen)


def interpolate(floor: Any, peak: Any, height: Any, ops: Ops) -> Any:
    """Return what `formula.interpolate` returns, for each height."""
    rate, rounded = floor + (peak - floor) * height, ops.rounded
    # Most sums reach the peak exactly: skip the costly `where`.
    if isinstance(floor, float) and rounded(floor) + rounded(peak - floor) == rounded(peak):
        return rate
    return ops.where(height >= 1.0, peak, rate)


def rates(cycles: Cycles, floor: float, peak: float, e: Any, np: Any) -> Any:
    """Return the rate at each position of a NumPy array; the caller passes NumPy in."""
    ops, flat, result = _numpy_ops(np), e.reshape(-1), np.empty(e.size)
    for start in range(0, e.size, BLOCK):
        block = slice(start, start + BLOCK)
        height, floor_scale = heights(cycles, flat[block], ops)
        result[block] = interpolate(floor * floor_scale, peak, height, ops)
    return result.reshape(e.shape)


def positions(e: Any, np: Any, *, endless: bool) -> Any:
    """Return the positions as float64 or int64; TypeError for any other kind of array."""
    if e.dtype.kind == "f":
        if (e == math.inf).any():
            as_position(math.inf, endless=endless)
        return e.astype(np.float64, copy=False)
    if e.dtype.kind not in "iu":
        raise TypeError(f"e must hold integers or floats, got dtype {e.dtype}; convert it first")
    if e.dtype == np.uint64:
        e = np.minimum(e, np.uint64(MAX_POSITION))
    return e.astype(np.int64, copy=False)


def _numpy_ops(np: Any) -> Ops:
    def cycle(ends: Sequence[int], e: Any) -> tuple[Any, Any, Any]:
        i = np.searchsorted(ends[:-1], e, side="right")
        return i, np.take((0, *ends), i), np.take(ends, i)

    return Ops(
        sin=np.sin,
        where=np.where,
        clip=lambda i, high: np.clip(i, 0, high),
        to_float=lambda number: number,  # a division makes floats
        cycle=cycle,
        power=np.float_power,  # np.power is an ulp off on some processors
        rounded=float,
    )
