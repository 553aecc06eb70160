"""Backups after an interruption, and distribution over devices and workers."""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.curve import cosine
from tests.programs import run_program

from .parts import (
    BACKEND,
    LEGACY,
    CosineAnnealingCallback,
    Recorder,
    close,
    compiled,
    either_interval,
    fit,
    keras,
    weight_of,
)

DISTRIBUTED = Path(__file__).with_name("distributed.py")


@either_interval
@pytest.mark.parametrize("order", [1, -1], ids=["ours first", "backup first"])
def test_interrupted_and_restored(sgd, tmp_path, interval, order):
    def run(recorder):
        ours = CosineAnnealingCallback(interval=interval)
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        model = compiled(sgd(0.1))
        fit(model, *[ours, backup][::order], recorder, epochs=4)
        return weight_of(model)

    # New objects for the second run, as in a new process; tests/torture kills real ones.
    first, second = Recorder((2, 5)), Recorder()
    with pytest.raises(KeyboardInterrupt):
        run(first)
    weight = run(second)
    curve = [cosine(e, 40) if interval == "step" else cosine(e // 10, 4) for e in range(40)]
    right = {divmod(i, 10): rate for i, rate in enumerate(curve)}
    assert first.used == close({place: right[place] for place in right if place <= (2, 5)})
    assert second.used == close({place: right[place] for place in right if place >= (2, 0)})
    assert weight == close(-sum(curve))


def assert_ten_updates(results):
    """Check the rates and the weight of each fit, all over the same curve."""
    right = [cosine(e, 10) for e in range(10)]
    for used, weight in results:
        assert used[:10] == close(right)
        assert weight == close(-0.55)


@pytest.mark.skipif(BACKEND == "torch", reason="Keras distributes over JAX and TensorFlow only")
def test_several_devices():
    results = run_program(DISTRIBUTED)
    assert len(results) == (2 if LEGACY else 3)
    assert_ten_updates(results)


@pytest.mark.slow
@pytest.mark.skipif(not LEGACY, reason="Keras 3's own fit fails under MultiWorkerMirroredStrategy")
def test_two_workers():
    with (
        socket.create_server(("localhost", 0)) as one,
        socket.create_server(("localhost", 0)) as two,
    ):
        addresses = [f"localhost:{free.getsockname()[1]}" for free in (one, two)]
    with ThreadPoolExecutor() as pool:
        workers = [pool.submit(run_program, DISTRIBUTED, i, *addresses) for i in (0, 1)]
    first, second = (worker.result() for worker in workers)
    assert first == second
    assert len(first) == 2
    assert_ten_updates(first)
