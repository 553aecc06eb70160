"""How long a Trainer plans to train, in epochs or optimizer updates."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any


def planned_length(trainer: Any, t_max: Any, max_epochs: int | None, interval: str) -> int:
    """Return the planned number of epochs or updates of the whole run, from its first epoch on.

    Lightning's `estimated_stepping_batches` misjudges loaders without a length,
    GradientAccumulationScheduler and StochasticWeightAveraging.

    Args:
        trainer: The Trainer, in `on_train_start`: only then does it know the number of batches.
        t_max: The callback's, None or a part, for the message.
        max_epochs: The Trainer's, as it was before any callback changed it.
        interval: "epoch" or "step".

    Raises:
        ValueError: The length is unknown or infinite.
    """

    def unknown(reason: str) -> ValueError:
        return ValueError(
            f"t_max must be a number of {interval}s where the length of the run is unknown, got "
            f"{t_max}, and {reason}; give t_max="
        )

    batches = trainer.num_training_batches
    most_epochs = math.inf if max_epochs in (None, -1) else max_epochs
    most_updates = math.inf if trainer.max_steps == -1 else trainer.max_steps
    if interval == "step" and not trainer.lightning_module.automatic_optimization:
        raise unknown("in manual optimization only the model knows how many updates a batch makes")
    if most_epochs == most_updates == math.inf:
        raise unknown("the Trainer has neither max_epochs nor max_steps")
    if interval == "epoch" and most_updates == math.inf:
        return int(most_epochs)
    if batches == math.inf:
        if interval == "step" and most_epochs == math.inf:
            return int(most_updates)
        raise unknown("the training data has no length")
    epochs: float = 0
    updates: float = 0
    for (start, factor), (stop, _) in pairwise([*_accumulation(trainer), (math.inf, 0)]):
        per_epoch = math.ceil(batches / factor)
        span = max(0, min(stop, most_epochs) - start)
        if updates + span * per_epoch >= most_updates:
            epochs += math.ceil((most_updates - updates) / per_epoch)
            updates = most_updates
            break
        epochs += span
        updates += span * per_epoch
    return int(epochs if interval == "epoch" else updates)


def _accumulation(trainer: Any) -> list[tuple[float, int]]:
    """Return (first epoch, batches per update) pairs, of GradientAccumulationScheduler if there."""
    table = {0: trainer.accumulate_grad_batches}
    for callback in trainer.callbacks:
        if hasattr(callback, "going_to_accumulate_grad_batches"):
            table |= callback.scheduling
    return sorted(table.items())
