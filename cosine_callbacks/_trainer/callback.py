"""The Lightning callback without its base class, which each Lightning package has of its own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from cosine_callbacks._schedule.parameters import Parameters, call_text, given, select
from cosine_callbacks._schedule.validation import Interval, as_indices, as_interval
from cosine_callbacks._trainer.checkpoint import read_state
from cosine_callbacks._trainer.cli_types import (
    Cycles,
    FloorRate,
    FloorRatio,
    Indices,
    Length,
    LengthFactor,
    PeakDecay,
    PeakRate,
    StartRatio,
    Warmup,
)
from cosine_callbacks._trainer.run import Run, schedulers_of

if TYPE_CHECKING:
    from cosine_callbacks._trainer.param_groups import ParamGroups


class TrainerCallback:
    """The hooks of `CosineAnnealingCallback`; the Callback of a Lightning package is the next base.

    What a hook needs of the fit lies in a `Run`, which each fit has of its own.
    """

    def __init__(  # noqa: PLR0913 - the parameters of the schedule
        self,
        *,
        t_max: Length | None = None,
        lr_min: FloorRate = 0.0,
        lr_initial: PeakRate | None = None,
        lr_min_ratio: FloorRatio | None = None,
        interval: Interval = "epoch",
        warmup: Warmup = 0,
        warmup_start_ratio: StartRatio | None = None,
        cycles: Cycles | None = 1,
        t_mult: LengthFactor = 1,
        peak_decay: PeakDecay = 1.0,
        optimizers: Indices | None = None,
    ) -> None:
        self._parameters = Parameters(**select(locals()))
        self._interval = as_interval(interval)
        self._indices = None if optimizers is None else as_indices("optimizers", optimizers)
        # Constant, because Lightning reads it at every hook of every step.
        self._state_key = f"CosineAnnealingCallback{{'optimizers': {self._indices}}}"
        self._stage: str | None = None
        self._run = Run(self._parameters, self._interval)

    def __repr__(self) -> str:
        """Return the call that builds an equal callback, defaults left out."""
        arguments = given(self._parameters)
        if self._interval != "epoch":
            arguments["interval"] = self._interval
        if self._indices is not None:
            arguments["optimizers"] = self._indices
        return call_text(self, arguments)

    @property
    def state_key(self) -> str:
        """The name of our state in a checkpoint, the same for all hyperparameters."""
        return self._state_key

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs, in types that load with `weights_only=True`."""
        return self._run.state()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the state for `on_train_start`; `trainer.test` and the like have no use for it."""
        if self._stage == "fit" and state_dict != {}:
            self._run.saved = read_state(state_dict)

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Begin a new run; a second fit on the same Trainer goes on counting."""
        self._stage = stage
        if stage == "fit":
            counts = self._run.counts() if trainer.global_step else {}
            self._run = Run(self._parameters, self._interval, trainer.max_epochs, counts)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Refuse a conflict, and note the rates of `configure_optimizers`."""
        count = len(trainer.optimizers)
        indices = [*range(count)] if self._indices is None else self._indices
        if max(indices, default=0) >= count:
            raise ValueError(
                f"optimizers must be indices into the run's {count} optimizers, got "
                f"{self._indices}; leave out those that do not exist"
            )
        for index in indices:
            self._refuse_rivals(trainer, index)
        self._run.configure(trainer, indices)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Check what only the Trainer knows, then write the first rate."""
        for callback in _own_callbacks(trainer):  # refuse before any of them writes
            callback._run.prepare(trainer)
        self._run.start(trainer, self)
        if self._run.counting:
            for groups in self._run.optimizers:
                updated = partial(self._count_update, trainer, groups)
                self._run.hooks.attach(trainer.optimizers[groups.index], updated)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Write again, for groups that were added or set since."""
        self._run.write(trainer, force=True)

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Forget a `step` that was cut short."""
        self._run.hooks.forget_cut_short()

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        """Count the update of an optimizer on which torch's step hooks cannot fire."""
        if self._run.counting and not self._run.hooks.covers(optimizer):
            for groups in self._run.optimizers:
                if trainer.optimizers[groups.index] is optimizer:
                    self._run.write(trainer)
                    groups.count += 1

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write the rate of the next update."""
        if self._interval == "step":
            self._run.write(trainer)
        else:
            self._run.note_batch(trainer, batch_idx)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Write the rate of the next epoch."""
        self._run.write(trainer)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Leave no hook behind."""
        self._run.hooks.remove()

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Leave no hook behind."""
        self._run.hooks.remove()

    def _refuse_rivals(self, trainer: Any, index: int) -> None:
        others = [callback for callback in _own_callbacks(trainer) if callback is not self]
        rivals = [repr(other) for other in others if index in (other._indices or [index])]
        rivals += [f"{name} from configure_optimizers" for name in schedulers_of(trainer, index)]
        if rivals:
            raise ValueError(
                f"optimizers must have one schedule each, got {self!r} and {rivals[0]} for "
                f"optimizer {index}; remove one of the two or give optimizers="
            )

    def _count_update(self, trainer: Any, groups: ParamGroups) -> None:
        if self in trainer.callbacks:  # a Tuner temporarily replaces trainer.callbacks
            groups.count += 1
            self._run.write(trainer)


def _own_callbacks(trainer: Any) -> list[TrainerCallback]:
    return [callback for callback in trainer.callbacks if isinstance(callback, TrainerCallback)]
