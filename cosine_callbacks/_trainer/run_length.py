"""How long a run is planned to be, in epochs or optimizer updates."""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from cosine_callbacks._trainer.epochs import Epochs


class Done(NamedTuple):
    """What is done when a fit begins; `batches` are those of the epoch that goes on."""

    epochs: int = 0
    updates: int = 0
    batches: int = 0


NOTHING = Done()


def run_length(  # noqa: PLR0913, PLR0917 - all that a length depends on
    interval: str,
    batches: float,
    max_epochs: float,
    max_updates: float,
    accumulation: Mapping[int, int],
    done: Done = NOTHING,
) -> int | None:
    """Return the planned number of epochs or updates: what is done, and what is left.

    Args:
        interval: "epoch" or "step".
        batches: Batches per epoch, inf where unknown.
        max_epochs: Limit of the epochs, inf for none.
        max_updates: Limit of the updates, inf for none.
        accumulation: Batches per update, by the first epoch for which they hold; 0 among these.
        done: Where the run goes on.

    Returns:
        The length from the first epoch on, None where it is unknown or has no end.
    """
    by_step = interval == "step"
    limit, other = (max_updates, max_epochs) if by_step else (max_epochs, max_updates)
    if other == math.inf:
        return None if limit == math.inf else int(limit)
    if batches == math.inf:
        return None
    epochs: float = done.epochs
    factor = max((start, each) for start, each in accumulation.items() if start <= epochs)[1]
    # As if the epoch that goes on began now: without the updates that it has done. One batch is
    # always left of it, which Lightning trains even where an epoch has fewer by now.
    updates: float = done.updates - min(done.batches // factor, math.ceil(batches / factor) - 1)
    for (start, factor), (stop, _) in pairwise([*sorted(accumulation.items()), (math.inf, 0)]):
        per_epoch = math.ceil(batches / factor)
        span = max(0, min(stop, max_epochs) - max(start, epochs))
        if updates + span * per_epoch >= max_updates:
            epochs += math.ceil((max_updates - updates) / per_epoch)
            updates = max_updates
            break
        epochs += span
        updates += span * per_epoch
    return int(max(updates, done.updates) if by_step else epochs)


def unlimited(limit: int | None) -> float:
    """Return a Trainer's limit as a number, where it writes None or -1 for none."""
    return math.inf if limit in (None, -1) else float(limit)


def plan_run(  # noqa: PLR0913, PLR0917 - all that a plan depends on
    trainer: Any, t_max: Any, interval: str, max_epochs: int | None, epochs: Epochs, saved: Any
) -> dict[str, Any]:
    """Return the planned `length` of the run from its first epoch on, with what it depends on.

    Lightning's `estimated_stepping_batches` misjudges loaders without a length,
    GradientAccumulationScheduler, StochasticWeightAveraging and a resume with other settings.

    Args:
        trainer: The Trainer, in `on_train_start`: only then does it know the number of batches.
        t_max: The callback's, None or a fraction, for the message.
        interval: "epoch" or "step".
        max_epochs: The Trainer's, as it was before any callback changed it.
        epochs: The count of epochs.
        saved: What was planned in the checkpoint's run, as returned here; empty where unknown.

    Raises:
        ValueError: The length is unknown or infinite.
    """

    def unknown(reason: str) -> ValueError:
        return ValueError(
            f"t_max must be a number of {interval}s where the length of the run is unknown, got "
            f"{t_max}, and {reason}; give t_max="
        )

    limits = unlimited(max_epochs), unlimited(trainer.max_steps)
    counted = interval == "step" or (limits[1] < math.inf and not trainer.fast_dev_run)
    if counted and not trainer.lightning_module.automatic_optimization:
        raise unknown("in manual optimization only the model knows how many updates a batch makes")
    accumulation = {0: trainer.accumulate_grad_batches}
    for callback in trainer.callbacks:
        if hasattr(callback, "going_to_accumulate_grad_batches"):
            accumulation |= callback.scheduling
    # The same on all ranks, and plain numbers: a checkpoint holds them.
    batches = float(trainer.strategy.broadcast(trainer.num_training_batches))
    plan = {
        "interval": interval,
        "batches": batches,
        "limits": [*limits],
        "accumulation": [[int(start), int(each)] for start, each in sorted(accumulation.items())],
    }
    # Data that are reloaded may have another number of batches in each epoch.
    ignored = {"batches"} if trainer.reload_dataloaders_every_n_epochs else set()
    if saved and all(saved.get(key) == plan[key] for key in plan.keys() - ignored):
        return dict(saved)
    if interval == "step" and batches == math.inf > limits[1]:
        limits = math.inf, limits[1]  # who streams data means max_steps
    length = run_length(interval, batches, *limits, accumulation, _done(trainer, epochs))
    if length is None:
        endless = limits == (math.inf, math.inf)
        raise unknown(
            "the Trainer has neither max_epochs nor max_steps"
            if endless
            else "the training data has no length"
        )
    return {**plan, "length": trainer.strategy.broadcast(length)}


def _done(trainer: Any, epochs: Epochs) -> Done:
    """Return what is done when the fit begins."""
    loop = trainer.fit_loop.epoch_loop
    goes_on = epochs.open and loop.restarting
    batches = loop.batch_progress.current.processed if goes_on else 0
    # From 2.5 on Lightning then begins the epoch again.
    if (
        getattr(loop, "restarted_on_train_batch_end", False)
        and batches >= trainer.num_training_batches
    ):
        batches = 0
    cut = epochs.cut and not goes_on
    return Done(epochs.finished + cut, trainer.global_step, batches)


def counts_batches(plan: Mapping[str, Any]) -> bool:
    """Say whether the planned length depends on the number of batches of an epoch."""
    other = plan["limits"][0 if plan["interval"] == "step" else 1]
    return bool(max(plan["batches"], other) < math.inf)
