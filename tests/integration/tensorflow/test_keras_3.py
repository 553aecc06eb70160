"""What only Keras 3 has on TensorFlow: both callbacks on one optimizer."""

import keras
import pytest

import cosine_callbacks.keras
import cosine_callbacks.tensorflow
from tests.integration.fit.parts import LEGACY, close, compiled, train

ADAPTERS = cosine_callbacks.keras, cosine_callbacks.tensorflow
pytestmark = pytest.mark.skipif(LEGACY, reason="tf.keras is not Keras 3")


def test_both_callbacks_share_the_peak_of_an_optimizer():
    model = compiled(keras.optimizers.SGD(0.1))
    for adapter in ADAPTERS:
        ours = adapter.CosineAnnealingCallback(t_max=10, interval="step")
        assert train(model, ours) == (close(0.55), close([0.0024471741852423214]))


def test_both_callbacks_document_the_same_arguments():
    pages = [adapter.CosineAnnealingCallback.__doc__ for adapter in ADAPTERS]
    first, second = (page.partition("    Args:")[2].partition("    Examples:")[0] for page in pages)
    assert first == second != ""
