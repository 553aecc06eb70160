"""The curve of one optimizer in one `fit`: its peak and floor, and its rates."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, NamedTuple

from cosine_callbacks._schedule.validation import real
from cosine_callbacks.formula import rate

if TYPE_CHECKING:
    from cosine_callbacks._fit.optimizers import Found
    from cosine_callbacks._schedule.parameters import Cycles, Parameters


class Curve(NamedTuple):
    """The curve of one optimizer in one fit."""

    floor: float
    base: float
    cycles: Cycles
    accumulation: int
    suffix: str

    def rate(self, position: int) -> float:
        """Return the rate of the epoch or batch at this position."""
        return rate(self.cycles, self.floor, self.base, position // self.accumulation)


def floor_and_peak(parameters: Parameters, name: str, found: Found) -> tuple[float, float]:
    """Return the two for the optimizer of this name; write nothing.

    Raises:
        ValueError: It has no rate that can be set, or one that is no peak for these parameters.
    """
    if found.rate is None:
        raise ValueError(
            f"{name} must hold a rate that can be set, got a schedule or a function; give the "
            "optimizer a float, or drop this callback and give it a CosineAnnealingSchedule"
        )
    base = parameters.lr_initial
    if base is None:
        base = found.rate if found.base is None else found.base
        if not 0 < base < math.inf:
            raise ValueError(
                f"the rate of {name} must lie in (0, inf) to be the peak, got {base}; "
                "give lr_initial="
            )
        if found.base is None and found.trained:
            warnings.warn(
                f"{name} has been trained before and its present rate {base} is taken for the "
                "peak of the curve; give lr_initial= if that rate had been annealed",
                stacklevel=2,
            )
    real("lr_initial", base, "(0, 3.4e38]")
    return parameters.floor(base, f"the rate of {name}"), base
