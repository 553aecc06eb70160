"""The hooks of the Lightning callback; a public class combines them with its package's Callback."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from cosine_callbacks._schedule.cycles import Cycles
from cosine_callbacks._schedule.parameters import Parameters, as_dict, call_text, select
from cosine_callbacks._schedule.validation import Interval, as_indices, as_interval
from cosine_callbacks._trainer import checkpoint, start
from cosine_callbacks._trainer.cli_types import annotate
from cosine_callbacks._trainer.epochs import Epochs
from cosine_callbacks._trainer.param_groups import ParamGroups
from cosine_callbacks._trainer.run_length import plan_run
from cosine_callbacks._trainer.step_hooks import StepHooks


@dataclass
class _Run:
    """What belongs to one fit; until training starts `cycles` is None."""

    # The Trainer's, before StochasticWeightAveraging changes it.
    max_epochs: int | None = None
    # Our state in the fit before, whose counts a second fit on one Trainer takes over.
    before: dict[str, Any] = field(default_factory=dict)
    # Updates done in earlier fits, by optimizer index, where they are counted here.
    counts: dict[int, int] = field(default_factory=dict)
    # Our state in the checkpoint that is resumed.
    saved: dict[str, Any] = field(default_factory=dict)
    # The rates that `configure_optimizers` gave each group, by optimizer index.
    configured: dict[int, list[float]] = field(default_factory=dict)
    cycles: Cycles | None = None
    groups: list[ParamGroups] = field(default_factory=list)
    # Manual optimization counts each optimizer's updates: there `global_step` is their sum.
    counting: bool = False
    epochs: Epochs = field(default_factory=Epochs)
    # The planned length and what it depends on; empty where t_max is a number of units.
    plan: dict[str, Any] = field(default_factory=dict)
    # What is still to be watched: the number of batches, and by optimizer index whether weights
    # change without an update that we count.
    watch_batches: bool = True
    watched: dict[int, int] = field(default_factory=dict)
    hooks: StepHooks = field(default_factory=StepHooks)


class TrainerCallback:
    """The hooks of `CosineAnnealingCallback`. Everything that belongs to one fit is in `_run`."""

    def __init__(  # noqa: PLR0913 - the parameters of the schedule
        self,
        *,
        t_max: int | float | None = None,
        lr_min: float = 0.0,
        lr_initial: float | None = None,
        lr_min_ratio: float | None = None,
        interval: Interval = "epoch",
        warmup: int | float = 0,
        hold: int | float = 0,
        warmup_start_ratio: float | None = None,
        cycles: int | None = 1,
        t_mult: int = 1,
        peak_decay: float = 1.0,
        optimizers: int | Sequence[int] | None = None,
    ) -> None:
        self._parameters = Parameters(**select(locals()))
        self._interval = as_interval(interval)
        chosen = None if optimizers is None else as_indices("optimizers", optimizers)
        self._indices = [chosen] if isinstance(chosen, int) else chosen
        # Constant, because Lightning reads it at every hook of every step.
        self._state_key = f"CosineAnnealingCallback{{'optimizers': {self._indices}}}"
        self._stage: str | None = None
        self._run = _Run()

    def __repr__(self) -> str:
        """Return the call that builds an equal callback, defaults left out."""
        own = {"interval": self._interval, "optimizers": self._indices}
        return call_text(self, as_dict(self._parameters) | own)

    @property
    def state_key(self) -> str:
        """The name of our state in a checkpoint, the same for all hyperparameters."""
        return self._state_key

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs, in types that load with `weights_only=True`."""
        run = self._run
        if run.cycles is None:  # a Tuner saves and restores the state before training
            return run.saved or run.before
        curve = checkpoint.state_of(self._interval, self._parameters, run.cycles, run.groups)
        for each in curve["optimizers"]:
            each["configured"] = run.configured[each["index"]]
        return {**curve, **run.epochs.state(), "counted": run.counting, "plan": run.plan}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the state for `on_train_start`; `trainer.test` and the like have no use for it."""
        if self._stage == "fit" and state_dict != {}:
            self._run.saved = checkpoint.read_state(state_dict)

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Begin a new run; a second fit on the same Trainer goes on counting."""
        self._stage = stage
        if stage == "fit":
            self._run.hooks.remove()
            # Raw steps in manual optimization leave `global_step` at 0.
            raw = trainer.current_epoch and not pl_module.automatic_optimization
            before = self.state_dict() if trainer.global_step or raw else {}
            self._run = _Run(trainer.max_epochs, before)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Refuse a conflict, and note the rates of `configure_optimizers`."""
        count = len(trainer.optimizers)
        indices = [*range(count)] if self._indices is None else self._indices
        if max(indices, default=-1) >= count:
            raise ValueError(
                f"optimizers must be indices into the run's {count} optimizers, got "
                f"{self._indices}; leave out those that do not exist"
            )
        others = [callback for callback in _own_callbacks(trainer) if callback is not self]
        for index in indices:
            rivals = [repr(each) for each in others if index in (each._indices or [index])]
            start.refuse_rivals(trainer, index, self, rivals)
            self._run.configured[index] = start.configured_rates(trainer, index, self._parameters)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Check what only the Trainer knows, then write the first rate."""
        for callback in _own_callbacks(trainer):  # refuse before any of them writes
            callback._prepare(trainer)
        self._warn_of_changes(trainer)
        for groups in self._run.groups:
            groups.start(trainer.optimizers[groups.index].param_groups)
        self._write(trainer, force=True)
        if self._run.counting:
            self._run.watched = start.weights_of(trainer, self._run.groups)
            for groups in self._run.groups:
                updated = partial(self._count_update, trainer, groups)
                self._run.hooks.attach(trainer.optimizers[groups.index], updated)

    def _prepare(self, trainer: Any) -> None:
        """Work out cycles, bases and counts; raise before anything is written."""
        run, t_max = self._run, self._parameters.t_max
        if run.cycles is not None:
            return
        before = run.before if trainer.ckpt_path is None else {}
        before = run.saved or before
        if trainer.ckpt_path is not None or trainer.global_step or before:
            run.counts = checkpoint.saved_counts(before)
            run.epochs = Epochs.resumed(before, trainer.fit_loop)
        run.epochs.fit_begins()
        if not isinstance(t_max, int):
            saved = run.saved.get("plan")
            run.plan = plan_run(trainer, t_max, self._interval, run.max_epochs, run.epochs, saved)
        planned = run.plan.get("length", 0)
        cycles = start.lay_out_run(trainer, self._parameters, planned, self._interval)
        run.groups = start.restore_groups(
            trainer, self._parameters, cycles, run.configured, run.saved, run.counts
        )
        manual = not trainer.lightning_module.automatic_optimization
        run.counting = manual and self._interval == "step"
        run.cycles = cycles

    def _warn_of_changes(self, trainer: Any) -> None:
        run = self._run
        if run.counting:
            start.warn_of_uncounted(trainer, run.configured, run.counts, self)
        if trainer.ckpt_path is not None and self._parameters.lr_initial is None:
            start.warn_of_configured(trainer, run.configured, run.groups, run.saved)
        if run.saved and run.cycles is not None:
            at = {"epoch": run.epochs.current, "step": trainer.global_step}
            start.warn_of_changes(trainer, run.saved, self.state_dict(), run.cycles, at)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Write again, for groups that were added or set since."""
        self._run.epochs.epoch_begins(within=trainer.fit_loop.epoch_loop.restarting)
        if self._run.watch_batches:
            self._run.watch_batches = not start.warn_of_batches(trainer, self._run.plan)
        self._write(trainer, force=True)

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count epochs, and forget a `step` that was cut short."""
        self._run.epochs.batch_begins(batch_idx, trainer.num_training_batches)
        if self._run.counting:
            self._run.hooks.reset()

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        """Count the update of an optimizer on which torch's step hooks cannot fire."""
        if self._run.counting and not self._run.hooks.covers(optimizer):
            for groups in self._run.groups:
                if trainer.optimizers[groups.index] is optimizer:
                    self._write(trainer)
                    groups.count += 1

    def _count_update(self, trainer: Any, groups: ParamGroups) -> None:
        if self in trainer.callbacks:  # a Tuner temporarily replaces trainer.callbacks
            groups.count += 1
            self._write(trainer)

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write the rate of the next update, and count epochs."""
        batches = trainer.num_training_batches
        last = trainer.is_last_batch or batch_idx + 1 >= batches
        self._run.epochs.batch_ends(last=last, batches=batches)
        if self._interval == "step":
            self._write(trainer)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Write the rate of the next epoch."""
        loop = trainer.fit_loop
        batches = loop.epoch_loop.batch_progress.total.processed
        self._run.epochs.epoch_ends(batches, loop.epoch_progress.total.processed)
        self._write(trainer)
        start.warn_of_unmoved(trainer, self._run.groups, self._run.watched)
        self._run.watched = {}

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Leave no hook behind."""
        self._run.hooks.remove()

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Leave no hook behind."""
        self._run.hooks.remove()

    def _write(self, trainer: Any, *, force: bool = False) -> None:
        """Write every rate whose position has moved, or with force all of them."""
        epochs = self._interval == "epoch"
        position = self._run.epochs.current if epochs else trainer.global_step
        for groups in self._run.groups:
            at = groups.count if self._run.counting else position
            # StochasticWeightAveraging adds a scheduler in mid-run, which then sets the rate.
            if (force or at != groups.position) and not start.schedulers(trainer, groups.index):
                groups.write(trainer.optimizers[groups.index].param_groups, at)


annotate(TrainerCallback.__init__)


def _own_callbacks(trainer: Any) -> list[TrainerCallback]:
    return [callback for callback in trainer.callbacks if isinstance(callback, TrainerCallback)]
