"""The callback for `tf.keras`: Keras 3, or legacy tf_keras where TF_USE_LEGACY_KERAS=1 is set."""

from __future__ import annotations

from cosine_callbacks._fit.callback import FitCallback, legacy
from cosine_callbacks._schedule.extras import required

with required("tensorflow", "tensorflow"):
    import tensorflow as tf

__all__ = ["CosineAnnealingCallback"]


class CosineAnnealingCallback(FitCallback, tf.keras.callbacks.Callback):
    """Cosine annealing of the optimizer's rate in `tf.keras` `fit`, per epoch or per update.

    The curve is that of `cosine_callbacks.CosineAnnealing` over the epochs or updates of the run;
    `initial_epoch`, BackupAndRestore and a second fit follow the curve of their epoch, and the log
    of each epoch holds the `learning_rate` last used. The arguments are explained at `__init__`.
    Source: SGDR, Loshchilov & Hutter, arXiv:1608.03983.

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

    # `lr` is the name under which the callbacks of tf_keras report it.
    _log_keys = (
        ("learning_rate", "lr") if legacy(tf.keras.callbacks.Callback) else ("learning_rate",)
    )
