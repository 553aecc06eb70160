"""The schedule and the callback for Keras 3, on whichever backend it runs."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Any

from cosine_callbacks._schedule.arrays import Ops, mixes, weights
from cosine_callbacks._fit.callback import FitCallback
from cosine_callbacks._schedule.extras import required
from cosine_callbacks._schedule.validation import real, show, whole
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
def _table(entries: tuple[int, ...], dtype: str) -> Any:
    # NumPy arrays are safe to keep; a backend's tensor would belong to the trace that made it.
    return np.asarray(entries, dtype)


@lru_cache
def _powers(base: float, count: int, dtype: str) -> tuple[int, Any, Any]:
    # Two short tables in place of a long one: base**i is low[i % side] * high[i // side].
    side = math.isqrt(count - 1) + 1
    i = np.arange(side, dtype="float64")
    return side, (base**i).astype(dtype), (base ** (side * i)).astype(dtype)


@lru_cache
def _graph_ops(rate_dtype: str, position_dtype: str, cycles: int) -> Ops:
    """Return the operations on tensors; positions and rates each keep the dtype given here.

    Args:
        rate_dtype: Of rates and weights.
        position_dtype: Of positions.
        cycles: How many there are: so many powers are needed at most.
    """

    def tensor(value: Any) -> Any:
        # Left to Keras, a number becomes floatx, which may be bfloat16.
        if isinstance(value, float) and keras.config.floatx() != rate_dtype:
            return ops.convert_to_tensor(value, rate_dtype)
        return value

    def where(condition: Any, then: Any, otherwise: Any) -> Any:
        return ops.where(condition, tensor(then), tensor(otherwise))

    def clip(i: Any, high: int) -> Any:
        return ops.clip(i, 0, high)

    def real(number: Any) -> Any:
        return float(number) if isinstance(number, int) else ops.cast(number, rate_dtype)

    def cycle(ends: tuple[int, ...], e: Any) -> tuple[Any, Any, Any]:
        bounds = ops.convert_to_tensor(_table((0, *ends), position_dtype))
        begun = ops.cast(ops.less_equal(bounds[:-1], ops.expand_dims(e, -1)), position_dtype)
        start, end = (ops.max(each * begun, axis=-1) for each in (bounds[:-1], bounds[1:]))
        return ops.sum(begun, axis=-1) - 1, start, end

    def power(base: float, i: Any) -> Any:
        side, low, high = _powers(base, cycles, rate_dtype)
        return ops.take(low, i % side) * ops.take(high, i // side)

    return Ops(ops.sin, where, clip, real, cycle, power, np.dtype(rate_dtype).type)


@keras.saving.register_keras_serializable(package="cosine_callbacks")
class CosineAnnealingSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Cosine annealing as a schedule: pass it to an optimizer as its `learning_rate`.

    LR(e) = floor + 1/2 (lr_initial - floor) (1 + cos(pi e / t_max)), e clamped to [0, t_max], as in
    `cosine_callbacks.CosineAnnealing`, in float32 (float64 if floatx is) with a relative error of
    at most 6e-7 at every step. e counts updates, `step // gradient_accumulation_steps`, or with
    steps_per_epoch epochs, `step // steps_per_epoch`; step is the optimizer's own counter of
    batches, so that a second curve needs a new optimizer. Works in `fit`, in custom loops, compiled
    and distributed. Source: SGDR, Loshchilov & Hutter, arXiv:1608.03983.

    A saved model finds the class again after `import cosine_callbacks.keras`; without the import
    Keras says `could not be deserialized properly` and `Could not locate class
    'CosineAnnealingSchedule'`.

    Args:
        lr_initial: Peak rate, > 0, that float32 can hold.
        t_max: Position, in updates or epochs, at which the rate has reached the floor, warmup
            included; with several cycles the length of the first. int in [1, 2**31 - 1].
        lr_min: The floor as a rate, in [0, lr_initial].
        lr_min_ratio: The floor as a part of lr_initial, in [0, 1]; instead of lr_min.
        steps_per_epoch: Batches per epoch as `fit` counts them, whatever the accumulation, int in
            [1, 2**31 - 1]: t_max and warmup then count epochs. None: they count updates.
        gradient_accumulation_steps: Batches per update, int in [1, 2**31 - 1]; must equal the
            optimizer's, for Keras gives a schedule the number of batches. Not used with
            steps_per_epoch.
        warmup: Length of the linear warmup: an int in units, a float in (0, 1) as a part of the
            first cycle, rounded to the nearest unit. At least one unit is left for the cosine.
        warmup_start_ratio: Rate at e=0 as a part of lr_initial, in [0, 1]; may lie below the floor.
            None is 1 / (warmup + 1).
        cycles: Number of cosine cycles (warm restarts), int >= 1; None restarts for ever. Cycles
            that would end beyond 2**31 - 1 are left out, and the last one holds its floor.
        t_mult: Each cycle is this many times as long as the one before, int >= 1.
        peak_decay: Cycle i starts at floor + (lr_initial - floor) * peak_decay**i, in (0, 1].
        name: Name of the scope of its operations, of letters, digits, "_", ".", "-" and ">".

    Raises:
        TypeError: An argument is not a number (bool, str, None where a number is needed, list).
        ValueError: An argument is out of its range, not finite, or contradicts another one.

    Examples:
        >>> import keras
        >>> from cosine_callbacks.keras import CosineAnnealingSchedule
        >>> schedule = CosineAnnealingSchedule(0.1, 10, 0.01)
        >>> optimizer = keras.optimizers.SGD(schedule)
        >>> [round(float(schedule(step)), 6) for step in (0, 5, 10, 99)]
        [0.1, 0.055, 0.01, 0.01]
    """

    def __init__(  # noqa: PLR0913 - the parameters of the schedule
        self,
        lr_initial: float,
        t_max: int,
        lr_min: float = 0.0,
        *,
        lr_min_ratio: float | None = None,
        steps_per_epoch: int | None = None,
        gradient_accumulation_steps: int = 1,
        warmup: float = 0,
        warmup_start_ratio: float | None = None,
        cycles: int | None = 1,
        t_mult: int = 1,
        peak_decay: float = 1.0,
        name: str = "CosineAnnealingSchedule",
    ) -> None:
        """Check the arguments and lay out the cycles; the class explains each of them."""
        self._curve = CosineAnnealing(
            lr_initial,
            whole("t_max", t_max, 1, LAST_STEP),
            lr_min,
            lr_min_ratio=lr_min_ratio,
            warmup=warmup,
            warmup_start_ratio=warmup_start_ratio,
            cycles=cycles,
            t_mult=t_mult,
            peak_decay=peak_decay,
        )
        peak = real("lr_initial", self._curve.lr_initial, "(0, 3.4e38]")
        self._floor_and_peak = self._curve.floor(peak), peak
        self._cycles = self._curve.layout(last=LAST_STEP)
        self._accumulation = whole(
            "gradient_accumulation_steps", gradient_accumulation_steps, 1, LAST_STEP
        )
        self._steps_per_epoch = steps_per_epoch
        if steps_per_epoch is not None:
            self._steps_per_epoch = whole("steps_per_epoch", steps_per_epoch, 1, LAST_STEP)
        self._unit = self._steps_per_epoch or self._accumulation
        # As TensorFlow has it: else only the compiled step would tell.
        if not (isinstance(name, str) and re.fullmatch(NAME, name)):
            kind = ValueError if isinstance(name, str) else TypeError
            raise kind(
                f"name must be at most 200 letters, digits, '_', '.', '-' and '>' and begin with a "
                f"letter, digit or '.', got {show(name)}; give such a name"
            )
        self.name = str.__str__(name)

    def __call__(self, step: Any = None) -> Any:
        """Return the rate at this step.

        Args:
            step: Finished batches, as the optimizer counts them: an integer scalar or array, or a
                variable; below 0 is 0.

        Raises:
            TypeError: The optimizer is one of tf_keras, which calls a schedule of Keras 3 without
                a step.
        """
        if step is None:
            raise TypeError(
                "step must be given, got none, as an optimizer of tf_keras calls it; use "
                "CosineAnnealingCallback of cosine_callbacks.tensorflow with interval='step' there"
            )
        with keras.name_scope(self.name):
            step = ops.convert_to_tensor(step)
            position = keras.backend.standardize_dtype(step.dtype)
            if position not in ("int32", "int64"):
                position, step = "int32", ops.cast(step, "int32")
            dtype = "float64" if keras.config.floatx() == "float64" else "float32"
            graph = _graph_ops(dtype, position, len(self._cycles.ends))
            e = step // self._unit if self._unit > 1 else step
            w, on = weights(self._cycles, e, graph)
            # As tensors hold them: the difference of the doubles could lift a rate over the peak.
            held = keras.backend.standardize_dtype(w.dtype)
            floor, peak = (float(np.asarray(rate, held)) for rate in self._floor_and_peak)
            return mixes(floor * on, peak, w, graph)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, in plain JSON types."""
        return {
            **self._curve.to_dict(),
            "steps_per_epoch": self._steps_per_epoch,
            "gradient_accumulation_steps": self._accumulation,
            "name": self.name,
        }


class CosineAnnealingCallback(FitCallback, keras.callbacks.Callback):
    """Cosine annealing of the optimizer's rate in Keras 3 `fit`, per epoch or per update.

    The curve is that of `cosine_callbacks.CosineAnnealing` over the epochs or updates of the run;
    `initial_epoch`, BackupAndRestore and a second fit follow the curve of their epoch, and the log
    of each epoch holds the `learning_rate` last used. The arguments are explained at `__init__`.
    Source: SGDR, Loshchilov & Hutter, arXiv:1608.03983.

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
