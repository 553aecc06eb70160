"""With other Keras callbacks: docs/neighbours.md lists the results."""

import keras
import numpy as np
import pytest

from cosine_callbacks.keras import CosineAnnealingCallback
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
