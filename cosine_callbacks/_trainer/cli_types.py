"""Argument types with which LightningCLI refuses a bad value in our own sentence.

jsonargparse checks a type while it parses, before any callback is built. Its own `PositiveInt` and
the like do not name the argument, and its unions cannot tell the int 1 from the float 1.0.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from cosine_callbacks._schedule.validation import CHECKS, indices, read

if TYPE_CHECKING:
    from collections.abc import Callable


def _argument(label: str, name: str, check: Callable[[str, Any], Any] | None = None) -> Any:
    """Return a type called label, registered with jsonargparse where that is installed."""
    kind = type(label, (), {})
    with suppress(ModuleNotFoundError):
        from jsonargparse.typing import register_type  # noqa: PLC0415 - installed with the CLI only

        register_type(
            kind,
            serializer=lambda value: value,
            deserializer=partial(read, check or CHECKS[name], name),
            # Values stay plain numbers, so nothing can be told from their type: always read them.
            type_check=lambda _value, _kind: False,
        )
    return kind


if TYPE_CHECKING:
    from typing import TypeAlias

    Length: TypeAlias = int | float
    Warmup: TypeAlias = int | float
    PeakRate: TypeAlias = float
    Rate: TypeAlias = float
    FloorRatio: TypeAlias = float
    StartRatio: TypeAlias = float
    Decay: TypeAlias = float
    Cycles: TypeAlias = int
    Multiple: TypeAlias = int
    Indices: TypeAlias = int | list[int]
else:
    PeakRate = _argument("PeakRate", "lr_initial")
    Length = _argument("Length", "t_max")
    Rate = _argument("Rate", "lr_min")
    FloorRatio = _argument("FloorRatio", "lr_min_ratio")
    Warmup = _argument("Warmup", "warmup")
    StartRatio = _argument("StartRatio", "warmup_start_ratio")
    Cycles = _argument("Cycles", "cycles")
    Multiple = _argument("Multiple", "t_mult")
    Decay = _argument("Decay", "peak_decay")
    Indices = _argument("Indices", "optimizers", indices)
