"""The epoch of a batch is the number of whole passes before it, after any resume."""

import math
from contextlib import suppress

import pytest
import torch

from tests.curve import cosines

from .parts import (
    REPEATS_A_BATCH,
    CosineAnnealingCallback,
    Model,
    Saver,
    Streamed,
    Validated,
    fit,
    pl,
)

UPDATES, EPOCHS = {"max_steps": 12}, {"max_epochs": 3}
END, BATCH = "on_train_epoch_end", "on_train_batch_end"


@pytest.fixture
def resumed(tmp_path):
    """Save a run of 4 batches an epoch (in a hook, after so many updates); resume it.

    Returns:
        The epochs of the rates used then.
    """

    def run(kind, saved, first, second=None, *, edit=None):
        path = tmp_path / "run.ckpt"
        saver = Saver(path, *saved)
        fit(kind(batches=4), CosineAnnealingCallback(t_max=8), saver, **first)
        if edit:
            checkpoint = torch.load(path, weights_only=True)
            edit(checkpoint["callbacks"])
            torch.save(checkpoint, path)
        model = kind(batches=4)
        fit(model, CosineAnnealingCallback(t_max=8), ckpt_path=path, **second or first)
        return [round(8 / math.pi * math.acos(rate / 0.05 - 1), 6) for rate in model.rates]

    return run


def test_a_batch_of_a_finished_epoch_again_has_the_next_rate(resumed):
    # Each batch then has the rate of the epoch that it belongs to.
    assert resumed(Model, (END, 4), UPDATES) == [1, *[1] * 4, *[2] * 3]
    both = resumed(Model, (END, 4), UPDATES | EPOCHS)
    # From 2.5 on Lightning ends too early.
    assert both == [1, *[1] * 4, *[2] * (3 if REPEATS_A_BATCH else 0)]


@pytest.mark.parametrize("hook", [END, "on_validation_end"])
def test_with_a_validation_loop_no_batch_comes_again(resumed, hook):
    assert resumed(Validated, (hook, 4), UPDATES) == [*[1] * 4, *[2] * 4]


def test_an_epoch_that_max_steps_has_cut_goes_on(resumed):
    used = resumed(Model, (END, 6), {"max_steps": 6}, {"max_steps": 14})
    assert used == [*[1] * 2, *[2] * 4, *[3] * 2]


class Preempted(Model):
    """Fails after `most` updates of this process."""

    def training_step(self, batch, batch_idx):
        if len(self.used) == self.most:
            raise RuntimeError("preempted")
        return super().training_step(batch, batch_idx)


def test_preempted_again_and_again(tmp_path):
    """Six epochs of 2 batches, saved after each last batch, resumed from the newest."""
    newest, used = None, {}
    for process in range(6):
        folder, model = tmp_path / str(process), Preempted(batches=2)
        model.most = 4 if process % 2 else 2
        saver = pl.callbacks.ModelCheckpoint(
            folder, every_n_train_steps=2, save_on_train_epoch_end=False, save_top_k=-1
        )
        with suppress(RuntimeError):
            fit(model, CosineAnnealingCallback(), saver, ckpt_path=newest, max_epochs=6)
        used |= {update: rate for update, _, rate in model.used}
        newest = max(folder.glob("*.ckpt"), key=lambda path: path.stat().st_mtime_ns)
    # Lightning forgets epochs, and from 2.5 on trains one batch (update 8) twice.
    epochs = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 5, 5, 5]
    if REPEATS_A_BATCH:
        epochs = [0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
    assert [used[update] for update in range(14)] == cosines(epochs, 6)
    if not REPEATS_A_BATCH:
        assert used[max(used)] == 0


@pytest.mark.parametrize("limits", [UPDATES, EPOCHS], ids=str)
@pytest.mark.parametrize("hook", [END, BATCH])
def test_data_without_length(resumed, limits, hook):
    assert resumed(Streamed, (hook, 4), limits)[:8] == [*[1] * 4, *[2] * 4]


@pytest.mark.parametrize("kind", [Model, Streamed])
@pytest.mark.parametrize("limits", [UPDATES, EPOCHS], ids=str)
def test_saved_before_the_first_batch_of_an_epoch(resumed, kind, limits):
    """Lightning trains that epoch with one batch, of an unknown length with a whole pass."""
    used = resumed(kind, ("on_train_epoch_start", 4), limits)
    assert used[0] == 1
    assert used == sorted(used)


def as_an_old_version_saved(callbacks):
    (state,) = (state for key, state in callbacks.items() if key.startswith("Cosine"))
    for key in ("version", "open", "cut", "batches", "ends", "plan"):
        del state[key]
    for each in state["optimizers"]:
        del each["configured"]


def without_our_state(callbacks):
    for key in [key for key in callbacks if key.startswith("Cosine")]:
        del callbacks[key]


@pytest.mark.parametrize(
    "edit", [as_an_old_version_saved, pytest.param(without_our_state, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("kind", [Model, Validated, Streamed])
@pytest.mark.parametrize("limits", [UPDATES, EPOCHS], ids=str)
@pytest.mark.parametrize(
    "saved", [(BATCH, 5), (BATCH, 7), (BATCH, 8), (END, 8), ("on_train_batch_start", 6)]
)
def test_a_checkpoint_without_our_count(resumed, edit, kind, limits, saved):
    used = resumed(kind, saved, limits, edit=edit)
    assert used == resumed(kind, saved, limits)
    # Epoch 1 goes on, or epoch 2 begins.
    assert used[0] == saved[1] // 4
    assert used[-1] in (2, 3)
