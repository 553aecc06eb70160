"""A resumed run uses the rates of the uninterrupted one, bit for bit, or says what has changed.

tests/torture kills runs, and resumes them.
"""

import re

import pytest
import torch

from tests.curve import cosine, cosines

from .parts import CosineAnnealingCallback, Model, Validated, fit, per_update, pl, said


class SaveEverywhere(pl.callbacks.Checkpoint):
    """Save in every hook that may save; Lightning calls a Checkpoint after other callbacks."""

    def __init__(self, folder):
        self.folder = folder

    def save(self, trainer, where):
        name = f"{trainer.global_step:03}-{trainer.current_epoch}-{where}.ckpt"
        trainer.save_checkpoint(self.folder / name)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.save(trainer, f"batch{batch_idx}")

    def on_validation_end(self, trainer, pl_module):
        self.save(trainer, "validation")

    def on_train_epoch_end(self, trainer, pl_module):
        self.save(trainer, "epoch")


@pytest.mark.parametrize(
    ("options", "accumulate"),
    [
        ({"interval": "step", "lr_min": 0.001}, 1),
        ({"interval": "step", "lr_min": 0.001}, 3),
        ({"interval": "epoch", "lr_min": 0.001}, 1),
        ({"interval": "epoch", "lr_min": 0.001}, 3),
        ({"interval": "step", "warmup": 0.3, "cycles": 2, "peak_decay": 0.5}, 1),
    ],
    ids=str,
)
def test_from_every_checkpoint(tmp_path, recwarn, options, accumulate):
    straight = Validated(batches=4)
    run = {"max_epochs": 3, "accumulate_grad_batches": accumulate}
    fit(straight, CosineAnnealingCallback(**options), SaveEverywhere(tmp_path), **run)
    by_update = {update: rate for update, _, rate in straight.used}
    by_epoch = {epoch: rate for _, epoch, rate in straight.used}
    checkpoints = sorted(tmp_path.glob("*.ckpt"))
    assert len(checkpoints) == 18
    for checkpoint in checkpoints:
        resumed = Validated(batches=4)
        fit(resumed, CosineAnnealingCallback(**options), ckpt_path=checkpoint, **run)
        update, epoch, where = re.fullmatch(r"(\d+)-(\d)-(\w+)", checkpoint.stem).groups()
        # Lightning up to 2.4 trains one batch again: one update more than planned.
        used = [each for each in resumed.used if each[0] in by_update]
        assert [each[0] for each in used] == [u for u in by_update if u >= int(update)], checkpoint
        if options["interval"] == "step":
            assert all(by_update[u] == rate for u, _, rate in used), checkpoint
        else:
            first = int(epoch) + (where in ("batch3", "validation", "epoch"))
            assert all(by_epoch[max(e, first)] == rate for _, e, rate in used), checkpoint
    assert said(recwarn, "the checkpoint") == []


def stop_after(updates, callback, tmp_path, *, planned, model=None):
    """Train some of the planned updates and return the checkpoint."""

    class Stop(pl.Callback):
        def on_train_batch_end(self, trainer, *_):
            trainer.should_stop = trainer.global_step == updates

    run = fit(model or Model(), *([callback] if callback else []), Stop(), max_steps=planned)
    run.save_checkpoint(tmp_path / "stopped.ckpt")
    return tmp_path / "stopped.ckpt"


def resume(checkpoint, callback, *, lr=0.1, **run):
    model = Model(lr)
    fit(model, callback, ckpt_path=checkpoint, **run)
    return model


GROUP = "of param group 0 of optimizer 0"


@pytest.mark.parametrize(
    ("options", "named", "rate"),
    [
        ({"t_max": 20}, "t_max 10 -> 20", cosine(5, 20)),
        ({"t_max": 6}, "t_max 10 -> 6", cosine(5, 6)),
        ({"lr_min": 0.01}, f"lr_min {GROUP} 0.0 -> 0.01", 0.055),
        ({"lr_initial": 0.2}, f"lr_initial {GROUP} 0.1 -> 0.2", 0.1),
        ({"interval": "epoch"}, "interval step -> epoch", 0.1),
        ({"warmup": 2}, "warmup 0 -> 2", cosine(3, 8)),
        ({"hold": 2}, "hold 0 -> 2", cosine(3, 8)),
        ({"cycles": 2}, "cycles 1 -> 2", 0.05),
        ({"t_mult": 2}, "t_mult 1 -> 2", 0.05),
        ({"peak_decay": 0.5}, "peak_decay 1.0 -> 0.5", 0.05),
    ],
    ids=str,
)
def test_what_has_changed_wins_with_one_warning(tmp_path, options, named, rate):
    checkpoint = stop_after(5, per_update(t_max=10), tmp_path, planned=10)
    callback = CosineAnnealingCallback(**{"t_max": 10, "interval": "step", **options})
    # That the model is configured with another rate does not matter where lr_initial is given.
    lr = 0.3 if "lr_initial" in options else 0.1
    with pytest.warns(UserWarning, match=re.escape(named)) as caught:
        resumed = resume(checkpoint, callback, lr=lr, max_steps=10)
    assert resumed.rates[0] == pytest.approx(rate)
    (sentence,) = said(caught, "the checkpoint")
    head = f"the checkpoint has other parameters and the current ones are used: {named}; "
    assert sentence.startswith(f"{head}at this position the rate {GROUP} is ")
    after, before = sentence.rpartition(" is ")[2].split(" instead of ")
    assert (float(after), float(before)) == pytest.approx((rate, 0.05))
    if options.get("t_max") == 6:
        assert resumed.rates[1:] == [0] * 4


