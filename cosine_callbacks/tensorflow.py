"""The callback for `tf.keras`: Keras 3, or legacy tf_keras where TF_USE_LEGACY_KERAS=1 is set."""

from cosine_callbacks._fit.callback import FitCallback
from cosine_callbacks._fit.optimizers import is_legacy
from cosine_callbacks._schedule.extras import required
from cosine_callbacks._schedule.keywords import explain_unknown_arguments

with required("tensorflow", "tensorflow"):
    import tensorflow as tf

__all__ = ["CosineAnnealingCallback"]


@explain_unknown_arguments
class CosineAnnealingCallback(FitCallback, tf.keras.callbacks.Callback):
    """Cosine annealing of the optimizer's rate in `tf.keras` `fit`, per epoch or per update.

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
        >>> import tensorflow as tf
        >>> from cosine_callbacks.tensorflow import CosineAnnealingCallback
        >>> model = tf.keras.Sequential([tf.keras.Input((1,)), tf.keras.layers.Dense(1)])
        >>> model.compile(tf.keras.optimizers.SGD(0.1), "mse")
        >>> annealing = CosineAnnealingCallback(lr_min=0.01)
        >>> x = tf.zeros((4, 1))
        >>> history = model.fit(x, x, epochs=2, callbacks=[annealing], verbose=0)
        >>> [round(float(rate), 6) for rate in history.history["learning_rate"]]
        [0.1, 0.055]
    """

    # The callbacks of tf_keras log it as `lr`.
    _log_keys = (
        ("learning_rate", "lr") if is_legacy(tf.keras.callbacks.Callback) else ("learning_rate",)
    )
