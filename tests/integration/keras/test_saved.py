"""A saved model goes on with its schedule: in a new process, and from an older version."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from cosine_callbacks.keras import CosineAnnealingCallback, CosineAnnealingSchedule
from tests.curve import cosine
from tests.integration.fit.parts import BACKEND, Recorder, close, compiled, fit, once, weight_of
from tests.programs import run_program
from tests.saved_at_d15b331.make_schedules import KERAS, train

HERE = Path(__file__).parent
OLD = HERE.parents[1] / "saved_at_d15b331"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model saved by another process, after ten of twenty updates."""
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    return path, run_program(HERE / "saved.py", "save", path)


@once
def test_saved_at_10_of_20_and_loaded_in_a_new_process(saved):
    path, before = saved
    model = keras.models.load_model(path)
    assert float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)) == close(0.05)
    fit(model)
    # 1/2 (1 + cos(pi e / 20)) adds up to 21/2.
    assert weight_of(model) == close(-1.05)
    config = model.optimizer.get_config()["learning_rate"]["config"]
    assert config == before["config"]
    given = {"lr_initial": 0.1, "t_max": 20, "peak_decay": 0.5, "name": "mine"}
    assert config.items() >= given.items()


@once
def test_without_the_import_keras_says_what_the_docstring_shows(saved):
    program = f"import keras\nkeras.models.load_model({str(saved[0])!r})"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    for part in ("could not be deserialized properly", "Could not locate class 'CosineAnn"):
        assert part in done.stderr
        assert part in CosineAnnealingSchedule.__doc__.replace("\n    ", " ")


def test_saved_by_an_older_version():
    model = keras.saving.load_model(OLD / "schedule.keras")
    model.jit_compile = False  # torch would compile for a minute
    rates = json.loads((OLD / "schedules.json").read_text())["schedule.keras"]
    assert train(model, len(rates)) == close(rates)
    config = model.optimizer.get_config()["learning_rate"]["config"]
    assert config.items() >= KERAS.items()


@once
@pytest.mark.skipif(BACKEND == "tensorflow", reason="Keras imports its backend")
def test_tensorflow_is_not_imported():
    program = "import sys, cosine_callbacks.keras; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def by_callback(**options):
    return keras.optimizers.SGD(0.1), [CosineAnnealingCallback(**options)]


def by_schedule(**options):
    return keras.optimizers.SGD(CosineAnnealingSchedule(lr_initial=0.1, **options)), []


def run(made, folder, *others, **options):
    """Train for four epochs of ten batches with a backup; return minus the sum of the rates."""
    optimizer, annealing = made
    model = compiled(optimizer)
    backup = keras.callbacks.BackupAndRestore(folder, **options)
    fit(model, *annealing, backup, *others, epochs=4)
    return weight_of(model)


@once
@pytest.mark.parametrize(
    ("make", "used"),
    [
        # After 24 updates those of epochs 2 and 3.
        (lambda: by_callback(interval="step"), [*range(24), *range(20, 40)]),
        # The four after the floor add 0.
        (lambda: by_schedule(t_max=40), [*range(40)]),
    ],
    ids=["callback", "schedule"],
)
def test_a_backup_within_an_epoch(tmp_path, make, used):
    """Keras trains the whole epoch again, on the weights and the count of its fourth batch."""
    with pytest.raises(KeyboardInterrupt):
        run(make(), tmp_path, Recorder((2, 5)), save_freq=2)
    assert run(make(), tmp_path, save_freq=2) == close(-sum(cosine(e, 40) for e in used))


@once
@pytest.mark.parametrize(
    ("make", "epochs"),
    [
        (lambda: by_callback(t_max=4), [0, 1, 1, 2, 3]),
        (lambda: by_schedule(t_max=4, steps_per_epoch=10), [0, 1, 2, 3, 4]),
    ],
    ids=["callback", "schedule"],
)
def test_a_backup_of_two_epochs(tmp_path, make, epochs):
    """Killed between its two files, Keras trains an epoch twice, which a schedule counts."""
    metadata, saved = tmp_path / "training_metadata.json", {}

    def note(epoch, logs):
        saved[epoch] = metadata.read_bytes() if epoch else b""

    noting = keras.callbacks.LambdaCallback(on_epoch_begin=note)
    with pytest.raises(KeyboardInterrupt):
        run(make(), tmp_path, noting, Recorder((2, 0)), delete_checkpoint=False)
    metadata.write_bytes(saved[1])
    right = -10 * sum(cosine(e, 4) for e in epochs)
    assert run(make(), tmp_path, delete_checkpoint=False) == close(right)
