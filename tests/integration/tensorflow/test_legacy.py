"""What only tf_keras has, and what the Keras tests cover for Keras 3 on TensorFlow."""

import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

from cosine_callbacks.tensorflow import CosineAnnealingCallback
from tests.integration.tensorflow.parts import compiled, fit, run_program, weight_of


def test_a_legacy_optimizer_with_a_function_as_rate_is_refused():
    model = compiled(tf.keras.optimizers.legacy.SGD(lambda: 0.1))
    with pytest.raises(ValueError, match=r"^SGD must hold a rate .*give it a CosineAnneal"):
        fit(model, CosineAnnealingCallback(t_max=10))
    assert weight_of(model) == 0


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
