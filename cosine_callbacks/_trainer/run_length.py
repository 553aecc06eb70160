"""How long a run is planned to be, in epochs or optimizer updates."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def run_length(
    interval: str,
    batches: float,
    max_epochs: float,
    max_updates: float,
    accumulation: Mapping[int, int],
) -> int | None:
    """Return the planned number of epochs or updates, None where it is unknown or has no end.

    Args:
        interval: "epoch" or "step".
        batches: Batches per epoch, inf where unknown.
        max_epochs: Limit of the epochs, inf for none.
        max_updates: Limit of the updates, inf for none.
        accumulation: Batches per update, by the first epoch for which they hold; 0 among these.
    """
    limit, other = (max_epochs, max_updates) if interval == "epoch" else (max_updates, max_epochs)
    if other == math.inf:
        return None if limit == math.inf else int(limit)
    if batches == math.inf:
        return None
    epochs: float = 0
    updates: float = 0
    for (start, factor), (stop, _) in pairwise([*sorted(accumulation.items()), (math.inf, 0)]):
        per_epoch = math.ceil(batches / factor)
        span = max(0, min(stop, max_epochs) - start)
        if updates + span * per_epoch >= max_updates:
            epochs += math.ceil((max_updates - updates) / per_epoch)
            updates = max_updates
            break
        epochs += span
        updates += span * per_epoch
    return int(epochs if interval == "epoch" else updates)


def unlimited(limit: int | None) -> float:
    """Return a Trainer's limit as a number, where it writes None or -1 for none."""
    return math.inf if limit in (None, -1) else float(limit)


def planned_length(trainer: Any, t_max: Any, max_epochs: int | None, interval: str) -> int:
    """Return the planned number of epochs or updates of the whole run, from its first epoch on.

    Lightning's `estimated_stepping_batches` misjudges loaders without a length,
    GradientAccumulationScheduler and StochasticWeightAveraging.

    Args:
        trainer: The Trainer, in `on_train_start`: only then does it know the number of batches.
        t_max: The callback's, None or a fraction, for the message.
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

    if interval == "step" and not trainer.lightning_module.automatic_optimization:
        raise unknown("in manual optimization only the model knows how many updates a batch makes")
    accumulation = {0: trainer.accumulate_grad_batches}
    for callback in trainer.callbacks:
        if hasattr(callback, "going_to_accumulate_grad_batches"):
            accumulation |= callback.scheduling
    limits = unlimited(max_epochs), unlimited(trainer.max_steps)
    length = run_length(interval, trainer.num_training_batches, *limits, accumulation)
    if length is None:
        endless = limits == (math.inf, math.inf)
        raise unknown(
            "the Trainer has neither max_epochs nor max_steps"
            if endless
            else "the training data has no length"
        )
    return length
