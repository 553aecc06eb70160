"""With other Keras callbacks: docs/neighbours.md lists the results."""

import keras
import numpy as np
import pytest

from cosine_callbacks.keras import CosineAnnealingCallback, CosineAnnealingSchedule
from tests.integration.keras.parts import DATA, Scaled, compiled, fit, weight_of

# Ten batches at each rate.
CURVE = 0.05 * (1 + np.cos(np.pi * np.arange(4) / 4))
orders = pytest.mark.parametrize("order", [1, -1], ids=["before", "after"])


@orders
def test_early_stopping(order):
    model = compiled(keras.optimizers.SGD(0.1))
    # No improvement is large enough: the run stops after two epochs.
    stopping = keras.callbacks.EarlyStopping("loss", min_delta=10**6, patience=1)
    history = fit(model, *[stopping, CosineAnnealingCallback()][::order], epochs=4).history
    assert history["learning_rate"] == pytest.approx(CURVE[:2], rel=6e-7)
    assert weight_of(model) == pytest.approx(-10 * CURVE[:2].sum(), rel=6e-7)


@orders
def test_swap_ema_weights(order):
    model = compiled(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    history = fit(model, *[swap, CosineAnnealingCallback()][::order], epochs=4).history
    assert history["learning_rate"] == pytest.approx(CURVE, rel=6e-7)


@orders
def test_terminate_on_nan(order):
    model = compiled(keras.optimizers.SGD(0.1), layer=Scaled)
    data = DATA.copy()
    data[5] = np.nan
    stop = keras.callbacks.TerminateOnNaN()
    fit(model, *[stop, CosineAnnealingCallback()][::order], data=data, epochs=4)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1)


class StopInEpoch2(keras.callbacks.Callback):
    """Interrupt the fit before the sixth batch of epoch 2."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == (2, 5):
            raise KeyboardInterrupt


@pytest.mark.parametrize("kind", ["callback", "schedule"])
def test_a_backup_within_an_epoch(tmp_path, kind):
    """Keras trains the whole epoch again, on the weights and the count of its fourth batch."""

    def run(*others):
        annealing = [CosineAnnealingCallback(interval="step")] if kind == "callback" else []
        rate = 0.1 if annealing else CosineAnnealingSchedule(lr_initial=0.1, t_max=40)
        model = compiled(keras.optimizers.SGD(rate))
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup", save_freq=2)
        fit(model, *annealing, backup, *others, epochs=4)
        return weight_of(model)

    with pytest.raises(KeyboardInterrupt):
        run(StopInEpoch2())
    # After 24 updates those of epochs 2 and 3; for the schedule the four after the floor add 0.
    e = np.array([*range(24), *range(20, 40)] if kind == "callback" else range(40))
    assert run() == pytest.approx(-0.05 * (1 + np.cos(np.pi * e / 40)).sum(), rel=6e-7)
