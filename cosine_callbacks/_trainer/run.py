"""One fit of a Trainer: the optimizers that it drives, and at which positions."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from cosine_callbacks._schedule.cycles import lay_out
from cosine_callbacks._trainer import checkpoint
from cosine_callbacks._trainer.param_groups import ParamGroups, group_floors
from cosine_callbacks._trainer.run_length import planned_length
from cosine_callbacks._trainer.step_hooks import StepHooks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cosine_callbacks._schedule.cycles import Cycles
    from cosine_callbacks._schedule.parameters import Parameters


class Run:
    """One fit, from its setup to the setup of the next one; nothing is groups before it starts.

    Attributes:
        saved: Our state in the checkpoint that is resumed, else empty.
        optimizers: The param groups of each optimizer that is groups.
        counting: Whether each optimizer's updates are counted here: in manual optimization
            `global_step` is the sum over all of them.
        hooks: They hear of the updates that are counted.
    """

    def __init__(
        self,
        parameters: Parameters,
        interval: str,
        max_epochs: int | None = None,
        counts: Mapping[int, int] | None = None,
    ) -> None:
        """Begin with what is known in `setup`.

        Args:
            parameters: Of the schedule.
            interval: "epoch" or "step".
            max_epochs: The Trainer's, before StochasticWeightAveraging changes it.
            counts: By index the updates that each optimizer had done in the fit before.
        """
        self.saved: dict[str, Any] = {}
        self.optimizers: list[ParamGroups] = []
        self.counting = False
        self.hooks = StepHooks()
        self._parameters = parameters
        self._interval = interval
        self._max_epochs = max_epochs
        self._counts = dict(counts or {})
        self._configured: dict[int, list[float]] = {}
        self._cycles: Cycles | None = None
        self._uncounted: list[int] = []
        # Lightning <= 2.4 re-enters an epoch when it resumes from a checkpoint of its last batch.
        self._finished_epochs = 0

    def configure(self, trainer: Any, indices: list[int]) -> None:
        """Note the rates of `configure_optimizers`, and refuse a floor above one of them."""
        for index in indices:
            groups = trainer.optimizers[index].param_groups
            rates = [float(group.get("initial_lr", group["lr"])) for group in groups]
            self._configured[index] = rates
            if trainer.ckpt_path is None:  # else the base rates are the checkpoint's
                group_floors(self._bases(groups, rates, []), self._parameters, index)

    def prepare(self, trainer: Any) -> None:
        """Work out curve, bases and counts, and refuse what is wrong; write nothing."""
        if self._cycles is not None:
            return
        planned, t_max = 0, self._parameters.t_max
        if not isinstance(t_max, int):
            planned = planned_length(trainer, t_max, self._max_epochs, self._interval)
            planned = trainer.strategy.broadcast(planned)
        cycles = lay_out(self._parameters, planned)
        manual = not trainer.lightning_module.automatic_optimization
        self.counting = manual and self._interval == "step"
        if trainer.ckpt_path is not None:
            self._counts = checkpoint.saved_counts(self.saved)
        saved = {each["index"]: each for each in self.saved.get("optimizers", [])}
        optimizers = []
        for index, configured in self._configured.items():
            before = saved.get(index, {"bases": [], "floors": []})
            present = trainer.optimizers[index].param_groups
            bases = self._bases(present, configured, before["bases"])
            groups = ParamGroups(index, self._parameters, cycles, bases, before["floors"])
            groups.count = self._counts.get(index, 0)
            optimizers.append(groups)
        # Not `global_step`, which restarts at 0 when manual optimization resumes an automatic run.
        begun = self.counting and trainer.fit_loop.epoch_loop.batch_progress.total.ready
        self._uncounted = [
            index for index in self._configured if begun and index not in self._counts
        ]
        self._finished_epochs = self.saved.get("epochs", 0)
        self._cycles, self.optimizers = cycles, optimizers

    def _bases(self, groups: list[Any], configured: list[float], saved: list[float]) -> list[float]:
        """Return each group's base: as given, else saved by us or by torch, else as configured."""
        if self._parameters.lr_initial is not None:
            return [self._parameters.lr_initial] * len(groups)
        own = (*configured, *(group["lr"] for group in groups[len(configured) :]))
        noted = [float(g.get("initial_lr", rate)) for g, rate in zip(groups, own, strict=False)]
        return [*saved, *noted[len(saved) :]][: len(groups)]

    def start(self, trainer: Any, callback: object) -> None:
        """Say what differs from the checkpoint, and write the first rates."""
        for sentence in self._sentences(trainer, callback) if trainer.is_global_zero else ():
            warnings.warn(sentence, stacklevel=2)
        for groups in self.optimizers:
            groups.take_over(trainer.optimizers[groups.index].param_groups)
        self.write(trainer, force=True)

    def _sentences(self, trainer: Any, callback: object) -> list[str]:
        sentences = [checkpoint.uncounted(self._uncounted, callback)]
        if self.saved and self.optimizers and self._cycles is not None:
            epoch, step = self._epoch(trainer), trainer.global_step
            positions = {
                groups.index: {"epoch": epoch, "step": groups.count if self.counting else step}
                for groups in self.optimizers
            }
            sentences += [checkpoint.changes(self.saved, self.state(), self._cycles, positions)]
        return [*filter(None, sentences)]

    def counts(self) -> dict[int, int]:
        """Return the updates that each optimizer has done, by its index, where they are counted."""
        if self._cycles is None:
            return self._counts
        return {groups.index: groups.count for groups in self.optimizers if self.counting}

    def state(self) -> dict[str, Any]:
        """Return what a resumed run needs; before the start what this run was resumed with."""
        if self._cycles is None:  # a Tuner saves and restores the state before training
            return self.saved
        curve = checkpoint.state_of(self._interval, self._parameters, self._cycles, self.optimizers)
        return {**curve, "epochs": self._finished_epochs, "counted": self.counting}

    def write(self, trainer: Any, *, force: bool = False) -> None:
        """Write every rate whose position has moved, or with force all of them."""
        for groups in self.optimizers:
            at = groups.count if self.counting else self._position(trainer)
            # StochasticWeightAveraging adds a scheduler in mid-run, which then sets the rate.
            if (force or at != groups.position) and not schedulers_of(trainer, groups.index):
                groups.write(trainer.optimizers[groups.index].param_groups, at)

    def note_batch(self, trainer: Any, batch_idx: int) -> None:
        """Note that an epoch is finished with its last batch."""
        if self._interval == "epoch" and batch_idx + 1 >= trainer.num_training_batches:
            self._finished_epochs = trainer.current_epoch + 1

    def _position(self, trainer: Any) -> int:
        return self._epoch(trainer) if self._interval == "epoch" else int(trainer.global_step)

    def _epoch(self, trainer: Any) -> int:
        # At the end of an epoch, where checkpoints are saved, `processed` is ahead.
        processed = trainer.fit_loop.epoch_progress.current.processed
        return int(max(trainer.current_epoch, processed, self._finished_epochs))


def schedulers_of(trainer: Any, index: int) -> list[str]:
    """Return the names of the schedulers of this optimizer, which DeepSpeed wraps."""
    optimizer = trainer.optimizers[index]
    same = (optimizer, getattr(optimizer, "optimizer", optimizer))
    schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
    return [type(s).__name__ for s in schedulers if any(s.optimizer is each for each in same)]
