"""The epoch of a batch is the number of whole passes before it, after any resume."""

import math

import pytest
import torch

from .events import Saver
from .parts import REPEATS_A_BATCH, CosineAnnealingCallback, Model, Streamed, Validated, fit

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


@pytest.mark.parametrize("limits", [UPDATES, EPOCHS], ids=str)
@pytest.mark.parametrize("hook", [END, BATCH])
def test_data_without_length(resumed, limits, hook):
    assert resumed(Streamed, (hook, 4), limits)[:8] == [*[1] * 4, *[2] * 4]


def as_the_oldest_version_saved(callbacks):
    (key,) = (key for key in callbacks if key.startswith("Cosine"))
    state = {name: callbacks[key][name] for name in ("interval", "t_max", "epochs")}
    groups = [{**each} for each in callbacks[key]["optimizers"]]
    callbacks[key] = {**state, "optimizers": groups}
    for each in groups:
        del each["configured"], each["count"]


def without_our_state(callbacks):
    for key in [key for key in callbacks if key.startswith("Cosine")]:
        del callbacks[key]


@pytest.mark.parametrize(
    "edit", [as_the_oldest_version_saved, pytest.param(without_our_state, marks=pytest.mark.slow)]
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
