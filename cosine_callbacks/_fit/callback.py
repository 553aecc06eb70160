"""What the Keras and the TensorFlow callback do in `fit`, without their base class."""
# ruff: noqa: ARG002 - Keras tells the hooks more than they need

from __future__ import annotations

import threading
import warnings
from typing import Any

from cosine_callbacks._fit.curve import Curve, floor_and_peak
from cosine_callbacks._fit.optimizers import (
    LEFT,
    Found,
    Left,
    called,
    claim,
    find,
    holds,
    inner_optimizers,
    plain,
    read,
    unscaled,
)
from cosine_callbacks._schedule.parameters import Parameters
from cosine_callbacks._schedule.validation import Interval, checked_interval

# One for all callbacks: with a lock of its own no callback could be deep-copied, as tuners do.
LOCK = threading.Lock()


def legacy(kind: type) -> bool:
    """Say whether the class belongs to tf_keras, the legacy Keras 2."""
    return any(base.__module__.partition(".")[0] == "tf_keras" for base in kind.__mro__)


class FitCallback:
    """The curve in `fit`, per epoch or per update; a Keras-style Callback must be the next base."""

    # Batch ends only feed a counter under a lock, so asynchronous dispatch may stay on.
    async_safe = True
    # Spares legacy tf_keras the conversion of every batch's logs.
    _supports_tf_logs = True
    _log_keys: tuple[str, ...] = ("learning_rate",)

    model: Any
    params: dict[str, Any] | None

    def __init__(  # noqa: PLR0913 - the parameters of the schedule
        self,
        t_max: float | None = None,
        lr_min: float = 0.0,
        *,
        lr_initial: float | None = None,
        lr_min_ratio: float | None = None,
        interval: Interval = "epoch",
        warmup: float = 0,
        warmup_start_ratio: float | None = None,
        cycles: int | None = 1,
        t_mult: int = 1,
        peak_decay: float = 1.0,
    ) -> None:
        """Check the arguments; what only a fit can tell is checked when training begins.

        Args:
            t_max: Position, in units of interval, at which the rate has reached the floor, warmup
                included; with several cycles the length of the first. An int >= 1, a float in
                (0, 1] as a part of the planned run, or None for the whole of it.
            lr_min: The floor as a rate, in [0, lr_initial].
            lr_initial: The peak rate, > 0; None takes each optimizer's own rate.
            lr_min_ratio: The floor as a part of each optimizer's lr_initial, in [0, 1]; instead of
                lr_min.
            interval: "epoch" or "step": the unit of t_max and warmup. A step is an update of the
                weights: with gradient accumulation over n batches, n batches.
            warmup: Length of the linear warmup: an int in units, a float in (0, 1) as a part of the
                first cycle, rounded to whole units: 0.05 of 10 is none. At least one unit is left
                for the cosine.
            warmup_start_ratio: Rate at the start of the warmup as a part of lr_initial, in [0, 1];
                None is 1 / (warmup + 1).
            cycles: Number of cosine cycles (warm restarts), int >= 1; None restarts for ever.
            t_mult: Each cycle is this many times as long as the one before, int >= 1.
            peak_decay: Cycle i starts at floor + (lr_initial - floor) * peak_decay**i, in (0, 1].

        Raises:
            TypeError: An argument is not a number (bool, str, None where a number is needed, list).
            ValueError: An argument is out of its range, not finite, or contradicts another one.
        """
        super().__init__()
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
        self._found: list[Found] = []
        self._curves: list[Curve] = []
        # Position at which this epoch began, and its batches that ended.
        self._start = self._ended = 0
        # Batches per execution, which all use the rate of the first one.
        self._at_once = 1
        # The rates written last in this epoch.
        self._written: list[float] = []
        # Whether this fit has begun an epoch, has warned of another writer, and whether in this
        # epoch nobody can have written after us.
        self._begun = self._warned = self._alone = False

    def set_model(self, model: Any) -> None:
        """Note each optimizer's rate, before BackupAndRestore can put a decayed one there.

        Raises:
            TypeError: The model belongs to the other one of Keras 3 and tf_keras.
        """
        if legacy(type(model)) != legacy(type(self)):
            raise TypeError(
                "the callback and the model must come from one Keras, got the callback of "
                f"{type(self).__module__} with a model of {type(model).__module__}; for tf_keras "
                "set TF_USE_LEGACY_KERAS=1 and import cosine_callbacks.tensorflow, for Keras 3 "
                "import cosine_callbacks.keras"
            )
        parent: Any = super()
        parent.set_model(model)
        self._found = [find(each) for each in inner_optimizers(model.optimizer)]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Lay out the curve of each optimizer; nothing is written yet.

        Raises:
            ValueError: There is no optimizer, one holds a schedule or a function or has rate 0, the
                floor lies above its rate, another of these callbacks drives it in this fit, or the
                planned length is needed and unknown or too short.
        """
        model = self.model
        if model.optimizer is None:
            raise ValueError("the model must have an optimizer, got None; compile it with one")
        if not self._found:
            raise ValueError(
                "a MultiOptimizer over a function must be built before training begins, got one "
                "without optimizers; call model.optimizer.build(model.trainable_variables)"
            )
        optimizers = inner_optimizers(model.optimizer)
        self._curves = [
            self._curve(optimizer, found)
            for optimizer, found in zip(optimizers, self._found, strict=True)
        ]
        for optimizer in optimizers:
            claim(optimizer, self)
        self._start, self._ended, self._written = 0, 0, []
        self._begun = self._warned = False
        # tf_keras keeps the number in a variable of its own.
        held = getattr(model, "steps_per_execution", getattr(model, "_steps_per_execution", 1))
        self._at_once = int(plain(held))
        if self._interval == "step" and self._at_once > 1:
            warnings.warn(
                f"interval='step' sets one rate per execution, got steps_per_execution="
                f"{self._at_once}; give the optimizer a CosineAnnealingSchedule for one per update",
                stacklevel=2,
            )

    def _curve(self, optimizer: Any, found: Found) -> Curve:
        floor, base = floor_and_peak(self._parameters, called(optimizer), found)
        accumulation = 1
        if self._interval == "step":
            accumulation = getattr(optimizer, "gradient_accumulation_steps", None) or 1
        fixed = isinstance(self._parameters.t_max, int)
        cycles = self._parameters.layout(0 if fixed else self._planned(accumulation))
        one = optimizer is unscaled(self.model.optimizer)
        return Curve(floor, base, cycles, accumulation, "" if one else f"_{called(optimizer)}")

    def _planned(self, accumulation: int) -> int:
        """Return the planned epochs or updates, from 0 to the end epoch of this fit."""
        epochs: int | None = (self.params or {}).get("epochs")
        steps = self._steps()
        if epochs is None or steps is None:
            raise ValueError(
                f"t_max must be given where the planned length is unknown, got {epochs} epochs of "
                f"{steps} batches; give t_max= or call fit with steps_per_epoch="
            )
        return max(1, epochs * steps // accumulation)

    def _steps(self) -> int | None:
        """Return how many positions an epoch has, None where only its end will tell."""
        return 1 if self._interval == "epoch" else (self.params or {}).get("steps")

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Find the position of this epoch, and with interval "epoch" write its rate.

        Raises:
            ValueError: Batches are counted, their number per epoch is unknown, and the first epoch
                of this fit is not 0.
        """
        if self._written:
            self._look_for_another_writer()
        # Whatever was written in between, each epoch writes anew.
        self._written, self._alone = [], False
        steps = self._steps()
        if steps:
            self._start = epoch * steps
        elif epoch and not self._begun:
            raise ValueError(
                f"steps_per_epoch must be given where a fit begins in a later epoch, got epoch "
                f"{epoch} with batches of unknown number; call fit with steps_per_epoch="
            )
        self._begun = True
        if self._interval == "epoch":
            self._write(epoch)

    def _look_for_another_writer(self) -> bool:
        """Warn of one, once in a fit, and say whether a rate is not as we left it."""
        lost = False
        for optimizer in inner_optimizers(self.model.optimizer):
            left = LEFT.get(optimizer)
            # An optimizer that was exchanged since is nobody's yet.
            if left is None or holds(optimizer, left.rates):
                continue
            lost = True
            if not self._warned:
                self._warned = True
                warnings.warn(
                    f"{type(self).__name__} and another writer, such as ReduceLROnPlateau or "
                    f"LearningRateScheduler, both set the rate of {called(optimizer)}, got "
                    f"{read(optimizer)} where {left.rates[0]} was written; remove one of the two",
                    stacklevel=2,
                )
        return lost

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the rate of a new batch, or that of the epoch again where another one wrote."""
        # Some backends also begin a batch that does not exist: nothing may be counted here.
        if self._interval == "step":
            self._write(self._start + batch)
        elif not self._alone:
            # LearningRateScheduler, listed after us, writes after our `on_epoch_begin`.
            self._alone = True
            if self._look_for_another_writer():
                self._written = []
                self._write(self._start)

    def _write(self, position: int) -> None:
        rates = [curve.rate(position) for curve in self._curves]
        if rates == self._written:
            return
        self._written = rates
        # Through self.model each time: on JAX a write to an optimizer kept from before is lost.
        optimizers = inner_optimizers(self.model.optimizer)
        for optimizer, curve, rate in zip(optimizers, self._curves, rates, strict=True):
            optimizer.learning_rate = rate
            # What the variable made of it is read once an epoch: reading waits for the device.
            left = LEFT.setdefault(optimizer, Left(curve.base))
            left.base, left.rates = curve.base, (rate, *left.rates[:1])

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """With interval "step", count; the ends may arrive out of order and at the same time."""
        if self._interval == "step":
            with LOCK:
                self._ended = max(self._ended, batch + 1)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Report the rate last used, under the names that the framework's own callbacks use."""
        last = self._start + max(self._ended - 1, 0) // self._at_once * self._at_once
        self._start, self._ended = self._start + self._ended, 0
        if logs is not None:
            for curve in self._curves:
                for key in self._log_keys:
                    logs[key + curve.suffix] = curve.rate(last)
