"""How long a Trainer plans to train, as its arguments in a config file tell it."""

from __future__ import annotations

import math
from functools import partial, reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from cosine_callbacks._schedule.validation import (
    UNIT,
    UNIT_WITHOUT_0,
    as_int,
    as_int_or_fraction,
    parse_argument,
    short_repr,
)
from cosine_callbacks._trainer.run_length import run_length, unlimited

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIMIT = partial(as_int, low=-1)  # -1 means no limit
_EPOCH = partial(as_int, low=0)
_BATCHES = partial(as_int_or_fraction, low=1, fractions=UNIT_WITHOUT_0)
_BATCHES_OR_NONE = partial(as_int_or_fraction, low=0, fractions=UNIT)


class TrainerConfig:
    """A Trainer's arguments, each None or absent where it has its default.

    Attributes:
        updates_per_epoch: None where unknown, or where the accumulation changes during the run.
    """

    def __init__(self, trainer: Mapping[str, Any], steps_per_epoch: str | None) -> None:
        """Read the arguments, and the batches per epoch as the dataloader counts them."""

        def argument(name: str, check: Any, default: Any) -> Any:
            value = trainer.get(name)
            return default if value is None else parse_argument(check, f"trainer.{name}", value)

        self._epochs = argument("max_epochs", _LIMIT, -1)
        self._steps = argument("max_steps", _LIMIT, -1)
        accumulation = argument("accumulate_grad_batches", as_int, 1)
        limit = argument("overfit_batches", _BATCHES_OR_NONE, 0)
        limit = limit or argument("limit_train_batches", _BATCHES, 1.0)
        if trainer.get("fast_dev_run") not in (None, "false", "False", "0"):
            raise ValueError(
                "trainer.fast_dev_run must be false, got "
                f"{short_repr(trainer['fast_dev_run'])}; preview the run that is meant"
            )
        scheduling = [*map(_scheduling, trainer.get("callbacks", []))]
        self._accumulation = reduce(or_, scheduling, {0: accumulation})
        self._batches, self.updates_per_epoch = math.inf, None
        if steps_per_epoch is not None:
            batches = parse_argument(as_int, "steps_per_epoch", steps_per_epoch)
            # Lightning's own rounding.
            limit = int(batches * limit) if isinstance(limit, float) else min(batches, limit)
            self._batches = as_int("trainer.limit_train_batches times steps_per_epoch", limit)
            if not any(scheduling):
                self.updates_per_epoch = math.ceil(self._batches / accumulation)

    def length(self, interval: str) -> int | None:
        """Return the planned epochs or steps, None where something is missing."""
        limits = unlimited(self._epochs), unlimited(self._steps)
        return run_length(interval, self._batches, *limits, self._accumulation)

    def missing(self, t_max: Any) -> str:
        """Return the sentence that asks for what the length needs."""
        if self._epochs == self._steps == -1:
            return (
                "t_max must be an int where no config tells trainer.max_epochs or max_steps, "
                f"got {t_max}; give an int as --t_max, or a config with one of the two"
            )
        return (
            "steps_per_epoch must be given where the run's length depends on it, got none; give "
            "--steps_per_epoch, or an int as --t_max"
        )


def _scheduling(callback: Mapping[str, Any]) -> dict[int, int]:
    """Return the table of a GradientAccumulationScheduler, an empty one for any other callback."""
    if not str(callback.get("class_path")).endswith("GradientAccumulationScheduler"):
        return {}
    arguments = callback.get("init_args")
    table = arguments.get("scheduling") if isinstance(arguments, dict) else None
    if not isinstance(table, dict):
        raise TypeError(
            f"scheduling must map epochs to a number of batches, got {short_repr(table)}; give "
            "epoch: batches"
        )
    return {
        parse_argument(_EPOCH, "scheduling", epoch): parse_argument(as_int, "scheduling", batches)
        for epoch, batches in table.items()
    }
