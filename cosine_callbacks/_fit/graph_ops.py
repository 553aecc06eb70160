"""The operations of the formula on the tensors of Keras' backends; the caller passes Keras in."""

import math
from functools import lru_cache
from typing import Any

from cosine_callbacks._schedule.arrays import Ops


@lru_cache
def _table(np: Any, entries: tuple[int, ...], dtype: str) -> Any:
    # Cache NumPy arrays only: a backend's tensor belongs to the trace that made it.
    return np.asarray(entries, dtype)


@lru_cache
def _powers(np: Any, base: float, count: int, dtype: str) -> tuple[int, Any, Any]:
    # Two short tables in place of a long one: base**i is low[i % side] * high[i // side].
    side = math.isqrt(count - 1) + 1
    i = np.arange(side, dtype="float64")
    return side, (base**i).astype(dtype), (base ** (side * i)).astype(dtype)


def graph_ops(keras: Any, np: Any, rate_dtype: str, position_dtype: str, cycles: int) -> Ops:
    """Return the operations on tensors; positions and rates each keep the dtype given here.

    Args:
        keras: The module.
        np: The module NumPy.
        rate_dtype: Of rates and heights.
        position_dtype: Of positions.
        cycles: How many there are: so many powers are needed at most.
    """
    ops = keras.ops

    def tensor(value: Any) -> Any:
        # Left to Keras, a number becomes floatx, which may be bfloat16.
        if isinstance(value, float) and keras.config.floatx() != rate_dtype:
            return ops.convert_to_tensor(value, rate_dtype)
        return value

    def where(condition: Any, then: Any, otherwise: Any) -> Any:
        return ops.where(condition, tensor(then), tensor(otherwise))

    def to_float(number: Any) -> Any:
        return float(number) if isinstance(number, int) else ops.cast(number, rate_dtype)

    def cycle(ends: tuple[int, ...], e: Any) -> tuple[Any, Any, Any]:
        bounds = ops.convert_to_tensor(_table(np, (0, *ends), position_dtype))
        begun = ops.cast(ops.less_equal(bounds[:-1], ops.expand_dims(e, -1)), position_dtype)
        start, end = (ops.max(each * begun, axis=-1) for each in (bounds[:-1], bounds[1:]))
        return ops.sum(begun, axis=-1) - 1, start, end

    def power(base: float, i: Any) -> Any:
        side, low, high = _powers(np, base, cycles, rate_dtype)
        return ops.take(low, i % side) * ops.take(high, i // side)

    return Ops(
        sin=ops.sin,
        where=where,
        clip=lambda i, high: ops.clip(i, 0, high),
        to_float=to_float,
        cycle=cycle,
        power=power,
        rounded=np.dtype(rate_dtype).type,
    )
