"""Argument types with which LightningCLI refuses a bad value in our own sentence.

jsonargparse checks a type while it parses, before any callback is built. Its own `PositiveInt` and
the like do not name the argument, and its unions cannot tell the int 1 from the float 1.0.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from cosine_callbacks._schedule.parameters import PARAMETERS
from cosine_callbacks._schedule.validation import as_indices, parse_argument

if TYPE_CHECKING:
    from collections.abc import Callable


def _argument_type(label: str, name: str, check: Callable[[str, Any], Any] | None = None) -> Any:
    """Return a type of the values that the argument may have, registered with jsonargparse."""
    accept = check or PARAMETERS[name].check

    class Checked(type):
        def __instancecheck__(cls, value: Any) -> bool:
            with suppress(TypeError, ValueError):
                accept(name, value)
                return True
            return False

    argument = Checked(label, (), {"__module__": __name__})
    with suppress(ModuleNotFoundError):
        from jsonargparse.typing import register_type  # noqa: PLC0415 - installed with the CLI only

        register_type(
            argument,
            serializer=lambda value: value,
            deserializer=partial(parse_argument, accept, name),
            # Values are plain numbers, whose type says nothing: always parse them.
            type_check=lambda _value, _kind: False,
        )
    return argument


if TYPE_CHECKING:
    from typing import TypeAlias

    PeakRate: TypeAlias = float
    RunLength: TypeAlias = int | float
    FloorRate: TypeAlias = float
    FloorRatio: TypeAlias = float
    Warmup: TypeAlias = int | float
    StartRatio: TypeAlias = float
    CycleCount: TypeAlias = int
    LengthFactor: TypeAlias = int
    PeakDecay: TypeAlias = float
    OptimizerIndices: TypeAlias = int | list[int]
else:
    PeakRate = _argument_type("PeakRate", "lr_initial")
    RunLength = _argument_type("RunLength", "t_max")
    FloorRate = _argument_type("FloorRate", "lr_min")
    FloorRatio = _argument_type("FloorRatio", "lr_min_ratio")
    Warmup = _argument_type("Warmup", "warmup")
    StartRatio = _argument_type("StartRatio", "warmup_start_ratio")
    CycleCount = _argument_type("CycleCount", "cycles")
    LengthFactor = _argument_type("LengthFactor", "t_mult")
    PeakDecay = _argument_type("PeakDecay", "peak_decay")
    OptimizerIndices = _argument_type("OptimizerIndices", "optimizers", as_indices)
