"""The Lightning callback without its base class, which each Lightning package has of its own."""

from __future__ import annotations

import warnings
from functools import cached_property, partial
from typing import Any

from cosine_callbacks._trainer import cli_types as cli
from cosine_callbacks._trainer import checkpoint as _resume
from cosine_callbacks._trainer.param_groups import ParamGroups, floors_under
from cosine_callbacks._schedule.parameters import Parameters
from cosine_callbacks._trainer.run_length import planned_length
from cosine_callbacks._trainer.step_hooks import StepHooks
from cosine_callbacks._schedule.validation import Interval, checked_interval, indices


class _TrainerCallback:
    """Anneal the learning rate of a Trainer's optimizers along a cosine.

    LR(e) = floor + 1/2 (lr_initial - floor) (1 + cos(pi e / t_max)), where e counts finished epochs
    or optimizer updates. The rate depends on e alone, so a resumed run uses the rates that the
    uninterrupted one would have used, and after t_max the floor holds for ever. Each rate is
    written before anything logs or uses it: the order of the callbacks does not matter.

    The base rates are those of the checkpoint when a run is resumed, as in torch's own schedulers;
    give `lr_initial` to change them. Groups added during training, and groups whose owner sets
    their rate, go on from the rate they then have. Source: SGDR, Loshchilov & Hutter,
    arXiv:1608.03983.

    Args:
        t_max: Position at which the floor is reached, warmup included: an int in units of
            `interval`, a float in (0, 1] as a part of the planned run, or None for the whole of it.
            With several cycles the length of the first, or with None the cycles fill the run.
        lr_min: The floor as a rate, >= 0 and at most each group's own rate.
        lr_initial: Peak rate of every group, > 0; None takes each group's own, where 0 stays 0.
        lr_min_ratio: The floor as a part of each group's peak, in [0, 1]; instead of lr_min.
        interval: What e, t_max and warmup count: "epoch", or "step" for optimizer updates.
        warmup: Length of the linear warmup: an int in units, a float in (0, 1) as a part of the
            first cycle, rounded to whole units: 0.05 of 10 is none.
        warmup_start_ratio: Rate at e=0 as a part of the peak, in [0, 1]; None is 1 / (warmup + 1).
        cycles: Number of cosine cycles (warm restarts), >= 1; None restarts for ever.
        t_mult: Each cycle is this many times as long as the one before, an int >= 1.
        peak_decay: Cycle i starts at floor + (peak - floor) * peak_decay**i, in (0, 1].
        optimizers: Index or indices in `trainer.optimizers` of those to drive; None drives all.

    Raises:
        TypeError: An argument is of a wrong kind (bool, str, list where a number is needed).
        ValueError: An argument is out of its range or contradicts another one. From `fit`, before
            the first batch and with every rate left as it was: an optimizer that does not exist or
            that something else drives too, a floor above a group's rate, a run whose planned
            length is needed but unknown, a checkpoint state that is not ours.

    Examples:
        >>> CosineAnnealingCallback(t_max=10, lr_min=0.001)
        CosineAnnealingCallback(t_max=10, lr_min=0.001)
    """

    def __init__(  # noqa: PLR0913 - the parameters of the schedule, all but two by name only
        self,
        t_max: cli.Length | None = None,
        lr_min: cli.Rate = 0.0,
        *,
        lr_initial: cli.PeakRate | None = None,
        lr_min_ratio: cli.FloorRatio | None = None,
        interval: Interval = "epoch",
        warmup: cli.Warmup = 0,
        warmup_start_ratio: cli.StartRatio | None = None,
        cycles: cli.Cycles | None = 1,
        t_mult: cli.Multiple = 1,
        peak_decay: cli.Decay = 1.0,
        optimizers: cli.Indices | None = None,
    ) -> None:
        self._parameters = Parameters(
            lr_initial,
            t_max,
            lr_min,
            lr_min_ratio=lr_min_ratio,
            warmup=warmup,
            warmup_start_ratio=warmup_start_ratio,
            cycles=cycles,
            t_mult=t_mult,
            peak_decay=peak_decay,
        )
        self._interval = checked_interval(interval)
        chosen = None if optimizers is None else indices("optimizers", optimizers)
        self._indices = [chosen] if isinstance(chosen, int) else chosen
        self._fitting = self._prepared = self._started = self._counting = False
        self._resumed: dict[str, Any] = {}
        self._driven: list[ParamGroups] = []
        self._hooks = StepHooks()

    def __repr__(self) -> str:
        """Return the call that builds an equal callback, defaults left out."""
        shown = [*filter(None, [self._parameters.given()])]
        shown += [f"interval={self._interval!r}"] * (self._interval != "epoch")
        shown += [f"optimizers={self._indices}"] * (self._indices is not None)
        return f"CosineAnnealingCallback({', '.join(shown)})"

    @cached_property  # Lightning reads it at every hook of every step
    def state_key(self) -> str:
        """The name of our state in a checkpoint, the same for all hyperparameters."""
        return f"CosineAnnealingCallback{{'optimizers': {self._indices}}}"

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs, in types that load with `weights_only=True`."""
        # A tuner saves and restores us before the run has begun.
        return self._state() if self._started else self._resumed

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the state for `on_train_start`; `trainer.test` and the like have no use for it."""
        if self._fitting and state_dict:
            _resume.check(state_dict)
            self._resumed = state_dict

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Read max_epochs before StochasticWeightAveraging changes it, and forget the last run."""
        self._fitting = stage == "fit"
        if self._fitting:
            self._max_epochs = trainer.max_epochs
            self._resumed = {}
            self._prepared = self._started = False
            self._driven = self._driven if trainer.global_step else []  # a second fit goes on

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Refuse a conflict, and note the rates of `configure_optimizers`."""
        present = range(len(trainer.optimizers))
        chosen = [*present] if self._indices is None else self._indices
        if not set(chosen) <= set(present):
            raise ValueError(
                f"optimizers must be indices into the run's {len(present)} optimizers, got "
                f"{self._indices}; leave out those that do not exist"
            )
        self._configured: dict[int, list[float]] = {}
        for index in chosen:
            self._refuse_rivals(trainer, index)
            groups = trainer.optimizers[index].param_groups
            self._configured[index] = rates = [float(g.get("initial_lr", g["lr"])) for g in groups]
            if trainer.ckpt_path is None:  # else the base rates are the checkpoint's
                floors_under(self._bases(groups, rates, []), self._parameters, index)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Check what only the Trainer knows, then write the first rate."""
        for callback in _ours(trainer):  # a refusal comes before any of us has written anything
            callback._prepare(trainer)  # noqa: SLF001
        self._warn_of_changes(trainer)
        for driven in self._driven:
            driven.take_over(trainer.optimizers[driven.index].param_groups)
        self._started = True
        self._write(trainer, again=True)
        for driven in self._driven if self._counting else ():
            updated = partial(self._updated, trainer, driven)
            self._hooks.attach(trainer.optimizers[driven.index], updated)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Write again, for groups that were added or set since."""
        self._write(trainer, again=True)
        for driven in self._driven:
            driven.share()

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Forget a `step` that was cut short."""
        if self._counting:
            self._hooks.forget_cut_short()

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        """Count the update of an optimizer on which torch's step hooks cannot fire."""
        if self._counting and not self._hooks.covers(optimizer):
            for driven in self._driven:
                if trainer.optimizers[driven.index] is optimizer:
                    self._write(trainer)
                    driven.count += 1

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write the rate of the next update."""
        if self._counting:
            self._write(trainer)
        elif self._interval == "step":
            # `_write` and `global_step` without their calls, a third of our part of a step.
            progress = trainer.fit_loop.epoch_loop.automatic_optimization.optim_progress
            at, strategy = progress.optimizer.step.total.completed, trainer.strategy
            configs, optimizers = strategy.lr_scheduler_configs, strategy.optimizers
            for driven in self._driven:
                if at != driven.position and not (configs and _schedulers(trainer, driven.index)):
                    driven.write(optimizers[driven.index].param_groups, at)
        elif batch_idx + 1 >= trainer.num_training_batches:
            # Lightning up to 2.4, resumed from a checkpoint saved here, enters this epoch again.
            self._finished = trainer.current_epoch + 1

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Write the rate of the next epoch."""
        self._write(trainer)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Leave no hook behind."""
        self._hooks.remove()

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Leave no hook behind."""
        self._hooks.remove()

    def _refuse_rivals(self, trainer: Any, index: int) -> None:
        others = [callback for callback in _ours(trainer) if callback is not self]
        rivals = [repr(o) for o in others if index in (o._indices or [index])]  # noqa: SLF001
        rivals += [f"{name} from configure_optimizers" for name in _schedulers(trainer, index)]
        if rivals:
            raise ValueError(
                f"optimizers must have one schedule each, got {self!r} and {rivals[0]} for "
                f"optimizer {index}; remove one of the two or give optimizers="
            )

    def _bases(self, groups: list[Any], configured: list[float], saved: list[float]) -> list[float]:
        """Return each group's base: as given, else saved by us or by torch, else as configured."""
        if self._parameters.lr_initial is not None:
            return [self._parameters.lr_initial] * len(groups)
        own = (*configured, *(group["lr"] for group in groups[len(configured) :]))
        noted = [float(g.get("initial_lr", rate)) for g, rate in zip(groups, own, strict=False)]
        return [*saved, *noted[len(saved) :]][: len(groups)]

    def _prepare(self, trainer: Any) -> None:
        """Work out curve, bases and counts, and refuse what is wrong; write nothing."""
        if self._prepared:
            return
        planned, t_max = 0, self._parameters.t_max
        if not isinstance(t_max, int):
            planned = planned_length(trainer, t_max, self._max_epochs, self._interval)
            planned = trainer.strategy.broadcast(planned)
        self._cycles = self._parameters.layout(planned)
        known = {d.index: d.count for d in self._driven if self._counting}  # by the fit before
        if trainer.ckpt_path is not None:
            known = _resume.saved_counts(self._resumed)
        saved = {state["index"]: state for state in self._resumed.get("optimizers", [])}
        driven = []
        for index, rates in self._configured.items():
            was = saved.get(index, {"bases": [], "floors": []})
            bases = self._bases(trainer.optimizers[index].param_groups, rates, was["bases"])
            groups = ParamGroups(index, self._parameters, self._cycles, bases, was["floors"])
            groups.count = known.get(index, 0)
            driven.append(groups)
        self._driven, self._finished = driven, self._resumed.get("epochs", 0)
        manual = not trainer.lightning_module.automatic_optimization
        self._counting = manual and self._interval == "step"
        # Not `global_step`, which manual optimization begins at 0 after the automatic one.
        begun = self._counting and trainer.fit_loop.epoch_loop.batch_progress.total.ready
        self._uncounted = [index for index in self._configured if begun and index not in known]
        self._prepared = True

    def _warn_of_changes(self, trainer: Any) -> None:
        sentences = [_resume.uncounted(self._uncounted, self)]
        if self._resumed and self._driven:
            epoch, step = self._epoch(trainer), trainer.global_step
            at = {
                driven.index: {"epoch": epoch, "step": driven.count if self._counting else step}
                for driven in self._driven
            }
            sentences += [_resume.changes(self._resumed, self._state(), self._cycles, at)]
        for sentence in filter(None, sentences if trainer.is_global_zero else ()):
            warnings.warn(sentence, stacklevel=2)

    def _state(self) -> dict[str, Any]:
        state = _resume.state_of(self._interval, self._parameters, self._cycles, self._driven)
        return {**state, "epochs": self._finished, "counted": self._counting}

    def _write(self, trainer: Any, *, again: bool = False) -> None:
        """Write every rate whose position has moved, or all of them again."""
        for driven in self._driven:
            at = driven.count if self._counting else self._position(trainer)
            # StochasticWeightAveraging brings a scheduler in the middle of the run: it takes over.
            if (again or at != driven.position) and not _schedulers(trainer, driven.index):
                driven.write(trainer.optimizers[driven.index].param_groups, at)

    def _position(self, trainer: Any) -> int:
        return self._epoch(trainer) if self._interval == "epoch" else int(trainer.global_step)

    def _epoch(self, trainer: Any) -> int:
        # At the end of an epoch, where checkpoints are saved, `processed` is ahead.
        processed = trainer.fit_loop.epoch_progress.current.processed
        return int(max(trainer.current_epoch, processed, self._finished))

    def _updated(self, trainer: Any, driven: ParamGroups) -> None:
        if self in trainer.callbacks:  # else a tuner has put others in our place for a while
            driven.count += 1
            self._write(trainer)


def _ours(trainer: Any) -> list[_TrainerCallback]:
    return [callback for callback in trainer.callbacks if isinstance(callback, _TrainerCallback)]


def _schedulers(trainer: Any, index: int) -> list[str]:
    """Return the names of the schedulers of this optimizer, which DeepSpeed wraps."""
    optimizer = trainer.optimizers[index]
    same = (optimizer, getattr(optimizer, "optimizer", optimizer))
    schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
    return [type(s).__name__ for s in schedulers if any(s.optimizer is each for each in same)]
