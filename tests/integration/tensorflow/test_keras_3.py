"""What only Keras 3 has on TensorFlow: the schedule, and both callbacks on one optimizer."""

import keras
import pytest
import tensorflow as tf

import cosine_callbacks.keras
import cosine_callbacks.tensorflow
from cosine_callbacks.keras import CosineAnnealingSchedule
from tests.integration.tensorflow.parts import fit, sgd, weight_of
from tests.integration.tensorflow.test_preview import (
    BY_EPOCH,
    BY_STEP,
    check_events,
    train_with_tensorboard,
)


def test_both_callbacks_share_the_base_of_an_optimizer():
    model = sgd()
    for adapter in (cosine_callbacks.keras, cosine_callbacks.tensorflow):
        fit(model, adapter.CosineAnnealingCallback(t_max=10, interval="step"))
    assert weight_of(model) == pytest.approx(-1.1, rel=6e-7)


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

    for _ in range(400):
        update()
    assert weight.numpy() == pytest.approx(-0.55, rel=6e-7)
    assert len(traces) == 1


@pytest.mark.parametrize(
    ("schedule", "plan"),
    [
        (lambda: CosineAnnealingSchedule(lr_initial=0.1, t_max=40, lr_min=0.05), BY_STEP),
        (
            lambda: CosineAnnealingSchedule(
                lr_initial=0.1, t_max=4, lr_min=0.05, steps_per_epoch=10
            ),
            BY_EPOCH,
        ),
    ],
    ids=["steps", "epochs"],
)
def test_events_of_our_schedule_are_as_planned(tmp_path, capsys, schedule, plan):
    folder = train_with_tensorboard(tmp_path, rate=schedule())
    right = "is as planned after each epoch, where Keras asks a schedule; rates compared: 6\n"
    assert check_events(capsys, folder, plan) == (0, right)
