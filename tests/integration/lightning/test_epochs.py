"""The epoch of a batch is the number of whole passes before it, after any resume."""

import math
from contextlib import suppress

import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset

from tests.integration.lightning.parts import CosineAnnealingCallback, Model, fit, pl

NEW = tuple(map(int, pl.__version__.split(".")[:2])) >= (2, 5)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.ckpt"


class Saver(pl.callbacks.Checkpoint):
    """Save in one hook, once `step` updates are done."""

    def __init__(self, path, hook, step):
        self.path, self.hook, self.step = path, hook, step

    def __getattribute__(self, name):
        if name != object.__getattribute__(self, "__dict__").get("hook"):
            return object.__getattribute__(self, name)

        def save(trainer, *_):
            if trainer.global_step == self.step:
                trainer.save_checkpoint(self.path)

        return save


class Stream(IterableDataset):
    def __iter__(self):
        return iter(torch.ones(4, 1))


class Streamed(Model):
    def train_dataloader(self):
        return DataLoader(Stream())


class Validated(Model):
    def val_dataloader(self):
        return DataLoader(torch.zeros(2, 1))

    def validation_step(self, batch, batch_idx):
        pass


def epochs_used(model):
    """Return the epoch of each rate used on a curve from 0.1 to 0 in 8 epochs."""
    return [round(8 / math.pi * math.acos(rate / 0.05 - 1), 6) for rate in model.rates]


def resumed(path, kind, saved, limits, *, edit=None):
    """Save a run of 4 batches an epoch, resume it, and return the epochs then used."""
    first, second = limits if isinstance(limits, tuple) else (limits, limits)
    quiet = {"num_sanity_val_steps": 0}
    fit(kind(batches=4), CosineAnnealingCallback(t_max=8), Saver(path, *saved), **quiet, **first)
    if edit:
        checkpoint = torch.load(path, weights_only=True)
        edit(checkpoint["callbacks"])
        torch.save(checkpoint, path)
    model = kind(batches=4)
    fit(model, CosineAnnealingCallback(t_max=8), ckpt_path=path, **quiet, **second)
    return epochs_used(model)


STEPS, BOTH, EPOCHS = {"max_steps": 12}, {"max_steps": 12, "max_epochs": 3}, {"max_epochs": 3}
END, BATCH = "on_train_epoch_end", "on_train_batch_end"


def test_a_batch_of_a_finished_epoch_again_has_the_next_rate(path):
    # Each batch then has the rate of the epoch that it belongs to.
    assert resumed(path, Model, (END, 4), STEPS) == [1, *[1] * 4, *[2] * 3]
    both = resumed(path, Model, (END, 4), BOTH)
    assert both == [1, *[1] * 4, *[2] * (0 if NEW else 3)]  # from 2.5 on Lightning ends too early


@pytest.mark.parametrize("hook", [END, "on_validation_end"])
def test_with_a_validation_loop_no_batch_comes_again(path, hook):
    assert resumed(path, Validated, (hook, 4), STEPS) == [*[1] * 4, *[2] * 4]


def test_an_epoch_that_max_steps_has_cut_goes_on(path):
    used = resumed(path, Model, (END, 6), ({"max_steps": 6}, {"max_steps": 14}))
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
    if not NEW:  # it does so with each last batch
        epochs = [0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
    curve = [0.05 * (1 + math.cos(math.pi * e / 6)) for e in epochs]
    assert [used[update] for update in range(14)] == pytest.approx(curve)
    if NEW:
        assert used[max(used)] == 0


@pytest.mark.parametrize("limits", [STEPS, EPOCHS], ids=str)
@pytest.mark.parametrize("hook", [END, BATCH])
def test_data_without_length(path, limits, hook):
    used = resumed(path, Streamed, (hook, 4), limits)
    assert used[:8] == [*[1] * 4, *[2] * 4]


@pytest.mark.parametrize("kind", [Model, Streamed])
@pytest.mark.parametrize("limits", [STEPS, EPOCHS], ids=str)
def test_saved_before_the_first_batch_of_an_epoch(path, kind, limits):
    """Lightning trains that epoch with one batch, of an unknown length with a whole pass."""
    used = resumed(path, kind, ("on_train_epoch_start", 4), limits)
    assert used[0] == 1
    assert used == sorted(used)


def as_d15b331_saved(callbacks):
    (state,) = (state for key, state in callbacks.items() if key.startswith("Cosine"))
    for key in ("version", "open", "cut", "batches", "ends", "plan"):
        del state[key]
    for each in state["optimizers"]:
        del each["configured"]


def without_our_state(callbacks):
    for key in [key for key in callbacks if key.startswith("Cosine")]:
        del callbacks[key]


@pytest.mark.parametrize(
    "edit", [as_d15b331_saved, pytest.param(without_our_state, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("kind", [Model, Validated, Streamed])
@pytest.mark.parametrize("limits", [STEPS, EPOCHS], ids=["max_steps", "max_epochs"])
@pytest.mark.parametrize(
    "saved",
    [(BATCH, 5), (BATCH, 7), (BATCH, 8), (END, 8), ("on_train_batch_start", 6)],
)
def test_a_checkpoint_without_our_count(path, edit, kind, limits, saved):
    used = resumed(path, kind, saved, limits, edit=edit)
    assert used == resumed(path, kind, saved, limits)
    # Epoch 1 goes on, or epoch 2 begins.
    assert used[0] == saved[1] // 4
    assert used[-1] in (2, 3)
