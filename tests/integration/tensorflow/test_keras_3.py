"""What only Keras 3 has on TensorFlow: the schedule, and both callbacks on one optimizer."""

import keras
import pytest
import tensorflow as tf

import cosine_callbacks.keras
import cosine_callbacks.tensorflow
from cosine_callbacks.keras import CosineAnnealingSchedule
from tests.integration.fit.parts import LEGACY, close, compiled, train

pytestmark = pytest.mark.skipif(LEGACY, reason="tf.keras is not Keras 3")


def test_both_callbacks_share_the_peak_of_an_optimizer():
    model = compiled(keras.optimizers.SGD(0.1))
    for adapter in (cosine_callbacks.keras, cosine_callbacks.tensorflow):
        ours = adapter.CosineAnnealingCallback(t_max=10, interval="step")
        assert train(model, ours) == (close(0.55), close([0.0024471741852423214]))


def test_both_callbacks_document_the_same_arguments():
    adapters = (cosine_callbacks.keras, cosine_callbacks.tensorflow)
    first, second = (adapter.CosineAnnealingCallback.__doc__ for adapter in adapters)
    arguments = first.partition("    Args:")[2].partition("    Examples:")[0]
    assert arguments == second.partition("    Args:")[2].partition("    Examples:")[0] != ""


def test_the_schedule_in_a_custom_training_loop():
    weight, traces = tf.Variable(0.0), []
    optimizer = keras.optimizers.SGD(CosineAnnealingSchedule(lr_initial=0.1, t_max=10))
    optimizer.build([weight])

    @tf.function
    def update():
        traces.append(1)
        with tf.GradientTape() as tape:
            loss = 1.0 * weight
        optimizer.apply(tape.gradient(loss, [weight]))

    for _ in range(100):
        update()
    assert weight.numpy() == close(-0.55)
    assert len(traces) == 1
