"""The schedule and the callback for Keras 3, on whichever backend it runs."""

import re
from functools import lru_cache, partial
from typing import Any

from cosine_callbacks._fit.callback import FitCallback
from cosine_callbacks._fit.graph_ops import graph_ops
from cosine_callbacks._schedule.arrays import Ops, heights, interpolate
from cosine_callbacks._schedule.cycles import lay_out
from cosine_callbacks._schedule.extras import required
from cosine_callbacks._schedule.keywords import explain_unknown_arguments
from cosine_callbacks._schedule.parameters import call_text, floor_under, select
from cosine_callbacks._schedule.validation import FLOAT32_POSITIVE, as_float, as_int, short_repr
from cosine_callbacks.formula import CosineAnnealing

with required("keras", "keras"):
    import keras
    import numpy as np
    from keras import ops

__all__ = ["CosineAnnealingCallback", "CosineAnnealingSchedule"]

# Keras counts steps in int32 on JAX and torch.
LAST_STEP = 2**31 - 1
NAME = r"[A-Za-z0-9.][A-Za-z0-9_.>-]{0,199}"


@lru_cache
def _graph_ops(rate_dtype: str, position_dtype: str, cycles: int) -> Ops:
    return graph_ops(keras, np, rate_dtype, position_dtype, cycles)


