"""The operations of the formula on Python numbers and on NumPy arrays."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cosine_callbacks._values import LAST_POSITION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(slots=True, eq=False, repr=False)
class Ops:
    """The operations that Python numbers, arrays and graph tensors do not share.

    `clip` limits a position or index to [0, high], `real` makes a float of a position or a truth,
    `cycle` says in which cycle e lies, where that starts and where it ends, `power` raises a Python
    float to an index.
    """

    sin: Callable[[Any], Any]
    where: Callable[[Any, Any, Any], Any]
    clip: Callable[[Any, int], Any]
    real: Callable[[Any], Any]
    cycle: Callable[[Any, Any], tuple[Any, Any, Any]]
    power: Callable[[Any, Any], Any]


def _cycle(ends: Sequence[int], e: float) -> tuple[int, int, int]:
    i = bisect_right(ends, e, hi=len(ends) - 1)
    return i, ends[i - 1] if i else 0, ends[i]


SCALAR = Ops(
    sin=math.sin,
    where=lambda condition, then, otherwise: then if condition else otherwise,
    clip=lambda i, high: 0 if i < 0 else high if i > high else i,  # noqa: FURB136 - min costs more
    real=float,  # before a division: beyond 2**53 arrays divide floats too
    cycle=_cycle,
    power=pow,
)


def array_ops(np: Any) -> Ops:
    """Return the operations on arrays; NumPy is passed in, for no room here imports it."""

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
    )


def array_position(e: Any, np: Any) -> Any:
    """Return the positions as float64 or int64; TypeError for any other kind of array."""
    if e.dtype.kind == "f":
        return e.astype(np.float64, copy=False)
    if e.dtype.kind not in "iu":
        raise TypeError(f"e must hold integers or floats, got dtype {e.dtype}; convert it first")
    if e.dtype == np.uint64:
        e = np.minimum(e, np.uint64(LAST_POSITION))
    return e.astype(np.int64, copy=False)
