"""The operations of the formula on Python numbers and on NumPy arrays."""

from __future__ import annotations

import math
import operator
from bisect import bisect_right
from typing import TYPE_CHECKING, Any, NamedTuple

from cosine_callbacks._parameters import LAST_POSITION

if TYPE_CHECKING:
    from collections.abc import Callable


class Ops(NamedTuple):
    """The operations that Python numbers, arrays and graph tensors do not share.

    `ratio` divides two positions, `rank` says how many of the sorted `ends` are at or before e,
    `take` reads a table at an index, `power` raises a Python float to an index.
    """

    sin: Callable[[Any], Any]
    where: Callable[[Any, Any, Any], Any]
    minimum: Callable[[Any, Any], Any]
    maximum: Callable[[Any, Any], Any]
    ratio: Callable[[Any, Any], Any]
    rank: Callable[[Any, Any], Any]
    take: Callable[[Any, Any], Any]
    power: Callable[[Any, Any], Any]


SCALAR = Ops(
    sin=math.sin,
    where=lambda condition, then, otherwise: then if condition else otherwise,
    minimum=min,
    maximum=max,
    ratio=lambda a, b: float(a) / float(b),  # as arrays divide, also beyond 2**53
    rank=bisect_right,
    take=operator.getitem,
    power=pow,
)


def array_ops(np: Any) -> Ops:
    """Return the operations on arrays; NumPy is passed in, for no room here imports it."""
    return Ops(
        sin=np.sin,
        where=np.where,
        minimum=np.minimum,
        maximum=np.maximum,
        ratio=np.true_divide,
        rank=lambda ends, e: np.searchsorted(ends, e, side="right"),
        take=np.take,
        power=np.float_power,  # np.power is an ulp off on some processors
    )


def array_position(e: Any, np: Any) -> Any:
    """Return the positions as float64 or int64; TypeError for any other kind of array."""
    if e.dtype.kind == "f":
        return e.astype(np.float64)
    if e.dtype.kind not in "iu":
        raise TypeError(f"e must hold integers or floats, got dtype {e.dtype}; convert it first")
    return np.minimum(e, e.dtype.type(min(LAST_POSITION, np.iinfo(e.dtype).max))).astype(np.int64)