def test_the_same_curve_with_other_arguments_is_no_change(tmp_path, recwarn):
    callback = per_update(cycles=2, warmup=0.25)
    checkpoint = stop_after(5, callback, tmp_path, planned=20)
    resumed = resume(checkpoint, per_update(t_max=10, cycles=2, warmup=2), max_steps=20)
    assert resumed.rates[5:] == cosines(range(10), 10)
    assert said(recwarn, "the checkpoint") == []


def test_a_constant_rate_is_the_same_in_a_longer_run(tmp_path, recwarn):
    constant = {"lr_min_ratio": 1.0, "interval": "step"}
    checkpoint = stop_after(5, CosineAnnealingCallback(**constant), tmp_path, planned=10)
    resumed = resume(checkpoint, CosineAnnealingCallback(**constant), max_steps=30)
    assert set(resumed.rates) == {0.1}
    assert said(recwarn, "the checkpoint has other") == []
    with pytest.warns(UserWarning, match=r"warmup 0 -> 20; .* instead of 0\.1$"):
        resume(checkpoint, CosineAnnealingCallback(**constant, warmup=20), max_steps=40)


def test_a_finished_run_stays_at_the_floor_where_t_max_is_given(tmp_path, recwarn):
    checkpoint = stop_after(10, per_update(t_max=10), tmp_path, planned=10)
    assert resume(checkpoint, per_update(t_max=10), max_steps=20).rates == [0] * 10
    assert said(recwarn, "the checkpoint") == []


@pytest.mark.parametrize("t_max", [None, 1.0])
def test_a_longer_run_is_followed_with_a_warning(tmp_path, t_max):
    checkpoint = stop_after(10, per_update(t_max=t_max), tmp_path, planned=10)
    with pytest.warns(UserWarning, match="t_max 10 -> 20"):
        resumed = resume(checkpoint, per_update(t_max=t_max), max_steps=20)
    assert resumed.rates == cosines(range(10, 20), 20)


def test_on_exception(tmp_path):
    class Failing(Model):
        def on_train_batch_start(self, batch, batch_idx):
            if self.trainer.global_step == 13:
                raise RuntimeError("the power failed")

    saver = pl.callbacks.OnExceptionCheckpoint(tmp_path)
    with pytest.raises(RuntimeError, match="the power failed"):
        fit(Failing(), per_update(), saver, max_epochs=2)
    (checkpoint,) = tmp_path.glob("*.ckpt")
    used = {update: rate for update, _, rate in resume(checkpoint, per_update(), max_epochs=2).used}
    # Lightning up to 2.4 trains one batch again, beyond the end.
    assert [used[update] for update in range(13, 20)] == cosines(range(13, 20), 20)


class ScheduledByTorch(Model):
    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]


def without_initial_lr(path):
    checkpoint = torch.load(path, weights_only=True)
    for group in checkpoint["optimizer_states"][0]["param_groups"]:
        del group["initial_lr"]
    torch.save(checkpoint, path)


@pytest.mark.parametrize(
    ("ours", "model", "edit"),
    [
        (per_update(t_max=10), Model, None),
        (per_update(t_max=10), Model, without_initial_lr),
        (None, ScheduledByTorch, None),
    ],
    ids=["ours", "ours alone", "torch's scheduler"],
)
def test_the_base_is_the_checkpoints_not_the_decayed_nor_the_models(tmp_path, ours, model, edit):
    checkpoint = stop_after(5, ours, tmp_path, planned=10, model=model())
    if edit:
        edit(checkpoint)
    sentence = (
        f"the rate {GROUP} is configured as 0.7, and the run goes on with the checkpoint's 0.1; "
        "give lr_initial= to change it"
    )
    with pytest.warns(UserWarning, match=re.escape(sentence)) as caught:
        resumed = resume(checkpoint, per_update(t_max=10), lr=0.7, max_steps=10)
    assert resumed.rates == cosines(range(5, 10), 10)
    assert said(caught, "the checkpoint") == [sentence]


def test_a_rate_that_its_owner_set_is_no_other_rate_of_the_model(tmp_path):
    class Owner(pl.Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            if trainer.current_epoch == 1:
                trainer.optimizers[0].param_groups[0]["lr"] = 0.01

    run = fit(Model(), per_update(), Owner(), max_epochs=2)
    run.save_checkpoint(tmp_path / "run.ckpt")
    with pytest.warns(UserWarning, match="t_max 20 -> 30") as caught:
        fit(Model(), per_update(), Owner(), ckpt_path=tmp_path / "run.ckpt", max_epochs=3)
    assert said(caught, "is configured") == []


def test_a_checkpoint_without_any_base_takes_the_models(tmp_path):
    checkpoint = stop_after(5, None, tmp_path, planned=5)
    resumed = resume(checkpoint, per_update(t_max=10), lr=0.2, max_steps=6)
    assert resumed.rates == pytest.approx([0.1])
