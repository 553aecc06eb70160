"""The Keras 3 schedule in TensorFlow's own loops."""

import pytest
import tensorflow as tf

LEGACY = tf.keras.callbacks.Callback.__module__.startswith("tf_keras")


@pytest.mark.skipif(LEGACY, reason="the schedule is one of Keras 3")
def test_a_loop_with_a_gradient_tape():
    from cosine_callbacks.keras import CosineAnnealingSchedule

    weight = tf.keras.Variable(0.0)
    optimizer = tf.keras.optimizers.SGD(CosineAnnealingSchedule(0.1, 10))
    optimizer.build([weight])
    traces = []

    @tf.function
    def step():
        traces.append(1)
        with tf.GradientTape() as tape:
            loss = weight + 0.0
        optimizer.apply([tape.gradient(loss, weight.value)], [weight])

    for _ in range(12):
        step()
    assert float(weight.numpy()) == pytest.approx(-0.55, rel=6e-7)
    assert len(traces) == 1
