"""How long a Trainer plans to train, as its arguments in a config file tell it."""

from __future__ import annotations

import math
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from cosine_callbacks._run_length import planned_length
from cosine_callbacks._values import read, show, whole, whole_or_part

if TYPE_CHECKING:
    from collections.abc import Mapping

_COUNT = partial(whole, low=-1)  # -1 is no limit
_PART = partial(whole_or_part, low=1, low_part=math.ulp(0.0), high_part=1.0)
_PART_OR_NONE = partial(whole_or_part, low=0, low_part=0.0, high_part=1.0)


class TrainerConfig:
    """A Trainer's arguments, each None or absent where it has its default.

    Attributes:
        updates_per_epoch: None where unknown, or where the accumulation changes during the run.
    """

    def __init__(self, trainer: Mapping[str, Any], steps_per_epoch: str | None) -> None:
        """Read the arguments, and the batches per epoch as the dataloader counts them."""

        def argument(name: str, check: Any, default: Any) -> Any:
            value = trainer.get(name)
            return default if value is None else read(check, f"trainer.{name}", value)

        self._epochs = argument("max_epochs", _COUNT, -1)
        self._steps = argument("max_steps", _COUNT, -1)
        accumulation = argument("accumulate_grad_batches", whole, 1)
        limit = argument("overfit_batches", _PART_OR_NONE, 0) or argument(
            "limit_train_batches", _PART, 1.0
        )
        if trainer.get("fast_dev_run") not in (None, "false", "False", "0"):
            raise ValueError(
                f"trainer.fast_dev_run must be false, got {show(trainer['fast_dev_run'])}; preview "
                "the run that is meant"
            )
        schedulers = [*filter(None, map(_scheduler, trainer.get("callbacks", [])))]
        self._batches = self.updates_per_epoch = None
        if steps_per_epoch is not None:
            batches = read(whole, "steps_per_epoch", steps_per_epoch)
            # As Lightning limits them.
            limit = int(batches * limit) if isinstance(limit, float) else min(batches, limit)
            self._batches = whole("trainer.limit_train_batches times steps_per_epoch", limit)
            if not schedulers:
                self.updates_per_epoch = math.ceil(self._batches / accumulation)
        self._trainer = SimpleNamespace(
            num_training_batches=self._batches or math.inf,
            max_steps=self._steps,
            accumulate_grad_batches=accumulation,
            callbacks=schedulers,
            lightning_module=SimpleNamespace(automatic_optimization=True),
        )

    def length(self, interval: str) -> int | None:
        """Return the planned epochs or steps, None where something is missing."""
        other = self._steps if interval == "epoch" else self._epochs
        if self._epochs == self._steps == -1 or (other != -1 and self._batches is None):
            return None
        return planned_length(self._trainer, None, self._epochs, interval)

    def missing(self, t_max: Any) -> str:
        """Return the sentence that asks for what the length needs."""
        if self._epochs == self._steps == -1:
            return (
                "t_max must be an int where no config tells trainer.max_epochs or max_steps, "
                f"got {t_max}; give --t_max"
            )
        return (
            "steps_per_epoch must be given where the run's length depends on it, got none; give "
            "--steps_per_epoch, or an int as --t_max"
        )


def _scheduler(callback: Mapping[str, Any]) -> SimpleNamespace | None:
    """Return what stands for a GradientAccumulationScheduler, None for any other callback."""
    if not str(callback.get("class_path")).endswith("GradientAccumulationScheduler"):
        return None
    arguments = callback.get("init_args")
    table = arguments.get("scheduling") if isinstance(arguments, dict) else None
    if not isinstance(table, dict):
        raise TypeError(
            f"scheduling must map epochs to a number of batches, got {show(table)}; give "
            "epoch: batches"
        )
    entries = {
        read(_COUNT, "scheduling", key): read(whole, "scheduling", table[key]) for key in table
    }
    return SimpleNamespace(scheduling=entries, going_to_accumulate_grad_batches=True)
