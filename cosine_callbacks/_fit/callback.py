"""The hooks of the fit callback; a public class combines them with Keras' or tf_keras' Callback."""

# ruff: noqa: ARG002 - Keras passes more to the hooks than they need
import threading
import warnings
from collections.abc import Sequence
from typing import Any

from cosine_callbacks._fit.optimizers import (
    Snapshot,
    accumulation_of,
    check_held,
    inner_optimizers,
    is_legacy,
    log_suffixes,
    record_of,
    register,
    snapshot,
    trace,
)
from cosine_callbacks._fit.run import (
    Epoch,
    FitRun,
    OptimizerCurve,
    batches_at_once,
    floor_and_peak,
    warn_of_another_length,
)
from cosine_callbacks._schedule.cycles import lay_out, lost_warmup
from cosine_callbacks._schedule.parameters import Parameters, as_dict, call_text, select
from cosine_callbacks._schedule.validation import Interval, as_interval, as_names


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
        hold: int | float = 0,
        warmup_start_ratio: float | None = None,
        cycles: int | None = 1,
        t_mult: int = 1,
        peak_decay: float = 1.0,
        optimizers: str | Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self._parameters = Parameters(**select(locals()))
        self._interval = as_interval(interval)
        self._names = None if optimizers is None else as_names("optimizers", optimizers)
        self._before: dict[str, list[Snapshot]] = {}
        self._run = FitRun([], 1)

    def __repr__(self) -> str:
        """Return the call that builds an equal callback, defaults left out."""
        own = {"interval": self._interval, "optimizers": self._names}
        return call_text(self, as_dict(self._parameters) | own)

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
        self._before = {
            name: [snapshot(each) for each in inner_optimizers(held)]
            for name, held in self._held().items()
        }

    def on_train_begin(self, logs: Any = None) -> None:
        """Lay out the curve of each optimizer; nothing is written yet.

        Raises:
            ValueError: There is no optimizer, one holds a schedule or a function or has rate 0, the
                floor lies above its rate, another of these callbacks drives it in this fit, or the
                planned length is needed and unknown or too short.
        """
        held, model = self._held(), self._current_model()
        for name in held:
            check_held(model, name, named=bool(self._names))
        curves = [each for name in held for each in self._curves(name, held[name])]
        for optimizer in self._optimizers():
            register(optimizer, self)
        lost = lost_warmup(self._parameters, curves[0].cycles, self._interval)
        if lost:
            warnings.warn(lost, stacklevel=2)
        self._run = FitRun(curves, batches_at_once(model, self._interval))

    def _current_model(self) -> Any:
        # A property of the base class: on JAX, reading it updates the model's variables.
        callback: Any = self
        return callback.model

    def _held(self) -> dict[str, Any]:
        # Through the model each time: on JAX a write to an optimizer kept from before is lost.
        model = self._current_model()
        return {name: getattr(model, name, None) for name in self._names or ["optimizer"]}

    def _optimizers(self) -> list[Any]:
        return [each for held in self._held().values() for each in inner_optimizers(held)]

    def _fit_param(self, name: str) -> int | None:
        # None where `fit` does not know it, or where a custom loop did not set it.
        found: int | None = (getattr(self, "params", None) or {}).get(name)
        return found

    def _curves(self, name: str, held: Any) -> list[OptimizerCurve]:
        if not self._before[name]:
            raise ValueError(
                "a MultiOptimizer over a function must be built before training begins, got one "
                f"without optimizers; call model.{name}.build(model.trainable_variables)"
            )
        prefix = f"_{name}" if self._names else ""
        suffixes = [prefix + each for each in log_suffixes(held)]
        each_with_its = zip(inner_optimizers(held), self._before[name], suffixes, strict=True)
        return [self._curve(*each) for each in each_with_its]

    def _curve(self, optimizer: Any, before: Snapshot, suffix: str) -> OptimizerCurve:
        floor, base = floor_and_peak(self._parameters, optimizer, before)
        accumulation = accumulation_of(optimizer) if self._interval == "step" else 1
        fixed = isinstance(self._parameters.t_max, int)
        cycles = lay_out(self._parameters, 0 if fixed else self._planned(accumulation))
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
        run, steps = self._run, self._steps()
        if run.trace is None:
            if epoch and not steps:
                raise ValueError(
                    "steps_per_epoch must be given where a fit begins in a later epoch, got epoch "
                    f"{epoch} with batches of unknown number; call fit with steps_per_epoch="
                )
            self._begin(epoch)
        else:
            run.other_rates(self._optimizers())
        # Nothing is written yet: write again in each epoch, whatever happened in between.
        run.epoch = Epoch(epoch * steps if steps else run.epoch.start + run.epoch.ended)
        if self._interval == "epoch":
            self._write(epoch)

    def _begin(self, epoch: int) -> None:
        """Begin the first epoch, which only now is known, after all callbacks have begun."""
        run, t_max = self._run, self._parameters.t_max
        if not isinstance(t_max, int):
            planned = self._planned(run.curves[0].accumulation), self._interval
            warn_of_another_length(self._optimizers()[0], t_max, planned, epoch)
        run.trace = {name: trace(held) for name, held in self._held().items()}

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Write the rate of a new batch, or that of the epoch again where another one wrote."""
        # Do not count batches here: some backends also begin one that does not exist.
        run, epoch = self._run, self._run.epoch
        run.thread = threading.get_ident()
        # Read seldom: it waits for the device. LearningRateScheduler, listed after us, writes
        # after our `on_epoch_begin`; others write at each batch.
        if epoch.written and epoch.overridden is None:
            found = bool(run.other_rates(self._optimizers()))
            epoch.overridden = found if epoch.begun else None
        epoch.begun = True
        if self._interval == "step":
            self._write(epoch.start + batch)
        elif run.warned:
            self._write(epoch.start)

    def _write(self, position: int) -> None:
        run = self._run
        rates = [curve.rate(position) for curve in run.curves]
        if rates == run.epoch.written and not run.warned:
            return
        run.epoch.written = rates
        for optimizer, curve, rate in zip(self._optimizers(), run.curves, rates, strict=True):
            optimizer.learning_rate = rate
            # Do not read the variable back here: it would wait for the device.
            record = record_of(optimizer)
            record.base, record.written = curve.base, (rate, *record.written[:1])

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count; the ends may arrive out of order and at the same time, in other threads."""
        run = self._run
        run.end_batch(batch)
        if run.warned and run.thread == threading.get_ident():
            run.epoch.acted = run.other_rates(self._optimizers())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Report the rate last used, under the names that the framework's own callbacks use."""
        run, optimizers = self._run, self._optimizers()
        others = run.other_rates(optimizers)
        if run.epoch.acted is not None:
            others = run.epoch.acted
        elif run.epoch.overridden is False:
            others = {}  # written after the last batch, by a callback listed before us
        if not run.used:
            run.warn_of_idle(self._held(), self._current_model())
        run.used = [
            others[i] if i in others else run.rate_used(i, optimizer)
            for i, optimizer in enumerate(optimizers)
        ]
        if logs is not None:
            for curve, rate in zip(run.curves, run.used, strict=True):
                for key in self._log_keys:
                    logs[key + curve.suffix] = rate
