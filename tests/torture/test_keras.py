"""Keras 3, killed at seeded points or with a damaged backup, uses the right rates."""

import keras
import numpy as np
import pytest

from cosine_callbacks.keras import CosineAnnealingCallback, CosineAnnealingSchedule
from tests.integration.keras.parts import compiled, fit, weight_of

from .run import POINTS, run_program


def test_killed_and_resumed(tmp_path):
    result = run_program(tmp_path, "fit_points.py", "keras", str(POINTS))
    runs = result["runs"]
    assert result["killed"] >= len(runs) * POINTS
    # The uninterrupted runs: halfway from 0.1 to 0.001, two cycles of two epochs, a warmup.
    assert runs["step"][8] == pytest.approx(0.0505, rel=6e-7)
    assert runs["epoch"][:16:4] == pytest.approx([0.1, 0.055, 0.1, 0.055], rel=6e-7)
    assert runs["schedule"][:3] == pytest.approx([0.1 / 3, 0.2 / 3, 0.1], rel=6e-7)


class Stop(keras.callbacks.Callback):
    """Interrupt a run in its third epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


def files(folder):
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.99, 1.0])
def test_a_truncated_backup(tmp_path, fraction):
    def run(*others):
        model = compiled(keras.optimizers.SGD(0.1))
        backup = keras.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
        fit(model, CosineAnnealingCallback(t_max=4), backup, *others, epochs=4)
        return weight_of(model)

    with pytest.raises(KeyboardInterrupt):
        run(Stop())
    weights = max(files(tmp_path), key=lambda file: file.stat().st_size)
    weights.write_bytes(weights.read_bytes()[: int(weights.stat().st_size * fraction)])
    before = files(tmp_path)
    if fraction == 1:
        # Ten batches at each of 0.05 (1 + cos(pi e / 4)).
        rates = 0.05 * (1 + np.cos(np.pi * np.arange(4) / 4))
        assert run() == pytest.approx(-10 * rates.sum(), rel=6e-7)
    else:
        with pytest.raises((OSError, KeyError)):
            run()
        assert files(tmp_path) == before


@pytest.mark.parametrize("kind", ["callback", "schedule"])
def test_a_backup_of_two_epochs(tmp_path, kind):
    """Killed between its two files, Keras trains an epoch twice, which a schedule counts."""

    def run(*others):
        annealing = [CosineAnnealingCallback(t_max=4)] if kind == "callback" else []
        rate = (
            0.1
            if annealing
            else CosineAnnealingSchedule(lr_initial=0.1, t_max=4, steps_per_epoch=10)
        )
        model = compiled(keras.optimizers.SGD(rate))
        backup = keras.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
        fit(model, *annealing, backup, *others, epochs=4)
        return weight_of(model)

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                self.metadata = metadata.read_bytes()
            if epoch == 2:
                raise KeyboardInterrupt

    metadata, stop = tmp_path / "training_metadata.json", Stop()
    with pytest.raises(KeyboardInterrupt):
        run(stop)
    metadata.write_bytes(stop.metadata)
    # Epochs 0 and 1, then 1 to 3 after the restart; for the schedule the latter are 2 to 4.
    again = np.array([1, 2, 3] if kind == "callback" else [2, 3, 4])
    rates = 0.05 * (1 + np.cos(np.pi * np.array([0, 1, *again]) / 4))
    assert run() == pytest.approx(-10 * rates.sum(), rel=6e-7)
