"""The curve ends with the run that really happens, where t_max is left to the Trainer."""

import re

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from tests.curve import cosines

from .parts import (
    CosineAnnealingCallback,
    Model,
    Saver,
    Streamed,
    fit,
    per_update,
    pl,
    said,
    trainer,
)


@pytest.mark.parametrize(
    ("run", "planned"),
    [
        ({"max_epochs": 3}, 30),
        ({"max_epochs": 3, "accumulate_grad_batches": 4}, 9),
        ({"max_epochs": 3, "limit_train_batches": 0.5}, 15),
        ({"max_epochs": 3, "max_steps": 14}, 14),
        ({"max_epochs": 3, "max_steps": 1000}, 30),
        ({"max_steps": 14}, 14),
        ({"max_epochs": -1, "max_steps": 14}, 14),
        ({"max_epochs": 3, "table": {1: 5}}, 14),
        ({"max_epochs": 3, "table": {1: 5, 7: 2}}, 14),
        ({"max_epochs": 9, "max_steps": 13, "table": {1: 5, 7: 2}}, 13),
        ({"max_epochs": 3, "max_steps": 14, "model": Streamed}, 14),  # Lightning ends it there
        ({"max_steps": 14, "model": Streamed}, 14),
    ],
    ids=str,
)
def test_planned_updates(run, planned):
    model, tables = run.pop("model", Model)(), [run.pop("table")] if "table" in run else []
    theirs = map(pl.callbacks.GradientAccumulationScheduler, tables)
    fit(model, *theirs, per_update(), **run)
    assert model.rates == cosines(range(planned), planned)


@pytest.mark.parametrize(
    ("run", "planned"),
    [
        ({"max_epochs": 3}, 3),
        ({"max_epochs": 5, "max_steps": 25}, 3),
        ({"max_epochs": 2, "max_steps": 25}, 2),
        ({"max_steps": 31}, 4),
        ({"max_epochs": 9, "max_steps": 13, "table": {1: 5}}, 3),
        ({"max_epochs": 3, "model": Streamed}, 3),
    ],
    ids=str,
)
def test_planned_epochs(run, planned):
    model, tables = run.pop("model", Model)(), [run.pop("table")] if "table" in run else []
    theirs = map(pl.callbacks.GradientAccumulationScheduler, tables)
    fit(model, *theirs, CosineAnnealingCallback(), **run)
    assert sorted(set(model.rates), reverse=True) == cosines(range(planned), planned)


@pytest.mark.parametrize(("t_max", "right"), [(0.5, 15), (1.0, 30), (0.001, 1)])
def test_a_fraction_of_the_run(t_max, right):
    model = Model()
    fit(model, per_update(t_max=t_max), max_epochs=3)
    assert [*model.rates, 0].index(0) == right


@pytest.mark.parametrize(
    ("model", "callback", "run", "reason"),
    [
        (Streamed, {"interval": "step"}, {"max_epochs": 2}, "data has no length"),
        (Streamed, {}, {"max_epochs": 2, "max_steps": 9}, "data has no length"),
        (Model, {}, {"max_epochs": -1}, "neither max_epochs nor max_steps"),
        (Model, {"interval": "step"}, {"max_time": {"hours": 1}}, "neither max_epochs nor max_"),
    ],
    ids=str,
)
def test_an_unknown_length_is_refused_before_the_first_batch(model, callback, run, reason):
    made = model()
    attempt = trainer(CosineAnnealingCallback(**callback), **run)
    with pytest.raises(ValueError, match=rf"^t_max must be .*{reason}.*; give t_max=$"):
        attempt.fit(made)
    assert made.used == []
    (group,) = attempt.optimizers[0].param_groups
    assert group["lr"] == 0.1
    assert "initial_lr" not in group


