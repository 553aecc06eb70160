"""A resumed run uses the rates of the uninterrupted one, bit for bit."""

import json
import math
import re

import pytest
import torch
from torch.utils.data import DataLoader

from tests.integration.lightning.parts import CosineAnnealingCallback, Model, fit, pl, run_program


class Saver(pl.callbacks.Checkpoint):
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


class Validated(Model):
    def val_dataloader(self):
        return DataLoader(torch.zeros(2, 1))

    def validation_step(self, batch, batch_idx):
        pass


RUN = {"max_epochs": 4, "num_sanity_val_steps": 0}


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize(
    "options",
    [
        {"interval": "step", "lr_min": 0.001},
        {"interval": "epoch", "lr_min": 0.001},
        {"interval": "step", "warmup": 0.3, "cycles": 2, "peak_decay": 0.5},
    ],
    ids=["step", "epoch", "restarts"],
)
def test_from_every_checkpoint(tmp_path, options, accumulate):
    straight = Validated(batches=4)
    run = {**RUN, "accumulate_grad_batches": accumulate}
    fit(straight, CosineAnnealingCallback(**options), Saver(tmp_path), **run)
    by_step = {step: lr for step, _, lr in straight.used}
    by_epoch = {epoch: lr for _, epoch, lr in straight.used}
    checkpoints = sorted(tmp_path.glob("*.ckpt"))
    assert len(checkpoints) == 24
    for checkpoint in checkpoints:
        resumed = Validated(batches=4)
        fit(resumed, CosineAnnealingCallback(**options), ckpt_path=checkpoint, **run)
        step, epoch, where = re.fullmatch(r"(\d+)-(\d)-(\w+)", checkpoint.stem).groups()
        # Lightning up to 2.4 trains one batch again: one update more than planned.
        updates = [used for used in resumed.used if used[0] in by_step]
        assert [used[0] for used in updates] == [s for s in by_step if s >= int(step)], checkpoint
        if options["interval"] == "step":
            assert all(by_step[s] == lr for s, _, lr in updates), checkpoint
        else:
            over = where in ("batch3", "validation", "epoch")
            first = int(epoch) + over
            assert all(by_epoch[max(e, first)] == lr for _, e, lr in updates), checkpoint


@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_sigkill_at_ten_points(tmp_path, interval):
    points = [1, 3, 5, 8, 9, 12, 16, 19, 23, 26]
    options = {"interval": interval, "lr_min": 0.001}
    run_program("killed_run.py", tmp_path, json.dumps(options), json.dumps(points))
    straight = Model(batches=7)
    fit(straight, CosineAnnealingCallback(**options), max_epochs=4)
    by_step = {step: lr for step, _, lr in straight.used}
    by_epoch = {epoch: lr for _, epoch, lr in straight.used}
    lines = (tmp_path / "used.jsonl").read_text().splitlines()
    used = [tuple(json.loads(line)) for line in lines]
    assert {step for step, _, _ in used} >= set(by_step)
    if interval == "step":
        assert all(by_step[step] == lr for step, _, lr in used if step in by_step)
    else:
        # Lightning up to 2.4 trains one batch of the epoch again, which is then longer by one.
        assert all(lr in (by_step.get(step), by_epoch[epoch]) for step, epoch, lr in used)


def stop_after(model, steps, callback, tmp_path, *, planned):
    """Train `steps` of `planned` updates and return the checkpoint."""

    class Stop(pl.Callback):
        def on_train_batch_end(self, trainer, *_):
            trainer.should_stop = trainer.global_step == steps

    trainer = fit(model, callback, Stop(), max_steps=planned)
    trainer.save_checkpoint(tmp_path / "stopped.ckpt")
    return tmp_path / "stopped.ckpt"


def resume(checkpoint, callback, *, lr=0.1, **run):
    model = Model(lr)
    fit(model, callback, ckpt_path=checkpoint, **run)
    return model


def by_step(*, t_max=None, **options):
    return CosineAnnealingCallback(t_max=t_max, interval="step", **options)


def checkpoint_warnings(caught):
    return [str(w.message) for w in caught if "the checkpoint" in str(w.message)]


def test_stopped_and_resumed(tmp_path, recwarn):
    checkpoint = stop_after(Model(), 5, by_step(t_max=20), tmp_path, planned=20)
    resumed = resume(checkpoint, by_step(t_max=20), max_steps=20)
    assert resumed.rates[:3] == pytest.approx([0.08535534, 0.07938926, 0.07269952], rel=1e-6)
    assert resumed.rates[5] == pytest.approx(0.05)
    straight = Model()
    fit(straight, by_step(t_max=20), max_steps=20)
    assert resumed.rates == straight.rates[5:]
    assert checkpoint_warnings(recwarn) == []


