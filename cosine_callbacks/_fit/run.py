"""One fit: the curve of each optimizer, and what has been written and counted so far."""

from __future__ import annotations

import math
import threading
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from cosine_callbacks._fit.optimizers import name_of
from cosine_callbacks._schedule.parameters import floor_under
from cosine_callbacks._schedule.validation import FLOAT32_POSITIVE, as_float
from cosine_callbacks.formula import rate_at

if TYPE_CHECKING:
    from typing import Any

    from cosine_callbacks._fit.optimizers import Snapshot
    from cosine_callbacks._schedule.cycles import Cycles
    from cosine_callbacks._schedule.parameters import Parameters


# Module-level: an instance holding a lock cannot be deep-copied, as tuners do.
LOCK = threading.Lock()


class OptimizerCurve(NamedTuple):
    """The curve of one optimizer; `suffix` is added to the name of its rate in the logs."""

    floor: float
    base: float
    cycles: Cycles
    accumulation: int
    suffix: str

    def rate(self, position: int) -> float:
        """Return the rate of the epoch or batch at this position."""
        return rate_at(self.cycles, self.floor, self.base, position // self.accumulation)


@dataclass
class FitRun:
    """What belongs to one fit.

    Attributes:
        curves: Of each optimizer.
        batches_at_once: Batches per execution, which all use the rate of the first one.
        start: Position at which the epoch began.
        ended: Batches of the epoch that ended.
        written: The rates written last in the epoch.
        begun: Whether an epoch has begun.
        warned: Whether another writer has been named.
        checked: Whether this epoch's rate was compared with what was written.
    """

    curves: list[OptimizerCurve]
    batches_at_once: int
    start: int = 0
    ended: int = 0
    written: list[float] = field(default_factory=list)
    begun: bool = False
    warned: bool = False
    checked: bool = False

    def end_batch(self, batch: int) -> None:
        """Count the batches that ended; they may come out of order and at the same time."""
        with LOCK:
            self.ended = max(self.ended, batch + 1)


def floor_and_peak(parameters: Parameters, optimizer: Any, before: Snapshot) -> tuple[float, float]:
    """Return floor and peak of this optimizer; write nothing.

    Raises:
        ValueError: It has no rate that can be set, or one that is no peak for these parameters.
    """
    name = name_of(optimizer)
    if before.rate is None:
        raise ValueError(
            f"{name} must hold a rate that can be set, got a schedule or a function; give the "
            "optimizer a float, or drop this callback and give it a CosineAnnealingSchedule"
        )
    base = parameters.lr_initial
    if base is None:
        base = before.rate if before.base is None else before.base
        if not 0 < base < math.inf:
            raise ValueError(
                f"the rate of {name} must be > 0 and finite to be the peak, got {base}; "
                "give lr_initial="
            )
        if before.base is None and before.trained:
            warnings.warn(
                f"{name} has been trained before and its present rate {base} is taken for the "
                "peak of the curve; give lr_initial= if that rate is already annealed",
                stacklevel=2,
            )
    as_float("lr_initial", base, FLOAT32_POSITIVE)
    return floor_under(parameters, base, f"the rate of {name}"), base
