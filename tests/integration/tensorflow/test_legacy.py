"""What only tf_keras has, and what the Keras tests cover for Keras 3 on TensorFlow."""

import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

from cosine_callbacks.tensorflow import CosineAnnealingCallback
from tests.integration.tensorflow.parts import (
    compiled,
    fit,
    rate_of,
    run_program,
    weight_of,
)

legacy = tf.keras.optimizers.legacy


def test_a_legacy_optimizer_with_a_function_as_rate_is_refused():
    model = compiled(tf.keras.optimizers.legacy.SGD(lambda: 0.1))
    with pytest.raises(ValueError, match=r"^SGD must hold a rate .*give the optimizer a float$"):
        fit(model, CosineAnnealingCallback(t_max=10))
    assert weight_of(model) == 0


@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "scaled"])
def test_a_decay_is_a_second_schedule(scaled):
    optimizer = legacy.SGD(0.1, decay=0.5)
    if scaled:
        optimizer = tf.keras.mixed_precision.LossScaleOptimizer(optimizer)
    model = compiled(optimizer)
    sentence = r"^SGD must have no decay of its own, got decay=0\.5; build it without decay=$"
    with pytest.raises(ValueError, match=sentence):
        fit(model, CosineAnnealingCallback(t_max=10))
    assert (weight_of(model), rate_of(model)) == (0, pytest.approx(0.1))


class Forwarding(legacy.Optimizer):
    """Leave everything to another optimizer, its rate too."""

    def __init__(self, inner):
        super().__init__("Forwarding")
        self.inner = inner

    @property
    def learning_rate(self):
        return self.inner.learning_rate

    @learning_rate.setter
    def learning_rate(self, rate):
        self.inner.learning_rate = rate

    def _create_slots(self, var_list):
        self.inner._create_slots(var_list)

    def apply_gradients(self, *arguments, **options):
        return self.inner.apply_gradients(*arguments, **options)


DECAY = tf.keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)


@pytest.mark.parametrize(
    ("inner", "sentence"),
    [
        (lambda: legacy.SGD(DECAY), r"^Forwarding must hold a rate .*give the optimizer a float$"),
        (lambda: legacy.SGD(0.1, decay=0.5), r"^SGD must have no decay of its own, got decay=0\.5"),
    ],
    ids=["schedule", "decay"],
)
def test_what_a_forwarding_optimizer_wraps_is_refused(inner, sentence):
    model = compiled(Forwarding(inner()))
    with pytest.raises(ValueError, match=sentence):
        fit(model, CosineAnnealingCallback(t_max=10))
    assert weight_of(model) == 0


def test_an_optimizer_that_forwards_its_rate():
    model = compiled(Forwarding(legacy.SGD(0.1)))
    fit(model, CosineAnnealingCallback(t_max=10, interval="step"))
    assert weight_of(model) == pytest.approx(-0.55, rel=6e-7)


@pytest.mark.parametrize("order", [1, -1], ids=["ours-first", "backup-first"])
def test_killed_and_restored(tmp_path, order):
    options = json.dumps({"t_max": 40, "interval": "step"})
    killed = json.dumps([2, 5])
    run_program("killed_fit.py", tmp_path, options, order, killed, expect=-signal.SIGKILL)
    run_program("killed_fit.py", tmp_path, options, order, "null")
    used = [json.loads(line) for line in (tmp_path / "used.jsonl").read_text().splitlines()]
    assert [(epoch, batch) for epoch, batch, _ in used] == [
        *((epoch, batch) for epoch in range(2) for batch in range(10)),
        *((2, batch) for batch in range(6)),
        *((epoch, batch) for epoch in (2, 3) for batch in range(10)),
    ]
    assert used[26] == [2, 0, pytest.approx(0.05, rel=6e-7)]
    for epoch, batch, rate in used:
        right = 0.05 * (1 + np.cos(np.pi * (epoch * 10 + batch) / 40))
        assert rate == pytest.approx(right, rel=6e-7)


def test_two_devices():
    assert run_program("two_devices.py") == pytest.approx([-0.55, -0.55], rel=6e-7)


@pytest.mark.slow
def test_two_workers():
    with (
        socket.create_server(("localhost", 0)) as one,
        socket.create_server(("localhost", 0)) as two,
    ):
        addresses = [f"localhost:{free.getsockname()[1]}" for free in (one, two)]
    with ThreadPoolExecutor() as pool:
        workers = [
            pool.submit(run_program, "two_workers.py", index, *addresses) for index in (0, 1)
        ]
    first, second = (worker.result() for worker in workers)
    assert first == second
    right = [0.05 * (1 + np.cos(np.pi * e / 10)) for e in range(10)]
    for used, weight in first:  # per update and per epoch
        assert used == pytest.approx(right, rel=6e-7)
        assert weight == pytest.approx(-0.55, rel=6e-7)
