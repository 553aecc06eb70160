"""A resumed run uses the rates of the uninterrupted one, bit for bit, or says what has changed.

tests/torture kills runs, and resumes them.
"""

import re
from functools import partial

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR

from tests.curve import cosine, cosines

from .events import Once, said, set_rate, stop
from .parts import CosineAnnealingCallback, Model, Validated, fit, per_update, pl


class SaveEverywhere(pl.callbacks.Checkpoint):
    """Save in every hook that may save; Lightning calls a Checkpoint after other callbacks.

    Attributes:
        saved: Of each checkpoint the path, the updates done, and the epoch of the next one.
    """

    def __init__(self, folder):
        self.folder, self.saved = folder, []
        for hook in ("on_train_batch_end", "on_validation_end", "on_train_epoch_end"):
            setattr(self, hook, self.save)

    def save(self, trainer, pl_module, *batch):
        path, over = self.folder / f"{len(self.saved)}.ckpt", not batch or batch[-1] == 3
        trainer.save_checkpoint(path)
        self.saved.append((path, trainer.global_step, trainer.current_epoch + over))


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
def test_from_every_checkpoint(tmp_path, options, accumulate):
    straight, saver = Validated(batches=4), SaveEverywhere(tmp_path)
    run = {"max_epochs": 3, "accumulate_grad_batches": accumulate}
    fit(straight, CosineAnnealingCallback(**options), saver, **run)
    by_update = {update: rate for update, _, rate in straight.used}
    by_epoch = {epoch: rate for _, epoch, rate in straight.used}
    assert len(saver.saved) == 18
    for path, done, next_epoch in saver.saved:
        resumed = Validated(batches=4)
        fit(resumed, CosineAnnealingCallback(**options), ckpt_path=path, **run)
        # Lightning up to 2.4 trains one batch again: one update more than planned.
        used = [each for each in resumed.used if each[0] in by_update]
        assert [update for update, *_ in used] == [u for u in by_update if u >= done], path
        for update, epoch, rate in used:
            by_step = options["interval"] == "step"
            right = by_update[update] if by_step else by_epoch[max(epoch, next_epoch)]
            assert rate == right, path


def stop_after(updates, *callbacks, folder, planned, model=None):
    """Train some of the planned updates and return the checkpoint."""
    end, path = Once("on_train_batch_end", updates, stop), folder / "run.ckpt"
    fit(model or Model(), *callbacks, end, max_steps=planned).save_checkpoint(path)
    return path


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
    checkpoint = stop_after(5, per_update(t_max=10), folder=tmp_path, planned=10)
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


def test_the_same_curve_with_other_arguments_is_no_change(tmp_path):
    callback = per_update(cycles=2, warmup=0.25)
    checkpoint = stop_after(5, callback, folder=tmp_path, planned=20)
    resumed = resume(checkpoint, per_update(t_max=10, cycles=2, warmup=2), max_steps=20)
    assert resumed.rates[5:] == cosines(range(10), 10)


def test_a_constant_rate_is_the_same_in_a_longer_run(tmp_path):
    constant = {"lr_min_ratio": 1.0, "interval": "step"}
    checkpoint = stop_after(5, CosineAnnealingCallback(**constant), folder=tmp_path, planned=10)
    resumed = resume(checkpoint, CosineAnnealingCallback(**constant), max_steps=30)
    assert set(resumed.rates) == {0.1}
    with pytest.warns(UserWarning, match=r"warmup 0 -> 20; .* instead of 0\.1$"):
        resume(checkpoint, CosineAnnealingCallback(**constant, warmup=20), max_steps=40)


def test_a_finished_run_stays_at_the_floor_where_t_max_is_given(tmp_path):
    checkpoint = stop_after(10, per_update(t_max=10), folder=tmp_path, planned=10)
    assert resume(checkpoint, per_update(t_max=10), max_steps=20).rates == [0] * 10


def without_initial_lr(path):
    checkpoint = torch.load(path, weights_only=True)
    for group in checkpoint["optimizer_states"][0]["param_groups"]:
        del group["initial_lr"]
    torch.save(checkpoint, path)


@pytest.mark.parametrize(
    ("ours", "model", "edit"),
    [
        ([per_update(t_max=10)], Model(), None),
        ([per_update(t_max=10)], Model(), without_initial_lr),
        ([], Model(scheduler=partial(CosineAnnealingLR, T_max=10)), None),
    ],
    ids=["ours", "ours alone", "torch's scheduler"],
)
def test_the_base_is_the_checkpoints_not_the_decayed_nor_the_models(tmp_path, ours, model, edit):
    checkpoint = stop_after(5, *ours, folder=tmp_path, planned=10, model=model)
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
    run = fit(Model(), per_update(), Once("on_train_epoch_start", 10, set_rate(0.01)), max_epochs=2)
    run.save_checkpoint(tmp_path / "run.ckpt")
    with pytest.warns(UserWarning, match="t_max 20 -> 30") as caught:
        resume(tmp_path / "run.ckpt", per_update(), max_epochs=3)
    assert said(caught, "is configured") == []


def test_a_checkpoint_without_any_base_takes_the_models(tmp_path):
    checkpoint = stop_after(5, folder=tmp_path, planned=5)
    resumed = resume(checkpoint, per_update(t_max=10), lr=0.2, max_steps=6)
    assert resumed.rates == pytest.approx([0.1])