@explain_unknown_arguments
@keras.saving.register_keras_serializable(package="cosine_callbacks")
class CosineAnnealingSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Cosine annealing as a schedule: pass it to an optimizer as its `learning_rate`.

    LR(e) = floor + 1/2 (lr_initial - floor) (1 + cos(pi e / t_max)), e clamped to [0, t_max], as in
    `cosine_callbacks.CosineAnnealing`, in float32 (float64 if floatx is) with a relative error of
    at most 6e-7 at every step. e counts updates, `step // gradient_accumulation_steps`, or with
    steps_per_epoch it counts epochs, `step // steps_per_epoch`; step is the optimizer's own count
    of batches, so a second curve needs a new optimizer. Works in `fit`, in custom loops, compiled
    and distributed. Source: SGDR, Loshchilov & Hutter, arXiv:1608.03983.

    Run `import cosine_callbacks.keras` before you load a saved model; otherwise Keras says `could
    not be deserialized properly` and `Could not locate class 'CosineAnnealingSchedule'`.

    Args:
        lr_initial: Peak rate, > 0, that float32 can hold.
        t_max: Position, in updates or epochs, at which the rate has reached the floor, warmup
            included; with several cycles the length of the first. int in [1, 2**31 - 1].
        lr_min: The floor as a rate, in [0, lr_initial].
        lr_min_ratio: The floor as a fraction of lr_initial, in [0, 1]; instead of lr_min.
        steps_per_epoch: Batches per epoch as `fit` counts them, whatever the accumulation, int in
            [1, 2**31 - 1]: t_max and warmup then count epochs. None: they count updates.
        gradient_accumulation_steps: Batches per update, int in [1, 2**31 - 1]; must equal the
            optimizer's, because Keras passes a schedule the number of batches. Not used with
            steps_per_epoch.
        warmup: Length of the linear warmup: an int in units, or a fraction of the first cycle
            in (0, 1), rounded to the nearest unit. At least one unit is left for the cosine.
        hold: Units at the peak between warmup and cosine, an int or a fraction likewise.
        warmup_start_ratio: Rate at e=0 as a fraction of lr_initial, in [0, 1]; may lie below the
            floor. None is 1 / (warmup + 1).
        cycles: Number of cosine cycles (warm restarts), int >= 1; None restarts for ever. Cycles
            that would end beyond 2**31 - 1 are left out, and the last one holds its floor.
        t_mult: Each cycle is this many times as long as the one before, int >= 1.
        peak_decay: Cycle i starts at floor + (lr_initial - floor) * peak_decay**i, in (0, 1].
        name: Name of the scope of its operations, of letters, digits, "_", ".", "-" and ">".

    Raises:
        TypeError: An argument is not a number (bool, str, None where a number is needed, list).
        ValueError: An argument is out of range, not finite, or contradicts another one.

    Examples:
        >>> import keras
        >>> from cosine_callbacks.keras import CosineAnnealingSchedule
        >>> schedule = CosineAnnealingSchedule(lr_initial=0.1, t_max=10, lr_min=0.01)
        >>> optimizer = keras.optimizers.SGD(schedule)
        >>> [round(float(schedule(step)), 6) for step in (0, 5, 10, 99)]
        [0.1, 0.055, 0.01, 0.01]
    """

    def __init__(  # noqa: PLR0913 - the parameters of the schedule
        self,
        *,
        lr_initial: float,
        t_max: int,
        lr_min: float = 0.0,
        lr_min_ratio: float | None = None,
        steps_per_epoch: int | None = None,
        gradient_accumulation_steps: int = 1,
        warmup: int | float = 0,
        hold: int | float = 0,
        warmup_start_ratio: float | None = None,
        cycles: int | None = 1,
        t_mult: int = 1,
        peak_decay: float = 1.0,
        name: str = "CosineAnnealingSchedule",
    ) -> None:
        as_int("t_max", t_max, 1, LAST_STEP)
        self._schedule = CosineAnnealing(**select(locals()))
        peak = as_float("lr_initial", self._schedule.lr_initial, FLOAT32_POSITIVE)
        self._floor_and_peak = floor_under(self._schedule, peak), peak
        self._cycles = lay_out(self._schedule, last=LAST_STEP)
        self._accumulation = as_int(
            "gradient_accumulation_steps", gradient_accumulation_steps, 1, LAST_STEP
        )
        self._steps_per_epoch = steps_per_epoch
        if steps_per_epoch is not None:
            self._steps_per_epoch = as_int("steps_per_epoch", steps_per_epoch, 1, LAST_STEP)
        self._unit = self._steps_per_epoch or self._accumulation
        # TensorFlow's rule for scope names; otherwise the error comes from inside the compiled
        # step.
        if not (isinstance(name, str) and re.fullmatch(NAME, name)):
            error = ValueError if isinstance(name, str) else TypeError
            raise error(
                "name must be 1 to 200 letters, digits, '_', '.', '-' and '>' and begin with a "
                f"letter, digit or '.', got {short_repr(name)}"
            )
        self.name = str(name)

    def __repr__(self) -> str:
        """Return the call that builds an equal schedule, defaults left out."""
        return call_text(self, self.get_config())

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the arguments alone, so that a later version can unpickle them."""
        return partial(type(self), **self.get_config()), ()

    def __call__(self, step: Any = None) -> Any:
        """Return the rate at this step.

        Args:
            step: Finished batches, as the optimizer counts them: a scalar or array, or a variable;
                below 0 is 0, and beyond 2**31 - 1 the floor holds.

        Raises:
            TypeError: The optimizer is one of tf_keras, which calls a schedule of Keras 3 without
                a step.
        """
        if step is None:
            raise TypeError(
                "step must be given, got none: an optimizer of tf_keras cannot use this schedule; "
                "use CosineAnnealingCallback of cosine_callbacks.tensorflow with interval='step'"
            )
        with keras.name_scope(self.name):
            unit = self._unit
            if isinstance(step, int | float | np.generic | np.ndarray):
                # Backends narrow it, and a step beyond 2**31 would wrap around to the peak.
                step = np.clip(np.asarray(step, "float64") / unit, 0, LAST_STEP).astype("int32")
                unit = 1
            step = ops.convert_to_tensor(step)
            position = keras.backend.standardize_dtype(step.dtype)
            if position not in ("int32", "int64"):
                fits, position = ops.less(ops.cast(step, "float32"), float(LAST_STEP)), "int32"
                step = ops.where(fits, ops.cast(step, position), LAST_STEP)
            dtype = "float64" if keras.config.floatx() == "float64" else "float32"
            own = _graph_ops(dtype, position, len(self._cycles.ends))
            e = step // unit if unit > 1 else step
            height, floor_scale = heights(self._cycles, e, own)
            # Rounded as tensors are: a difference of doubles could lift a rate over the peak.
            dtype = keras.backend.standardize_dtype(height.dtype)
            floor, peak = (float(np.asarray(rate, dtype)) for rate in self._floor_and_peak)
            return interpolate(floor * floor_scale, peak, height, own)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, in plain JSON types."""
        return {
            **self._schedule.to_dict(),
            "steps_per_epoch": self._steps_per_epoch,
            "gradient_accumulation_steps": self._accumulation,
            "name": self.name,
        }


@explain_unknown_arguments
class CosineAnnealingCallback(FitCallback, keras.callbacks.Callback):
    """Cosine annealing of the optimizer's rate in Keras 3 `fit`, per epoch or per update.

    The curve is that of `cosine_callbacks.CosineAnnealing` over the epochs or updates of the run.
    It follows the number of the epoch, with `initial_epoch` and BackupAndRestore too, and the log
    of each epoch holds the `learning_rate` last used, whoever set it. Source: SGDR, Loshchilov &
    Hutter, arXiv:1608.03983.

    Args:
        t_max: Position, in units of interval, at which the rate has reached the floor, warmup
            included; with several cycles the length of the first. An int >= 1, a fraction of the
            planned run in (0, 1], or None for the whole of it.
        lr_min: The floor as a rate, in [0, lr_initial].
        lr_initial: The peak rate, > 0; None takes each optimizer's own rate.
        lr_min_ratio: The floor as a fraction of each optimizer's lr_initial, in [0, 1]; instead of
            lr_min.
        interval: "epoch" or "step": the unit of t_max, warmup and hold. A step is an optimizer
            update, which takes n batches with gradient accumulation over n batches.
        warmup: Length of the linear warmup: an int in units, or a fraction of the first cycle in
            (0, 1), rounded to whole units (0.05 of 10 is 0). At least one unit is left for the
            cosine.
        hold: Units at the peak between warmup and cosine, an int or a fraction likewise.
        warmup_start_ratio: Rate at the start of the warmup as a fraction of lr_initial, in [0, 1];
            None is 1 / (warmup + 1).
        cycles: Number of cosine cycles (warm restarts), int >= 1; None restarts for ever.
        t_mult: Each cycle is this many times as long as the one before, int >= 1.
        peak_decay: Cycle i starts at floor + (lr_initial - floor) * peak_decay**i, in (0, 1].
        optimizers: Name of the model's attribute that holds the optimizer to drive, or a list of
            names, for a `train_step` that applies its own optimizers; each has its own peak and
            is logged as `learning_rate_<name>`. None is `model.optimizer`. On JAX, also set
            `self.kept = self.d_optimizer.variables` in the built model, so that `train_step` gets
            them in its state.

    Raises:
        TypeError: An argument has the wrong type (bool and str are no numbers), or optimizers is
            neither a name nor a list of names.
        ValueError: An argument is out of range, not finite, or contradicts another one. From `fit`,
            before anything is written: an attribute in optimizers that holds no optimizer, an
            optimizer that has a schedule, a decay or rate 0, a floor above its rate, two of these
            callbacks on one optimizer, or a run whose length is needed but unknown.

    Warns:
        UserWarning: Once per fit: another callback sets the rate, too (list this one last); the
            optimizer took no update in the first epoch; a warmup given as a fraction is rounded to
            0; a fit that goes on has another length than the one before (pass t_max); an optimizer
            was trained before (pass lr_initial); several steps per execution with interval "step".

    Examples:
        >>> import keras
        >>> from cosine_callbacks.keras import CosineAnnealingCallback
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.SGD(0.1), "mse")
        >>> annealing = CosineAnnealingCallback(lr_min=0.01)
        >>> x = keras.ops.zeros((4, 1))
        >>> history = model.fit(x, x, epochs=2, callbacks=[annealing], verbose=0)
        >>> [round(float(rate), 6) for rate in history.history["learning_rate"]]
        [0.1, 0.055]
    """