def test_the_length_is_not_asked_for_where_t_max_is_given():
    model = Streamed()
    fit(model, per_update(t_max=12), max_epochs=1)
    assert model.rates == cosines(range(10), 12)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"cycles": 40}, r"cycles must each get at least one unit"),
        ({"cycles": 9, "t_mult": 2}, r"cycles must each get at least one unit"),
        ({"warmup": 500}, r"warmup must leave .* 30, got 500"),
        ({"warmup": 3, "interval": "epoch"}, r"warmup must leave .* 3, got 3"),
    ],
    ids=str,
)
def test_a_run_shorter_than_its_curve_is_refused(options, sentence):
    model = Model()
    with pytest.raises(ValueError, match=f"^{sentence}"):
        fit(model, CosineAnnealingCallback(**{"interval": "step", **options}), max_epochs=3)
    assert model.used == []
    with pytest.raises(ValueError, match=r"^warmup must leave .* 1, got 500"):
        fit(model, per_update(warmup=500), max_epochs=1, limit_train_batches=1)


@pytest.mark.parametrize("smoke", [{"fast_dev_run": True}, {"overfit_batches": 1}], ids=str)
@pytest.mark.parametrize(
    ("options", "first"),
    [
        ({"warmup": 500}, 0.1 / 501),
        ({"warmup": 500, "cycles": 3}, 0.1 / 501),
        ({"warmup": 0.05}, 0.1),
        ({"cycles": 3, "t_mult": 2}, 0.1),
        ({"t_max": 0.1, "warmup": 3}, 0.025),
    ],
    ids=str,
)
def test_a_smoke_test_of_a_valid_plan_passes(smoke, options, first):
    for interval in ("step", "epoch"):
        model = Model()
        callback = CosineAnnealingCallback(interval=interval, **options)
        fit(model, callback, **{"max_epochs": 1, **smoke})
        assert model.rates[0] == pytest.approx(first, rel=1e-12)


def test_a_warmup_that_is_rounded_to_nothing_is_named_once():
    model = Model()
    sentence = (
        "warmup must be more than half a unit of the first cycle, got 0.05 of 4 epochs, which is 0 "
        "epochs; give interval='step' or an int"
    )
    with pytest.warns(UserWarning, match=re.escape(sentence)) as caught:
        fit(model, CosineAnnealingCallback(warmup=0.05), max_epochs=4)
    assert said(caught, "half a unit") == [sentence]
    assert model.rates[0] == 0.1