def test_a_longer_t_max_wins_with_one_warning(tmp_path):
    checkpoint = stop_after(Model(), 5, by_step(t_max=10), tmp_path, planned=10)
    with pytest.warns(UserWarning, match="t_max 10 -> 20") as caught:
        resumed = resume(checkpoint, by_step(t_max=20), max_steps=20)
    right = [0.08535534, 0.07938926, 0.07269952, 0.06545085]
    assert resumed.rates[:4] == pytest.approx(right, rel=1e-6)
    (message,) = checkpoint_warnings(caught)
    assert "is 0.0853553" in message
    assert "instead of 0.05" in message or "instead of 0.04999" in message
    assert "\n" not in message


def test_a_shorter_t_max_wins_with_one_warning(tmp_path):
    checkpoint = stop_after(Model(1e-3), 43, by_step(t_max=86), tmp_path, planned=86)
    with pytest.warns(UserWarning, match="t_max 86 -> 50") as caught:
        resumed = resume(checkpoint, by_step(t_max=50), lr=1e-3, max_steps=62)
    assert resumed.rates[0] == pytest.approx(4.758647e-5, rel=1e-6)
    assert resumed.rates[60 - 43] == 0
    (message,) = checkpoint_warnings(caught)
    assert "is 4.75864" in message
    assert re.search(r"instead of (0\.0005|0\.000499999)", message)


def test_resumed_in_the_middle_of_an_epoch(tmp_path):
    model = Model(batches=4)
    fit(model, CosineAnnealingCallback(t_max=4), Saver(tmp_path), max_epochs=2)
    resumed = Model(batches=4)
    checkpoint = tmp_path / "006-1-batch1.ckpt"
    fit(resumed, CosineAnnealingCallback(t_max=4), ckpt_path=checkpoint, max_epochs=3)
    by_epoch = {epoch: lr for _, epoch, lr in resumed.used}
    assert by_epoch == pytest.approx({1: 0.08535534, 2: 0.05}, rel=1e-6)


def test_resumed_from_a_model_checkpoint_every_five_steps(tmp_path):
    saver = pl.callbacks.ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=5, save_top_k=-1)
    fit(Model(), saver, by_step(t_max=20), max_steps=10)
    resumed = resume(tmp_path / "step=5.ckpt", by_step(t_max=20), max_steps=10)
    assert resumed.rates[0] == pytest.approx(0.08535534, rel=1e-6)


def test_a_finished_run_stays_at_the_floor(tmp_path, recwarn):
    fit(Model(), by_step(t_max=10), max_steps=10).save_checkpoint(tmp_path / "done.ckpt")
    resumed = resume(tmp_path / "done.ckpt", by_step(t_max=10), max_steps=20)
    assert resumed.rates == [0] * 10
    assert checkpoint_warnings(recwarn) == []


@pytest.mark.parametrize("t_max", [None, 1.0])
def test_a_longer_run_is_followed_with_a_warning(tmp_path, t_max):
    fit(Model(), by_step(t_max=t_max), max_steps=10).save_checkpoint(tmp_path / "done.ckpt")
    with pytest.warns(UserWarning, match="t_max 10 -> 20"):
        resumed = resume(tmp_path / "done.ckpt", by_step(t_max=t_max), max_steps=20)
    right = [0.05 * (1 + math.cos(math.pi * e / 20)) for e in range(10, 20)]
    assert resumed.rates == pytest.approx(right, rel=1e-12)


def test_on_exception(tmp_path):
    class Failing(Model):
        def on_train_batch_start(self, batch, batch_idx):
            if self.trainer.global_step == 13:
                raise RuntimeError("the power failed")

    saver = pl.callbacks.OnExceptionCheckpoint(tmp_path)
    with pytest.raises(RuntimeError, match="the power failed"):
        fit(Failing(), by_step(), saver, max_epochs=2)
    (checkpoint,) = tmp_path.glob("*.ckpt")
    resumed = resume(checkpoint, by_step(), max_epochs=2)
    straight = Model()
    fit(straight, by_step(), max_epochs=2)
    right = {step: lr for step, _, lr in straight.used}
    updates = [(step, lr) for step, _, lr in resumed.used if step in right]
    assert updates == [(step, lr) for step, lr in right.items() if step >= 13]


