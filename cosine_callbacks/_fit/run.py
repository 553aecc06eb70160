"""One fit: the curve of each optimizer, what was written and counted, and what others did."""

import math
import sys
import threading
import warnings
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cosine_callbacks._fit.optimizers import (
    RECORDS,
    Snapshot,
    accumulation_of,
    batches_of,
    has_rate,
    holders,
    is_legacy,
    name_of,
    read_rate,
    record_of,
    trace,
    unscaled,
    value_of,
    with_wrapped,
)
from cosine_callbacks._schedule.cycles import Cycles
from cosine_callbacks._schedule.parameters import Parameters, floor_under
from cosine_callbacks._schedule.validation import FLOAT32_POSITIVE, as_float
from cosine_callbacks.formula import rate_at

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
class Epoch:
    """What belongs to one epoch.

    Attributes:
        start: Position at which it began.
        begun: Whether a batch began.
        ended: Batches that ended.
        written: The rates written last.
        overridden: Whether another writer was seen when the second execution began; None before.
        acted: The rates of others at the end of the last batch, by index, where they were read.
    """

    start: int = 0
    begun: bool = False
    ended: int = 0
    written: list[float] = field(default_factory=list)
    overridden: bool | None = None
    acted: dict[int, float] | None = None


@dataclass
class FitRun:
    """What belongs to one fit.

    Attributes:
        curves: Of each optimizer.
        at_once: Batches that all use the rate of the first of them.
        epoch: The present one.
        trace: By attribute of the model, of its optimizer when the first epoch began; None before.
        used: The rates of the log of the last epoch.
        warned: Whether another writer has been named.
        thread: That of the training.
    """

    curves: list[OptimizerCurve]
    at_once: int
    epoch: Epoch = field(default_factory=Epoch)
    trace: dict[str, list[Any]] | None = None
    used: list[float] = field(default_factory=list)
    warned: bool = False
    thread: int = 0

    def end_batch(self, batch: int) -> None:
        """Count the batches that ended; they may come out of order and at the same time."""
        with LOCK:
            self.epoch.ended = max(self.epoch.ended, batch + 1)

    def rate_used(self, i: int, optimizer: Any) -> float:
        """Return the rate of this optimizer's last update."""
        accumulated = batches_of(optimizer) % accumulation_of(optimizer)
        last = self.epoch.ended - 1 - accumulated
        if last < 0 and self.used:  # no update in this epoch
            return self.used[i]
        return self.curves[i].rate(self.epoch.start + max(last, 0) // self.at_once * self.at_once)

    def other_rates(self, optimizers: list[Any]) -> dict[int, float]:
        """Return by index the rates that are not those written last; warn once in a fit."""
        rates = {}
        for i, optimizer in enumerate(optimizers):
            record = RECORDS.get(optimizer)
            # The model may have a new optimizer since.
            if record is None or not record.written or has_rate(optimizer, record.written):
                continue
            rates[i] = read_rate(optimizer)
            if not self.warned:
                self.warned = True
                warnings.warn(
                    "CosineAnnealingCallback and another writer, such as ReduceLROnPlateau or "
                    f"LearningRateScheduler, both set the rate of {name_of(optimizer)}, got "
                    f"{rates[i]} where {record.written[0]} was written; remove one of the two, or "
                    "list CosineAnnealingCallback last",
                    stacklevel=2,
                )
        return rates

    def warn_of_idle(self, held: dict[str, Any], model: Any) -> None:
        """Warn, after the first epoch, of each optimizer that has taken none of its batches."""
        for name, optimizer in held.items() if self.epoch.ended else ():
            if trace(optimizer) == (self.trace or {})[name]:
                others = [each for each in holders(model) if each != name]
                cure = f"give optimizers={others or ' the names of those applied'}"
                if name != "optimizer":
                    cure = "drop it from optimizers=, or on JAX let train_step return its variables"
                warnings.warn(
                    f"model.{name} must be an optimizer that train_step applies, got "
                    f"{name_of(unscaled(optimizer))}, which took no update in the first epoch; "
                    f"{cure}",
                    stacklevel=2,
                )


def batches_at_once(model: Any, interval: str) -> int:
    """Return how many batches at most use the rate of the first of them."""
    if interval == "epoch":
        return sys.maxsize
    # tf_keras keeps this number in a private variable.
    number = getattr(model, "steps_per_execution", getattr(model, "_steps_per_execution", 1))
    number = int(value_of(number))
    if number > 1:
        cure = (
            "compile the model with steps_per_execution=1"
            if is_legacy(type(model))
            else "give the optimizer a CosineAnnealingSchedule"
        )
        warnings.warn(
            f"interval='step' sets one rate per execution, got steps_per_execution={number}; "
            f"{cure} for one per update",
            stacklevel=2,
        )
    return number


def warn_of_another_length(
    optimizer: Any, t_max: float | None, planned: tuple[int, str], epoch: int
) -> None:
    """Warn where a fit that begins in a later epoch is not as long as the one before."""
    record = record_of(optimizer)
    before, record.planned = record.planned, planned
    if epoch and before and before[0] != planned[0] and before[1] == planned[1]:
        warnings.warn(
            f"t_max must be given for one curve over several fits, got {t_max} and {planned[0]} "
            f"planned {planned[1]}s after {before[0]} in the fit before; give t_max=",
            stacklevel=2,
        )


def floor_and_peak(parameters: Parameters, optimizer: Any, before: Snapshot) -> tuple[float, float]:
    """Return floor and peak of this optimizer; write nothing.

    Raises:
        ValueError: It has no rate that can be set, or one that is no peak for these parameters.
    """
    name = name_of(optimizer)
    # Legacy optimizers alone have a decay.
    decays = [(name_of(e), getattr(e, "_initial_decay", 0)) for e in with_wrapped(optimizer)]
    decays = [each for each in decays if each[1]]
    if before.rate is None or decays:
        schedule = ", or drop this callback and give it a CosineAnnealingSchedule"
        raise ValueError(
            "{} must have no decay of its own, got decay={}; build it without decay=".format(
                *decays[0]
            )
            if decays
            else f"{name} must hold a rate that can be set, got a schedule or a function; give the "
            f"optimizer a float{'' if is_legacy(type(optimizer)) else schedule}"
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