@pytest.fixture
def saved(tmp_path):
    """A checkpoint after 2 of 4 epochs of 10 batches."""

    class Stop(pl.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            trainer.should_stop = trainer.current_epoch == 1

    fit(Model(), per_update(), Stop(), max_epochs=4).save_checkpoint(tmp_path / "run.ckpt")
    return tmp_path / "run.ckpt"


@pytest.mark.parametrize(
    ("batches", "run", "planned"),
    [
        (5, {}, 30),
        (10, {"accumulate_grad_batches": 2}, 30),
        (10, {"accumulate_grad_batches": 4}, 26),
        (8, {}, 36),
        (20, {}, 60),
        (10, {"max_epochs": 6}, 60),
        (10, {"max_epochs": 3}, 30),
        (5, {"max_epochs": 8, "max_steps": 36}, 36),
        (10, {"limit_train_batches": 0.5}, 30),
    ],
    ids=str,
)
def test_resumed_with_other_settings(saved, batches, run, planned):
    model, half = Model(batches=batches), Model(batches=batches)
    with pytest.warns(UserWarning, match=f"t_max 40 -> {planned}"):
        fit(model, per_update(), ckpt_path=saved, **{"max_epochs": 4, **run})
    assert model.rates == cosines(range(20, planned), planned)
    with pytest.warns(UserWarning, match=f"t_max 40 -> {planned // 2}"):
        fit(half, per_update(t_max=0.5), ckpt_path=saved, **{"max_epochs": 4, **run})
    assert half.rates == cosines(range(20, planned), planned // 2)


def test_resumed_in_mid_epoch_with_other_settings(tmp_path):
    saver = Saver(tmp_path / "run.ckpt", "on_train_batch_end", 14)
    fit(Model(), per_update(), saver, max_epochs=3)
    model, run = Model(), {"max_epochs": 3, "accumulate_grad_batches": 5}
    with pytest.warns(UserWarning, match="t_max 30 -> 18"):
        fit(model, per_update(), ckpt_path=tmp_path / "run.ckpt", **run)
    # Of the epoch that goes on, the updates with batches 4 and 9 are left; 2 more follow.
    assert model.rates == cosines(range(14, 18), 18)


def test_resumed_epochs_with_other_settings(tmp_path):
    fit(Model(), CosineAnnealingCallback(), max_steps=20).save_checkpoint(tmp_path / "run.ckpt")
    model = Model(batches=5)
    with pytest.warns(UserWarning, match="t_max 2 -> 6"):
        fit(model, CosineAnnealingCallback(), ckpt_path=tmp_path / "run.ckpt", max_steps=40)
    # Lightning trains a batch of the last epoch again.
    assert model.rates == cosines([2, *[2] * 5, *[3] * 5, *[4] * 5, *[5] * 4], 6)


def test_a_second_fit_with_other_data():
    model = Model()
    run = fit(model, per_update(), max_epochs=2)
    run.fit_loop.max_epochs = 4
    run.fit(model, DataLoader(TensorDataset(torch.ones(5, 1))))
    assert model.rates[20:] == cosines(range(20, 30), 30)


class Growing(Model):
    """Two batches more in each epoch."""

    def train_dataloader(self):
        return DataLoader(TensorDataset(torch.ones(2 * self.trainer.current_epoch + 2, 1)))


RELOADED = {"reload_dataloaders_every_n_epochs": 1}


def test_reloaded_data_of_another_length_are_named_once(tmp_path):
    model, saver = Growing(), Saver(tmp_path / "run.ckpt", "on_train_epoch_end", 6)
    sentence = (
        "t_max was planned for 2 batches in each epoch, and epoch 1 has 4: the curve does not end "
        "with the run; give t_max="
    )
    with pytest.warns(UserWarning, match=sentence) as caught:
        fit(model, per_update(), saver, max_epochs=4, **RELOADED)
    assert said(caught, "t_max was planned") == [sentence]
    assert model.rates == cosines(range(20), 8)
    # Nothing was changed by the user: the resumed run uses the rates of the uninterrupted one.
    resumed, checkpoint = Growing(), tmp_path / "run.ckpt"
    with pytest.warns(UserWarning, match="t_max was planned for 2 batches .* epoch 2 has 6"):
        fit(resumed, per_update(), ckpt_path=checkpoint, max_epochs=4, **RELOADED)
    assert resumed.rates == model.rates[6:]


def test_reloaded_data_do_not_matter_where_the_updates_are_limited(recwarn):
    model = Growing()
    fit(model, per_update(), max_epochs=-1, max_steps=12, **RELOADED)
    assert model.rates == cosines(range(12), 12)
    assert said(recwarn, "t_max was planned") == []


def test_numpy_limits_make_a_checkpoint_that_loads(tmp_path):
    limits = {"max_steps": np.int64(12), "accumulate_grad_batches": np.int64(2)}
    fit(Model(), per_update(), **limits).save_checkpoint(tmp_path / "run.ckpt")
    state = torch.load(tmp_path / "run.ckpt", weights_only=True)["callbacks"]
    assert state["CosineAnnealingCallback{'optimizers': None}"]["plan"]["length"] == 12


class Crash(pl.Callback):
    """A bug of the user's, in the second batch of a fit."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.accumulate_grad_batches == 1 and len(pl_module.used) == 2:
            raise KeyError("bug")


def test_a_fit_after_a_resumed_one_that_has_failed(tmp_path):
    path = tmp_path / "mid.ckpt"
    fit(Model(batches=6), per_update(), Saver(path, "on_train_batch_end", 3), max_epochs=4)
    model = Model(batches=6)
    made = trainer(per_update(), Crash(), max_epochs=4)
    with pytest.raises(KeyError):
        made.fit(model, ckpt_path=path)
    done, made.accumulate_grad_batches = made.global_step, 4
    made.fit(model)
    planned = done + len(model.used[2:])
    # Lightning begins the epoch again: all of its updates are still to come.
    assert planned == done + 4 * 2
    assert model.rates[2:] == cosines(range(done, planned), planned)