OTHER_RATE = (
    "the rate of param group 0 of optimizer 0 is configured as 0.7, and the run goes on with the "
    "checkpoint's 0.1; give lr_initial= to change it"
)


def test_the_base_is_the_checkpoints_not_the_decayed_nor_the_models(tmp_path):
    checkpoint = stop_after(Model(), 5, by_step(t_max=10), tmp_path, planned=10)
    with pytest.warns(UserWarning, match=re.escape(OTHER_RATE)) as caught:
        resumed = resume(checkpoint, by_step(t_max=10), lr=0.7, max_steps=10)
    assert resumed.rates[0] == pytest.approx(0.05)
    assert checkpoint_warnings(caught) == [OTHER_RATE]


def test_an_explicit_lr_initial_wins_with_a_warning(tmp_path):
    checkpoint = stop_after(Model(), 5, by_step(t_max=10), tmp_path, planned=10)
    named = "lr_initial of param group 0 of optimizer 0 0.1 -> 0.2"
    with pytest.warns(UserWarning, match=named) as caught:
        resumed = resume(checkpoint, by_step(t_max=10, lr_initial=0.2), max_steps=10)
    assert resumed.rates[0] == pytest.approx(0.1)
    assert len(checkpoint_warnings(caught)) == 1


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"lr_min": 0.01}, "lr_min of param group 0 of optimizer 0 0.0 -> 0.01"),
        ({"interval": "epoch"}, "interval step -> epoch"),
        ({"warmup": 2}, "warmup 0 -> 2"),
        ({"cycles": 2}, "cycles 1 -> 2"),
        ({"t_mult": 2}, "t_mult 1 -> 2"),
        ({"peak_decay": 0.5}, "peak_decay 1.0 -> 0.5"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_every_change_is_named(tmp_path, options, named):
    checkpoint = stop_after(Model(), 5, by_step(t_max=10), tmp_path, planned=10)
    callback = CosineAnnealingCallback(t_max=10, **{"interval": "step", **options})
    with pytest.warns(UserWarning, match=re.escape(named)) as caught:
        resume(checkpoint, callback, max_steps=10)
    assert len(checkpoint_warnings(caught)) == 1


def test_the_same_curve_with_other_arguments_is_no_change(tmp_path, recwarn):
    callback = by_step(t_max=None, cycles=2, warmup=0.25)
    checkpoint = stop_after(Model(), 5, callback, tmp_path, planned=20)
    resumed = resume(checkpoint, by_step(t_max=10, cycles=2, warmup=2), max_steps=20)
    assert resumed.rates[-1] == pytest.approx(0.002447174, rel=1e-6)
    assert checkpoint_warnings(recwarn) == []


def test_a_checkpoint_of_torchs_scheduler_gives_the_base(tmp_path):
    class Scheduled(Model):
        def configure_optimizers(self):
            optimizer = super().configure_optimizers()
            scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
            return [optimizer], [{"scheduler": scheduler, "interval": "step"}]

    fit(Scheduled(), max_steps=5).save_checkpoint(tmp_path / "torch.ckpt")
    with pytest.warns(UserWarning, match=re.escape(OTHER_RATE)):
        resumed = resume(tmp_path / "torch.ckpt", by_step(t_max=10), lr=0.7, max_steps=10)
    right = [0.05 * (1 + math.cos(math.pi * e / 10)) for e in range(5, 10)]
    assert resumed.rates == pytest.approx(right, rel=1e-12)


def test_a_checkpoint_without_any_base_takes_the_models(tmp_path):
    fit(Model(), max_steps=5).save_checkpoint(tmp_path / "plain.ckpt")
    resumed = resume(tmp_path / "plain.ckpt", by_step(t_max=10), lr=0.2, max_steps=6)
    assert resumed.rates == pytest.approx([0.1])


def test_our_own_state_holds_the_base_where_the_groups_do_not(tmp_path):
    path = stop_after(Model(), 5, by_step(t_max=10), tmp_path, planned=10)
    checkpoint = torch.load(path, weights_only=True)
    for group in checkpoint["optimizer_states"][0]["param_groups"]:
        del group["initial_lr"]
    torch.save(checkpoint, path)
    with pytest.warns(UserWarning, match=re.escape(OTHER_RATE)):
        resumed = resume(path, by_step(t_max=10), lr=0.7, max_steps=10)
    right = [0.05 * (1 + math.cos(math.pi * e / 10)) for e in range(5, 10)]
    assert resumed.rates == pytest.approx(right, rel=1e-12)
