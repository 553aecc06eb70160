"""The hooks of the fit callback; a public class combines them with Keras' or tf_keras' Callback."""
# ruff: noqa: ARG002 - Keras passes more to the hooks than they need

from __future__ import annotations

import warnings
from typing import Any

from cosine_callbacks._fit.optimizers import (
    RECORDS,
    Snapshot,
    has_rate,
    inner_optimizers,
    name_of,
    read_rate,
    record_of,
    register,
    snapshot,
    unscaled,
    value_of,
)
from cosine_callbacks._fit.run import FitRun, OptimizerCurve, floor_and_peak
from cosine_callbacks._schedule.cycles import lay_out
from cosine_callbacks._schedule.parameters import Parameters, as_dict, call_text, select
from cosine_callbacks._schedule.validation import Interval, as_interval


def is_legacy(kind: type) -> bool:
    """Say whether the class belongs to tf_keras, the legacy Keras 2."""
    return any(base.__module__.partition(".")[0] == "tf_keras" for base in kind.__mro__)


class FitCallback:
    """The hooks of `CosineAnnealingCallback`. Everything that belongs to one fit is in `_run`."""

    # Keras may call the batch hooks asynchronously: batch ends only count, under a lock.
    async_safe = True
    # Saves legacy tf_keras the conversion of the logs of every batch.
    _supports_tf_logs = True
    _log_keys: tuple[str, ...] = ("learning_rate",)

    def __init__(  # noqa: PLR0913 - the parameters of the schedule
        self,
        *,
        t_max: int | float | None = None,
        lr_min: float = 0.0,
        lr_initial: float | None = None,
        lr_min_ratio: float | None = None,
        interval: Interval = "epoch",
        warmup: int | float = 0,
        warmup_start_ratio: float | None = None,
        cycles: int | None = 1,
        t_mult: int = 1,
        peak_decay: float = 1.0,
    ) -> None:
        super().__init__()
        self._parameters = Parameters(**select(locals()))
        self._interval = as_interval(interval)
        self._before: list[Snapshot] = []
        self._run = FitRun([], 1)

    def __repr__(self) -> str:
        """Return the call that builds an equal callback, defaults left out."""
        return call_text(self, as_dict(self._parameters) | {"interval": self._interval})

    def set_model(self, model: Any) -> None:
        """Note each optimizer's rate, before BackupAndRestore can put a decayed one there.

        Raises:
            TypeError: The model belongs to the other one of Keras 3 and tf_keras.
        """
        if is_legacy(type(model)) != is_legacy(type(self)):
            raise TypeError(
                "the callback and the model must come from one Keras, got the callback of "
                f"{type(self).__module__} with a model of {type(model).__module__}; for tf_keras "
                "set TF_USE_LEGACY_KERAS=1 and import cosine_callbacks.tensorflow, for Keras 3 "
                "import cosine_callbacks.keras"
            )
        parent: Any = super()
        parent.set_model(model)
        self._before = [snapshot(each) for each in inner_optimizers(model.optimizer)]

    def on_train_begin(self, logs: Any = None) -> None:
        """Lay out the curve of each optimizer; nothing is written yet.

        Raises:
            ValueError: There is no optimizer, one holds a schedule or a function or has rate 0, the
                floor lies above its rate, another of these callbacks drives it in this fit, or the
                planned length is needed and unknown or too short.
        """
        model = self._current_model()
        if model.optimizer is None:
            raise ValueError("the model must have an optimizer, got None; compile it with one")
        if not self._before:
            raise ValueError(
                "a MultiOptimizer over a function must be built before training begins, got one "
                "without optimizers; call model.optimizer.build(model.trainable_variables)"
            )
        optimizers = inner_optimizers(model.optimizer)
        curves = [
            self._curve(optimizer, before)
            for optimizer, before in zip(optimizers, self._before, strict=True)
        ]
        for optimizer in optimizers:
            register(optimizer, self)
        # tf_keras keeps this number in a private variable.
        at_once = getattr(model, "steps_per_execution", getattr(model, "_steps_per_execution", 1))
        self._run = FitRun(curves, int(value_of(at_once)))
        if self._interval == "step" and self._run.batches_at_once > 1:
            warnings.warn(
                f"interval='step' sets one rate per execution, got steps_per_execution="
                f"{self._run.batches_at_once}; give the optimizer a CosineAnnealingSchedule for "
                "one per update",
                stacklevel=2,
            )

    def _current_model(self) -> Any:
        # A property of the base class: on JAX, reading it updates the model's variables.
        callback: Any = self
        return callback.model

    def _fit_param(self, name: str) -> int | None:
        # None where `fit` does not know it, or where a custom loop did not set it.
        found: int | None = (getattr(self, "params", None) or {}).get(name)
        return found

    def _curve(self, optimizer: Any, before: Snapshot) -> OptimizerCurve:
        floor, base = floor_and_peak(self._parameters, optimizer, before)
        accumulation = 1
        if self._interval == "step":
            accumulation = getattr(optimizer, "gradient_accumulation_steps", None) or 1
        fixed = isinstance(self._parameters.t_max, int)
        cycles = lay_out(self._parameters, 0 if fixed else self._planned(accumulation))
        suffix = (
            ""
            if optimizer is unscaled(self._current_model().optimizer)
            else f"_{name_of(optimizer)}"
        )
        return OptimizerCurve(floor, base, cycles, accumulation, suffix)

    def _planned(self, accumulation: int) -> int:
        """Return the planned epochs or updates, from 0 to the end epoch of this fit."""
        epochs = self._fit_param("epochs")
        steps = self._steps()
        if epochs is None or steps is None:
            raise ValueError(
                f"t_max must be given where the planned length is unknown, got {epochs} epochs of "
                f"{steps} batches; give t_max= or call fit with steps_per_epoch="
            )
        return max(1, epochs * steps // accumulation)

    def _steps(self) -> int | None:
        """Return how many positions an epoch has, None where only its end will tell."""
        return 1 if self._interval == "epoch" else self._fit_param("steps")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Find the position of this epoch, and with interval "epoch" write its rate.

        Raises:
            ValueError: Batches are counted, their number per epoch is unknown, and the first epoch
                of this fit is not 0.
        """
        run = self._run
        if run.written:
            self._find_other_writer()
        # Write again in each epoch, whatever happened in between.
        run.written, run.checked = [], False
        steps = self._steps()
        if steps:
            run.start = epoch * steps
        elif epoch and not run.begun:
            raise ValueError(
                f"steps_per_epoch must be given where a fit begins in a later epoch, got epoch "
                f"{epoch} with batches of unknown number; call fit with steps_per_epoch="
            )
        run.begun = True
        if self._interval == "epoch":
            self._write(epoch)

    def _find_other_writer(self) -> bool:
        """Say whether a rate is not the one written last, and warn of it once in a fit."""
        found = False
        for optimizer in inner_optimizers(self._current_model().optimizer):
            record = RECORDS.get(optimizer)
            # The model may have a new optimizer since.
            if record is None or not record.written or has_rate(optimizer, record.written):
                continue
            found = True
            if not self._run.warned:
                self._run.warned = True
                warnings.warn(
                    f"{type(self).__name__} and another writer, such as ReduceLROnPlateau or "
                    f"LearningRateScheduler, both set the rate of {name_of(optimizer)}, got "
                    f"{read_rate(optimizer)} where {record.written[0]} was written; remove one of "
                    "the two",
                    stacklevel=2,
                )
        return found

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Write the rate of a new batch, or that of the epoch again where another one wrote."""
        # Do not count here: some backends also begin a batch that does not exist.
        run = self._run
        if self._interval == "step":
            self._write(run.start + batch)
        elif not run.checked:
            # LearningRateScheduler, listed after us, writes after our `on_epoch_begin`.
            run.checked = True
            if self._find_other_writer():
                run.written = []
                self._write(run.start)

    def _write(self, position: int) -> None:
        run = self._run
        rates = [curve.rate(position) for curve in run.curves]
        if rates == run.written:
            return
        run.written = rates
        # Through the model each time: on JAX a write to an optimizer kept from before is lost.
        optimizers = inner_optimizers(self._current_model().optimizer)
        for optimizer, curve, rate in zip(optimizers, run.curves, rates, strict=True):
            optimizer.learning_rate = rate
            # Do not read the variable back here: it would wait for the device.
            record = record_of(optimizer)
            record.base, record.written = curve.base, (rate, *record.written[:1])

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """With interval "step", count; the ends may arrive out of order and at the same time."""
        if self._interval == "step":
            self._run.end_batch(batch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Report the rate last used, under the names that the framework's own callbacks use."""
        run = self._run
        last = run.start + max(run.ended - 1, 0) // run.batches_at_once * run.batches_at_once
        run.start, run.ended = run.start + run.ended, 0
        if logs is not None:
            for curve in run.curves:
                for key in self._log_keys:
                    logs[key + curve.suffix] = curve.rate(last)
