"""The formula on arrays and graph tensors, whose operations are passed in.

Nothing here may depend on a value, so every case is computed everywhere. Numbers have a path of
their own in `formula.py`, with the same values: for them a call would cost as much as the sine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cosine_callbacks._schedule.validation import LAST_POSITION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cosine_callbacks._schedule.parameters import Cycles

HALF_PI = math.pi / 2
# So many values of an array at a time stay in the processor's cache: half the time for long ones.
BLOCK = 2**15


@dataclass(eq=False, repr=False)
class Ops:
    """The operations that arrays and graph tensors do not share.

    `clip` limits a position or index to [0, high], `real` makes a float of a position or a truth,
    `cycle` says in which cycle e lies, where that starts and where it ends, `power` raises a Python
    float to an index. `number` rounds a Python float as the rates are rounded.
    """

    sin: Callable[[Any], Any]
    where: Callable[[Any, Any, Any], Any]
    clip: Callable[[Any, int], Any]
    real: Callable[[Any], Any]
    cycle: Callable[[Any, Any], tuple[Any, Any, Any]]
    power: Callable[[Any, Any], Any]
    number: Callable[[float], Any]


def weights(cycles: Cycles, e: Any, ops: Ops) -> tuple[Any, Any]:
    """Return what `formula.weight` returns, for each position of e."""
    first, end, warmup, ends = cycles.first, cycles.end, cycles.warmup, cycles.ends
    e = ops.clip(e, end)
    i, left, span = 0, end - e, cycles.rest
    if end != first:
        if isinstance(ends, range):
            i, span = ops.clip(e // first, len(ends) - 1), float(first)
            # A product, for the reason that `mixes` has for not choosing.
            left = ops.real(e < end) * ops.real(first - e % first)
        else:
            i, start, end = ops.cycle(ends, e)
            left, span = end - e, ops.real(end - start)
        if warmup:
            span = ops.where(e < first, cycles.rest, span)
    root = ops.sin(HALF_PI * (ops.real(left) / span))
    w = root * root
    if cycles.peak_decay != 1.0:
        w = w * ops.power(cycles.peak_decay, i)
    if not warmup:
        return w, 1.0
    risen = e >= warmup
    ramp = cycles.warmup_start + (1.0 - cycles.warmup_start) * (ops.real(e) / float(warmup))
    return ops.where(risen, w, ramp), ops.real(risen)


def mixes(floor: Any, peak: Any, w: Any, ops: Ops) -> Any:
    """Return what `formula.mix` returns, for each part w."""
    mixed, number = floor + (peak - floor) * w, ops.number
    # Most pairs reach the peak without a choice, which costs TensorFlow more than the sine does.
    if isinstance(floor, float) and number(floor) + number(peak - floor) == number(peak):
        return mixed
    return ops.where(w >= 1.0, peak, mixed)


def rates(cycles: Cycles, floor: float, peak: float, e: Any, np: Any) -> Any:
    """Return the rate at each position of a NumPy array; no room here imports NumPy."""
    ops, flat, made = _array_ops(np), e.reshape(-1), np.empty(e.size)
    for start in range(0, e.size, BLOCK):
        block = slice(start, start + BLOCK)
        w, on = weights(cycles, flat[block], ops)
        made[block] = mixes(floor * on, peak, w, ops)
    return made.reshape(e.shape)


def positions(e: Any, np: Any) -> Any:
    """Return the positions as float64 or int64; TypeError for any other kind of array."""
    if e.dtype.kind == "f":
        return e.astype(np.float64, copy=False)
    if e.dtype.kind not in "iu":
        raise TypeError(f"e must hold integers or floats, got dtype {e.dtype}; convert it first")
    if e.dtype == np.uint64:
        e = np.minimum(e, np.uint64(LAST_POSITION))
    return e.astype(np.int64, copy=False)


def _array_ops(np: Any) -> Ops:
    def cycle(ends: Sequence[int], e: Any) -> tuple[Any, Any, Any]:
        i = np.searchsorted(ends[:-1], e, side="right")
        return i, np.take((0, *ends), i), np.take(ends, i)

    return Ops(
        sin=np.sin,
        where=np.where,
        clip=lambda i, high: np.clip(i, 0, high),
        real=lambda number: number,  # a division makes floats
        cycle=cycle,
        power=np.float_power,  # np.power is an ulp off on some processors
        number=float,
    )
