"""The curve ends with the run that really happens, where it is not as long as it was."""

import math

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from tests.integration.lightning.parts import CosineAnnealingCallback, Model, fit, pl, trainer


def curve(e, planned):
    return 0.05 * (1 + math.cos(math.pi * e / planned))


def tail(planned, done=20):
    return pytest.approx([curve(e, planned) for e in range(done, planned)], rel=1e-9)


def per_update(**options):
    return CosineAnnealingCallback(interval="step", **options)


def saved_after(tmp_path, epochs=2, **run):
    """Train some of 4 epochs of 10 batches, and return the checkpoint."""

    class Stop(pl.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            trainer.should_stop = trainer.current_epoch == epochs - 1

    limits = {"max_epochs": 4, **run}
    fit(Model(), per_update(), Stop(), **limits).save_checkpoint(tmp_path / "run.ckpt")
    return tmp_path / "run.ckpt"


@pytest.mark.parametrize(
    ("batches", "run", "planned", "some"),
    [
        (5, {}, 30, {20: 0.025, 29: 0.000274}),
        (10, {"accumulate_grad_batches": 2}, 30, {20: 0.025, 29: 0.000274}),
        (10, {"accumulate_grad_batches": 4}, 26, {20: 0.01257, 25: 0.000364}),
        (8, {}, 36, {20: 0.041318, 35: 0.00019}),
        (20, {}, 60, {20: 0.075, 59: 0.0000685}),
        (10, {"max_epochs": 6}, 60, {20: 0.075, 59: 0.0000685}),
        (10, {"max_epochs": 3}, 30, {20: 0.025, 29: 0.000274}),
        (5, {"max_epochs": 8, "max_steps": 36}, 36, {20: 0.041318, 35: 0.00019}),
        (10, {"limit_train_batches": 0.5}, 30, {20: 0.025, 29: 0.000274}),
    ],
    ids=str,
)
def test_resumed_with_other_settings(tmp_path, batches, run, planned, some):
    checkpoint, model = saved_after(tmp_path), Model(batches=batches)
    with pytest.warns(UserWarning, match=f"t_max 40 -> {planned}"):
        fit(model, per_update(), ckpt_path=checkpoint, **{"max_epochs": 4, **run})
    assert model.rates == tail(planned)
    for update, rate in some.items():
        assert model.rates[update - 20] == pytest.approx(rate, rel=2e-3)


def test_resumed_in_mid_epoch_with_other_settings(tmp_path):
    class Saver(pl.callbacks.Checkpoint):
        def on_train_batch_end(self, trainer, *_):
            if trainer.global_step == 14:
                trainer.save_checkpoint(tmp_path / "run.ckpt")

    fit(Model(), per_update(), Saver(), max_epochs=3)
    model = Model()
    run = {"max_epochs": 3, "accumulate_grad_batches": 5}
    with pytest.warns(UserWarning, match="t_max 30 -> 18"):
        fit(model, per_update(), ckpt_path=tmp_path / "run.ckpt", **run)
    # Of the epoch that goes on, the updates with batches 4 and 9 are left; 2 more follow.
    assert model.rates == tail(18, done=14)


def test_a_resumed_fraction_of_the_run(tmp_path):
    checkpoint, model = saved_after(tmp_path), Model(batches=5)
    with pytest.warns(UserWarning, match="t_max 40 -> 15"):
        fit(model, per_update(t_max=0.5), ckpt_path=checkpoint, max_epochs=4)
    assert model.rates == [0.0] * 10


def test_resumed_epochs_with_other_settings(tmp_path):
    fit(Model(), CosineAnnealingCallback(), max_steps=20).save_checkpoint(tmp_path / "run.ckpt")
    model = Model(batches=5)
    with pytest.warns(UserWarning, match="t_max 2 -> 6"):
        fit(model, CosineAnnealingCallback(), ckpt_path=tmp_path / "run.ckpt", max_steps=40)
    # Lightning trains a batch of the last epoch again.
    epochs = [2, *[2] * 5, *[3] * 5, *[4] * 5, *[5] * 4]
    assert model.rates == pytest.approx([curve(e, 6) for e in epochs])


def test_a_second_fit_with_other_data():
    model, callback = Model(), per_update()
    run = fit(model, callback, max_epochs=2)
    run.fit_loop.max_epochs = 4
    run.fit(model, DataLoader(TensorDataset(torch.ones(5, 1))))
    assert model.rates[20:] == tail(30)


class Growing(Model):
    """Two batches more in each epoch."""

    def train_dataloader(self):
        return DataLoader(TensorDataset(torch.ones(2 * self.trainer.current_epoch + 2, 1)))


RELOADED = {"max_epochs": 4, "reload_dataloaders_every_n_epochs": 1}


def test_reloaded_data_of_another_length_are_named_once(tmp_path):
    model = Growing()

    class Saver(pl.callbacks.Checkpoint):
        def on_train_epoch_end(self, trainer, pl_module):
            if trainer.current_epoch == 1:
                trainer.save_checkpoint(tmp_path / "run.ckpt")

    sentence = (
        "t_max was planned for 2 batches in each epoch, and epoch 1 has 4: the curve does not end "
        "with the run; give t_max="
    )
    with pytest.warns(UserWarning, match=sentence) as caught:
        fit(model, per_update(), Saver(), **RELOADED)
    assert len([w for w in caught if "t_max was planned" in str(w.message)]) == 1
    right = [curve(min(e, 8), 8) for e in range(20)]
    assert model.rates == pytest.approx(right, rel=1e-9)
    # Nothing was changed by the user: the resumed run uses the rates of the uninterrupted one.
    resumed = Growing()
    with pytest.warns(UserWarning, match="t_max was planned for 2 batches .* epoch 2 has 6"):
        fit(resumed, per_update(), ckpt_path=tmp_path / "run.ckpt", **RELOADED)
    assert resumed.rates == model.rates[6:]


def test_reloaded_data_do_not_matter_where_the_updates_are_limited():
    model = Growing()
    options = {"max_epochs": -1, "max_steps": 12, "reload_dataloaders_every_n_epochs": 1}
    fit(model, per_update(), **options)
    assert model.rates == tail(12, done=0)


class Stream(IterableDataset):
    def __iter__(self):
        return iter(torch.ones(12, 1))


def test_a_stream_with_two_limits_ends_at_max_steps():
    class Streamed(Model):
        def train_dataloader(self):
            return DataLoader(Stream())

    model = Streamed()
    fit(model, per_update(), max_epochs=3, max_steps=5)
    assert model.rates == tail(5, done=0)


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
@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_a_smoke_test_of_a_valid_plan_passes(smoke, options, first, interval):
    model = Model()
    callback = CosineAnnealingCallback(interval=interval, **options)
    fit(model, callback, **{"max_epochs": 1, **smoke})
    assert model.rates[0] == pytest.approx(first, rel=1e-12)


def test_other_runs_that_are_shorter_than_their_warmup_are_refused():
    with pytest.raises(ValueError, match=r"warmup must leave .* 10, got 500"):
        fit(Model(), per_update(warmup=500), max_epochs=1)
    with pytest.raises(ValueError, match=r"warmup must leave .* 1, got 500"):
        fit(Model(), per_update(warmup=500), max_epochs=1, limit_train_batches=1)


@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_an_unchanged_run_keeps_its_length_bit_for_bit(tmp_path, interval):
    straight, run = Model(), {"max_epochs": 5, "accumulate_grad_batches": 4}
    fit(straight, CosineAnnealingCallback(interval=interval), **run)

    class Saver(pl.callbacks.Checkpoint):
        def on_train_epoch_end(self, trainer, pl_module):
            trainer.save_checkpoint(tmp_path / f"{trainer.current_epoch}.ckpt")

    fit(Model(), CosineAnnealingCallback(interval=interval), Saver(), **run)
    for epoch in range(4):
        model, checkpoint = Model(), tmp_path / f"{epoch}.ckpt"
        fit(model, CosineAnnealingCallback(interval=interval), ckpt_path=checkpoint, **run)
        assert model.rates == straight.rates[3 * (epoch + 1) :]


def test_another_rate_of_the_model_is_named(tmp_path):
    checkpoint = saved_after(tmp_path)
    with pytest.warns(
        UserWarning, match="is configured as 0.2, .* the checkpoint's 0.1; give lr_i"
    ):
        fit(Model(0.2), per_update(), ckpt_path=checkpoint, max_epochs=4)
    model = Model(0.2)
    with pytest.warns(UserWarning, match="lr_initial of param group 0 .* 0.1 -> 0.3") as caught:
        fit(model, per_update(lr_initial=0.3), ckpt_path=checkpoint, max_epochs=4)
    assert not any("is configured" in str(w.message) for w in caught)
    assert model.rates[0] == pytest.approx(0.15)


def test_a_rate_that_its_owner_set_is_no_changed_rate(tmp_path):
    class Owner(pl.Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            if trainer.current_epoch == 1:
                trainer.optimizers[0].param_groups[0]["lr"] = 0.01

    limits = {"max_epochs": 3}
    run = trainer(per_update(), Owner(), max_epochs=2)
    run.fit(Model())
    run.save_checkpoint(tmp_path / "run.ckpt")
    with pytest.warns(UserWarning, match="t_max 20 -> 30") as caught:
        fit(Model(), per_update(), Owner(), ckpt_path=tmp_path / "run.ckpt", **limits)
    assert not any("is configured" in str(w.message) for w in caught)


def test_numpy_limits_make_a_checkpoint_that_loads(tmp_path):
    limits = {"max_steps": np.int64(12), "accumulate_grad_batches": np.int64(2)}
    fit(Model(), per_update(), **limits).save_checkpoint(tmp_path / "run.ckpt")
    state = torch.load(tmp_path / "run.ckpt", weights_only=True)["callbacks"]
    assert state["CosineAnnealingCallback{'optimizers': None}"]["plan"]["length"] == 12
