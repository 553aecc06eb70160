"""The curve ends with the run that really happens, where t_max is left to the Trainer."""

import re
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from tests.curve import cosines

from .events import Once, Saver, fail, said, stop
from .parts import CosineAnnealingCallback, Gan, Model, Streamed, fit, per_update, pl, trainer

MANUAL = "in manual optimization only the model knows how many updates a batch makes"


@pytest.mark.parametrize("interval", ["step", "epoch"])
@pytest.mark.parametrize(
    ("run", "planned"),  # updates and epochs, or why they are unknown
    [
        ({"max_epochs": 3}, (30, 3)),
        ({"max_epochs": 3, "accumulate_grad_batches": 4}, (9, 3)),
        ({"max_epochs": 3, "limit_train_batches": 0.5}, (15, 3)),
        ({"max_epochs": 3, "max_steps": 14}, (14, 2)),
        ({"max_epochs": 3, "max_steps": 1000}, (30, 3)),
        ({"max_steps": 14}, (14, 2)),
        ({"max_epochs": -1, "max_steps": 31}, (31, 4)),
        ({"max_epochs": 3, "table": {1: 5}}, (14, 3)),
        ({"max_epochs": 3, "table": {1: 5, 7: 2}}, (14, 3)),
        ({"max_epochs": 9, "max_steps": 13, "table": {1: 5, 7: 2}}, (13, 3)),
        # Lightning ends it with the updates.
        ({"max_epochs": 3, "max_steps": 14, "model": Streamed}, (14, "data has no length")),
        ({"max_steps": 14, "model": Streamed}, (14, "data has no length")),
        ({"max_epochs": 3, "model": Streamed}, ("data has no length", 3)),
        # Epochs, too, where the run is limited by updates.
        ({"max_epochs": 2, "model": Gan}, (MANUAL, 2)),
        ({"max_steps": 24, "model": Gan}, (MANUAL, MANUAL)),
        ({"max_epochs": 9, "max_steps": 24, "model": Gan}, (MANUAL, MANUAL)),
        ({"fast_dev_run": True, "model": Gan}, (MANUAL, 1)),
        ({"max_epochs": -1}, ("neither max_epochs nor max_steps",) * 2),
        ({"max_time": {"hours": 1}}, ("neither max_epochs nor max_steps",) * 2),
    ],
    ids=str,
)
def test_planned_length(run, planned, interval):
    run, planned = {**run}, planned[interval == "epoch"]
    model, tables = run.pop("model", Model)(), [run.pop("table")] if "table" in run else []
    theirs = map(pl.callbacks.GradientAccumulationScheduler, tables)
    made = trainer(*theirs, CosineAnnealingCallback(interval=interval), **run)
    if isinstance(planned, int):
        made.fit(model)
        positions = [epoch if interval == "epoch" else update for update, epoch, _ in model.used]
        assert positions[-1] == planned - 1
        assert model.rates == cosines(positions, planned)
    else:
        with pytest.raises(ValueError, match=rf"^t_max must be .*{planned}.*; give t_max=$"):
            made.fit(model)
        assert model.used == []
        (group,) = made.optimizers[0].param_groups
        assert (group["lr"], "initial_lr" in group) == (0.1, False)


@pytest.mark.parametrize(
    ("options", "sentence", "first"),
    [
        ({"cycles": 40}, "cycles must each get at least one unit", 0.1),
        ({"cycles": 9, "t_mult": 2}, "cycles must each get at least one unit", 0.1),
        ({"cycles": 3, "warmup": 500}, "warmup must leave .*, got 500", 0.1 / 501),
        ({"warmup": 500}, "warmup must leave .* 30, got 500", 0.1 / 501),
        ({"warmup": 3, "interval": "epoch"}, "warmup must leave .* 3, got 3", 0.025),
        ({"warmup": 3, "t_max": 0.1}, "warmup must leave .* 3, got 3", 0.025),
        ({"warmup": 0.05}, None, 0.1),
        ({"cycles": 3, "t_mult": 2}, None, 0.1),
    ],
    ids=str,
)
def test_a_run_shorter_than_its_curve_is_refused_and_a_smoke_test_passes(options, sentence, first):
    model = Model()
    refused = pytest.raises(ValueError, match=f"^{sentence}") if sentence else nullcontext()
    with refused:
        fit(model, CosineAnnealingCallback(**{"interval": "step", **options}), max_epochs=3)
    assert (model.used == []) == bool(sentence)
    for smoke in ({"fast_dev_run": True}, {"overfit_batches": 1}):
        for interval in ("step", "epoch"):
            model = Model()
            callback = CosineAnnealingCallback(**{**options, "interval": interval})
            fit(model, callback, **{"max_epochs": 1, **smoke})
            assert model.rates[0] == pytest.approx(first, rel=1e-12)
    # This is a short run, and no smoke test.
    with pytest.raises(ValueError, match=r"^warmup must leave .* 1, got 500"):
        fit(model, per_update(warmup=500), max_epochs=1, limit_train_batches=1)


def test_a_warmup_that_is_rounded_to_nothing_is_named_once():
    model = Model(batches=1)
    sentence = (
        "warmup must be more than half a unit of the first cycle, got 0.05 of 4 epochs, which is 0 "
        "epochs; give interval='step' or an int"
    )
    with pytest.warns(UserWarning, match=re.escape(sentence)) as caught:
        fit(model, CosineAnnealingCallback(warmup=0.05), max_epochs=4)
    assert said(caught, "half a unit") == [sentence]
    assert model.rates[0] == 0.1


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
def test_resumed_with_other_settings(tmp_path, batches, run, planned):
    first = fit(Model(), per_update(), Once("on_train_epoch_end", 20, stop), max_epochs=4)
    saved, model, half = tmp_path / "run.ckpt", Model(batches=batches), Model(batches=batches)
    first.save_checkpoint(saved)
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


def test_a_fit_after_a_resumed_one_that_has_failed(tmp_path):
    fit(Model(), per_update(), Saver(tmp_path / "run.ckpt", "on_train_batch_end", 3), max_epochs=4)
    model, made = Model(), trainer(per_update(), Once("on_train_batch_end", 5, fail), max_epochs=4)
    with pytest.raises(KeyError):
        made.fit(model, ckpt_path=tmp_path / "run.ckpt")
    made.accumulate_grad_batches = 4
    made.fit(model)
    # Lightning begins the epoch again: all of its updates are still to come.
    assert model.rates[2:] == cosines(range(5, 5 + 4 * 3), 5 + 4 * 3)


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


def test_reloaded_data_do_not_matter_where_the_updates_are_limited():
    model = Growing()
    fit(model, per_update(), max_epochs=-1, max_steps=12, **RELOADED)
    assert model.rates == cosines(range(12), 12)


def test_numpy_limits_make_a_checkpoint_that_loads(tmp_path):
    limits = {"max_steps": np.int64(12), "accumulate_grad_batches": np.int64(2)}
    fit(Model(), per_update(), **limits).save_checkpoint(tmp_path / "run.ckpt")
    state = torch.load(tmp_path / "run.ckpt", weights_only=True)["callbacks"]
    assert state["CosineAnnealingCallback{'optimizers': None}"]["plan"]["length"] == 12
