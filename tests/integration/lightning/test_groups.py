"""Param groups: each keeps its own base, tensor rates stay tensors, new groups are adopted."""

import math
import re

import pytest
import torch

from tests.curve import cosine
from tests.integration.lightning.parts import CosineAnnealingCallback, Model, fit, pl, trainer


def by_step(*, t_max=10, lr_min=0.0, **options):
    return CosineAnnealingCallback(t_max=t_max, lr_min=lr_min, interval="step", **options)


class Groups(Model):
    """One weight per group, at these rates."""

    def __init__(self, *rates, **options):
        super().__init__(**options)
        self.weights = torch.nn.ParameterList(torch.zeros(1) for _ in rates)
        self.group_rates = rates

    def training_step(self, batch, batch_idx):
        return self.weight.sum() + sum(weight.sum() for weight in self.weights)

    def configure_optimizers(self):
        groups = [
            {"params": [weight], "lr": rate}
            for weight, rate in zip(self.weights, self.group_rates, strict=True)
        ]
        return self.optimizer(groups, **self.options)

    def column(self, group):
        return [used[2 + group] for used in self.used]


def test_each_group_keeps_its_own_base():
    model = Groups(0.1, 0.01)
    made = fit(model, by_step(), max_epochs=1)
    assert model.used[1][2:] == pytest.approx((0.09755283, 0.009755283), rel=1e-6)
    bases = [group["initial_lr"] for group in made.optimizers[0].param_groups]
    assert bases == [0.1, 0.01]


def test_a_floor_above_one_groups_rate_is_refused():
    model = Groups(0.1, 1e-4)
    attempt = trainer(by_step(lr_min=1e-3), max_epochs=1)
    named = re.escape("the rate of param group 1 of optimizer 0 (0.0001), got 0.001; lower lr_min")
    with pytest.raises(ValueError, match=rf"^lr_min must be <= {named}"):
        attempt.fit(model)
    groups = attempt.optimizers[0].param_groups
    assert [group["lr"] for group in groups] == [0.1, 1e-4]
    assert not any("initial_lr" in group for group in groups)


def test_a_ratio_is_a_fraction_of_each_groups_own_rate():
    model = Groups(0.1, 1e-4)
    fit(model, by_step(lr_min_ratio=0.01), max_epochs=2)
    assert model.used[5][2:] == pytest.approx((0.0505, 5.05e-5), rel=1e-12)
    assert model.used[15][2:] == pytest.approx((0.001, 1e-6), rel=1e-15)


@pytest.mark.parametrize("floor", [{}, {"lr_min": 0.001}, {"lr_min_ratio": 0.01}], ids=str)
def test_a_group_at_rate_0_stays_there(floor):
    model = Groups(0.1, 0.0)
    fit(model, by_step(**floor), max_epochs=2)
    assert set(model.column(1)) == {0.0}
    assert model.column(0)[0] == 0.1


def test_an_explicit_lr_initial_applies_to_every_group():
    model = Groups(0.1, 0.01)
    fit(model, by_step(lr_initial=0.2), max_epochs=1)
    assert (
        model.column(0) == model.column(1) == pytest.approx([cosine(e, 10, 0.2) for e in range(10)])
    )


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        (torch.optim.SGD, {}),
        (torch.optim.Adam, {"capturable": False, "foreach": False}),
        (torch.optim.Adam, {"fused": True}),
    ],
    ids=["sgd", "adam", "adam-fused"],
)
def test_tensor_rates_are_filled_in_place(optimizer, options):
    shared = torch.tensor(0.1, dtype=torch.float64)
    objects = []

    class Watched(Groups):
        def configure_optimizers(self):
            made = super().configure_optimizers()
            for group in made.param_groups:
                group["lr"] = shared
            return made

        def on_before_optimizer_step(self, optimizer):
            super().on_before_optimizer_step(optimizer)
            objects.append([group["lr"] for group in optimizer.param_groups])

    model = Watched(0.1, 0.1, optimizer=optimizer, **options)
    fit(model, by_step(), max_epochs=1)
    assert model.column(0) == model.column(1) == pytest.approx([cosine(e, 10) for e in range(10)])
    first, second = objects[0]
    assert isinstance(first, torch.Tensor)
    assert first is not second
    assert all(one is first and other is second for one, other in objects)
    assert shared.item() == 0.1
    assert shared is not first


def double_tensor(rate):
    return torch.tensor(rate, dtype=torch.float64)


def test_the_weights_move_by_tensor_rates():
    given = double_tensor(0.1)
    model = Model(given)
    made = fit(model, by_step(), max_epochs=1)
    assert model.weight.item() == pytest.approx(-sum(cosine(e, 10) for e in range(10)), rel=1e-6)
    assert given.item() == made.optimizers[0].defaults["lr"].item() == 0.1


@pytest.mark.parametrize(
    ("saved", "resumed"),
    [(double_tensor, double_tensor), (double_tensor, float), (float, double_tensor)],
    ids=["tensor", "tensor-then-float", "float-then-tensor"],
)
def test_a_tensor_rate_is_resumed(tmp_path, saved, resumed):
    straight = Model()
    fit(straight, by_step(), max_steps=10)
    fit(Model(saved(0.1)), by_step(), max_steps=4).save_checkpoint(tmp_path / "run.ckpt")
    given = resumed(0.1)
    model = Model(given)
    made = fit(model, by_step(), max_steps=10, ckpt_path=tmp_path / "run.ckpt")
    assert model.rates == straight.rates[4:]
    assert given == 0.1
    # torch's load_state_dict takes the type of the rate from the checkpoint.
    assert isinstance(made.optimizers[0].param_groups[0]["lr"], type(saved(0.1)))


class Unfreeze(pl.callbacks.BaseFinetuning):
    """Add a group for the second weight at epoch 2."""

    def __init__(self, rate=None):
        super().__init__()
        self.rate = rate

    def freeze_before_training(self, pl_module):
        self.freeze(pl_module.body)

    def finetune_function(self, pl_module, epoch, optimizer):
        if epoch == 2:
            self.unfreeze_and_add_param_group(pl_module.body, optimizer, lr=self.rate)


class Body(Model):
    def __init__(self, **options):
        super().__init__(batches=3, **options)
        self.body = torch.nn.Linear(1, 1)

    def training_step(self, batch, batch_idx):
        return self.weight.sum() + self.body(batch[0]).sum()

    def configure_optimizers(self):
        return self.optimizer([self.weight], lr=self.lr)


@pytest.mark.parametrize("ours_first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("lr_min", [0.0, 1e-4])
@pytest.mark.parametrize("rate", [float, double_tensor])
def test_an_added_group_goes_on_from_its_rate(ours_first, lr_min, rate):
    model = Body(lr=rate(0.1))
    ours, theirs = by_step(t_max=12, lr_min=lr_min), Unfreeze()
    callbacks = [ours, theirs] if ours_first else [theirs, ours]
    fit(model, *callbacks, max_epochs=4)
    # At update 6 Lightning gives the new group a tenth of the rate, which determines its base.
    first = cosine(6, 12, 0.1, lr_min) / 10
    base = lr_min + (first - lr_min) / 0.5
    added = [used[3] for used in model.used if len(used) == 4]
    right = [cosine(e, 12, base, lr_min) for e in range(6, 12)]
    assert added == pytest.approx(right, rel=1e-12)
    assert model.rates == pytest.approx([cosine(e, 12, 0.1, lr_min) for e in range(12)])


def test_an_added_group_follows_torchs_own_scheduler():
    model = Body()
    fit(model, by_step(t_max=12, lr_min=1e-4), Unfreeze(0.02), max_epochs=4)
    weights = torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD(weights[:1], lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 12, 1e-4)
    right = []
    for update in range(12):
        if update == 6:
            optimizer.add_param_group({"params": weights[1:], "lr": 0.02, "initial_lr": 0.02})
            scheduler.base_lrs.append(0.02)
        right.append(tuple(group["lr"] for group in optimizer.param_groups))
        optimizer.step()
        scheduler.step()
    ours = [used[2:] for used in model.used]
    assert ours == [pytest.approx(rates, rel=1e-12) for rates in right]


def test_an_added_group_under_a_ratio_floor_keeps_its_ratio():
    model = Body()
    fit(model, by_step(t_max=12, lr_min_ratio=0.1), Unfreeze(0.02), max_epochs=5)
    base = 0.02 / 0.55
    added = [used[3] for used in model.used if len(used) == 4]
    right = [cosine(min(e, 12), 12, base, base / 10) for e in range(6, 15)]
    assert added == pytest.approx(right, rel=1e-12)


def test_a_group_added_in_the_warmup_rises_with_the_others():
    model = Body()
    fit(model, by_step(t_max=20, warmup=9), Unfreeze(0.01), max_epochs=4)
    added = [used[3] for used in model.used if len(used) == 4]
    # Update 6 is at 7/10 of the peak.
    assert added[:4] == pytest.approx([0.01, 0.01 * 8 / 7, 0.01 * 9 / 7, 0.01 * 10 / 7], rel=1e-12)


@pytest.mark.parametrize(
    ("options", "held"), [({}, 0.001), ({"warmup": 9}, 0.001 / 0.7)], ids=["curve", "warmup"]
)
def test_an_added_group_below_the_floor_is_held_also_when_resumed(tmp_path, recwarn, options, held):
    def ours():
        return by_step(t_max=14, lr_min=0.01, **options)

    with pytest.warns(UserWarning, match="param group 1 of optimizer 0 has rate 0.001") as caught:
        made = fit(Body(), ours(), Unfreeze(0.001), max_epochs=4)
    assert len([w for w in caught if "is held there" in str(w.message)]) == 1
    made.save_checkpoint(tmp_path / "run.ckpt")
    resumed = Body()
    fit(resumed, ours(), Unfreeze(0.001), max_epochs=5, ckpt_path=tmp_path / "run.ckpt")
    assert [used[3] for used in resumed.used] == pytest.approx([held] * 3, rel=1e-12)
    assert not [w for w in recwarn if "the checkpoint" in str(w.message)]


def test_added_groups_are_resumed_bit_for_bit(tmp_path):
    straight = Body()
    fit(straight, by_step(t_max=18), Unfreeze(), max_epochs=6)
    fit(Body(), by_step(t_max=18), Unfreeze(), max_epochs=4).save_checkpoint(tmp_path / "run.ckpt")
    resumed = Body()
    fit(resumed, by_step(t_max=18), Unfreeze(), max_epochs=6, ckpt_path=tmp_path / "run.ckpt")
    assert resumed.used == straight.used[12:]


def test_a_group_added_at_the_end_stays_at_the_floor():
    model = Body()
    fit(model, by_step(t_max=6), Unfreeze(0.02), max_epochs=4)
    added = [used[3] for used in model.used if len(used) == 4]
    assert added[-1] == 0


class EditGroups(pl.Callback):
    """Change the param groups before one update."""

    def __init__(self, edit, update=4):
        self.edit = edit
        self.update = update

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == self.update:
            self.edit(trainer.optimizers[0].param_groups)


def halve(groups):
    groups[-1]["lr"] = groups[-1]["lr"] / 2


def fill(groups):
    groups[-1]["lr"].mul_(0.5)


def replace(groups):
    groups[-1]["lr"] = double_tensor(float(groups[-1]["lr"]) / 2)


def write_float(groups):
    groups[-1]["lr"] = float(groups[-1]["lr"]) / 2


@pytest.mark.parametrize(
    ("rate", "edit"),
    [
        (float, halve),
        (float, replace),
        (double_tensor, fill),
        (double_tensor, replace),
        (double_tensor, write_float),
    ],
    ids=["float", "float-to-tensor", "tensor-in-place", "tensor-replaced", "tensor-to-float"],
)
@pytest.mark.parametrize("ours_first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("others", [0, 1], ids=["alone", "beside-another"])
def test_a_group_set_to_another_rate_continues_from_it(rate, edit, ours_first, others):
    model = Groups(*[rate(0.1)] * others, rate(0.1))
    callbacks = [by_step(), EditGroups(edit)]
    fit(model, *(callbacks if ours_first else callbacks[::-1]), max_epochs=1)
    if others:
        assert model.column(0) == pytest.approx([cosine(e, 10) for e in range(10)])
    right = [cosine(e, 10, 0.1 if e < 4 else 0.05) for e in range(10)]
    assert model.column(others) == pytest.approx(right, rel=1e-12)


def test_a_rate_written_back_unchanged_changes_nothing():
    def write_back(groups):
        groups[1]["lr"] = float(repr(groups[1]["lr"]))

    # Recomputed from the rate of update 4, this base would be another float.
    model = Groups(0.19, 0.19)
    fit(model, by_step(lr_min=0.003), EditGroups(write_back), max_epochs=1)
    assert model.column(1) == model.column(0)


def multiply(factor, chosen):
    def edit(groups):
        for k in chosen:
            groups[k]["lr"] *= factor

    return edit


@pytest.mark.parametrize("rate", [float, double_tensor])
@pytest.mark.parametrize("chosen", [[0], [2], [4], [1, 3], [0, 1], range(5)], ids=str)
def test_equal_groups_that_become_different_and_are_rescaled(rate, chosen):
    # Recomputed from the rates of these updates, the other bases would be other floats.
    floor, whole = 0.003, 0.19
    alone, model = Groups(rate(whole)), Groups(*map(rate, [whole] * 5))
    owners = EditGroups(multiply(0.5, chosen)), EditGroups(multiply(2, chosen), 7)
    fit(alone, by_step(lr_min=floor), max_epochs=1)
    fit(model, by_step(lr_min=floor), *owners, max_epochs=1)

    half = floor + (cosine(4, 10, whole, floor) / 2 - floor) / cosine(4, 10, 1)
    more = floor + (cosine(7, 10, half, floor) * 2 - floor) / cosine(7, 10, 1)
    bases = [whole] * 4 + [half] * 3 + [more] * 3
    set_apart = [cosine(e, 10, base, floor) for e, base in enumerate(bases)]
    for k in range(5):
        if k in chosen:
            assert model.column(k) == pytest.approx(set_apart, rel=1e-12)
        else:
            assert model.column(k) == alone.column(0)


@pytest.mark.parametrize(
    "kinds", [(float, double_tensor), (double_tensor, float)], ids=["first", "second"]
)
def test_a_float_beside_a_tensor_of_the_same_rate(kinds):
    model = Groups(*(kind(0.1) for kind in kinds))
    made = fit(model, by_step(), max_epochs=1)
    assert model.column(0) == model.column(1) == pytest.approx([cosine(e, 10) for e in range(10)])
    rates = [group["lr"] for group in made.optimizers[0].param_groups]
    assert [isinstance(rate, torch.Tensor) for rate in rates] == [
        kind is double_tensor for kind in kinds
    ]


def test_two_groups_of_the_same_curve_with_another_between_them():
    model = Groups(0.1, 0.01, 0.1)
    fit(model, by_step(), EditGroups(multiply(0.5, [2])), max_epochs=1)
    assert model.column(0) == pytest.approx([cosine(e, 10) for e in range(10)], rel=1e-12)
    right = [cosine(e, 10, 0.1 if e < 4 else 0.05) for e in range(10)]
    assert model.column(2) == pytest.approx(right, rel=1e-12)


def test_a_group_set_to_the_tensor_of_another_one_gets_its_own():
    def share(groups):
        groups[1]["lr"] = groups[0]["lr"]

    model = Groups(double_tensor(0.1), double_tensor(0.05))
    made = fit(model, by_step(), EditGroups(share), max_epochs=1)
    assert model.column(0) == pytest.approx([cosine(e, 10) for e in range(10)])
    assert model.column(1)[4:] == pytest.approx(model.column(0)[4:], rel=1e-12)
    first, second = (group["lr"] for group in made.optimizers[0].param_groups)
    assert first is not second


def test_a_tensor_replaced_by_an_alias_of_its_memory():
    def alias(groups):
        groups[0]["lr"] = groups[0]["lr"].detach()

    model = Groups(double_tensor(0.1))
    fit(model, by_step(), EditGroups(alias), max_epochs=1)
    assert model.column(0) == pytest.approx([cosine(e, 10) for e in range(10)], rel=1e-12)


def test_a_tensor_set_by_the_user_is_not_written_to():
    theirs = double_tensor(0.05)

    def share(groups):
        groups[0]["lr"] = groups[1]["lr"] = theirs

    model = Groups(double_tensor(0.1), 0.1)
    fit(model, by_step(), EditGroups(share), max_epochs=1)
    right = [cosine(e, 10, 0.05 / cosine(4, 10, 1)) for e in range(4, 10)]
    assert model.column(0)[4:] == model.column(1)[4:] == pytest.approx(right, rel=1e-12)
    assert theirs.item() == 0.05


class SetRateAtEpochEnd(pl.Callback):
    """Set a rate at the end of epoch 4."""

    def on_train_epoch_end(self, trainer, pl_module):
        if trainer.current_epoch == 4:
            trainer.optimizers[0].param_groups[0]["lr"] = 0.03


@pytest.mark.parametrize(
    ("ours_first", "position"), [(True, 5), (False, 4)], ids=["before", "after"]
)
def test_a_rate_set_at_the_end_of_an_epoch_counts_for_the_current_position(ours_first, position):
    model = Model(batches=1)
    callbacks = [CosineAnnealingCallback(t_max=10), SetRateAtEpochEnd()]
    fit(model, *(callbacks if ours_first else callbacks[::-1]), max_epochs=10)
    base = 0.03 / cosine(position, 10, 1)
    right = [cosine(e, 10, 0.1 if e < 5 else base) for e in range(10)]
    assert model.rates == pytest.approx(right, rel=1e-12)


class AddSchedulerForOneEpoch(pl.Callback):
    """Add a scheduler when training begins; an epoch later remove it and set a rate."""

    def on_train_start(self, trainer, pl_module):
        scheduler = torch.optim.lr_scheduler.ConstantLR(trainer.optimizers[0], 1.0)
        config = pl.utilities.types.LRSchedulerConfig(scheduler)
        trainer.strategy.lr_scheduler_configs.append(config)

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            trainer.strategy.lr_scheduler_configs.clear()
            trainer.optimizers[0].param_groups[0]["lr"] = 0.2


def test_a_rate_set_before_the_first_write_is_the_peak():
    model = Model()
    fit(model, AddSchedulerForOneEpoch(), by_step(t_max=20, warmup=4), max_epochs=2)
    rates = [used[2] for used in model.used]
    assert rates[:10] == [0.1] * 10
    assert rates[10:] == pytest.approx([cosine(e - 4, 16, 0.2) for e in range(10, 20)], rel=1e-12)


def set_second(rate):
    def edit(groups):
        groups[1]["lr"] = rate

    return edit


class CorrectRefusedRate(Groups):
    """Set two of five rates, one of them to an invalid value; catch the error and correct it."""

    def __init__(self, *rates):
        super().__init__(*rates)
        self.automatic_optimization = False
        self.seen = []

    def training_step(self, batch, batch_idx):
        optimizer = self.optimizers()
        groups = optimizer.param_groups
        self.seen.append([group["lr"] for group in groups])
        if batch_idx == 4:
            groups[1]["lr"], groups[3]["lr"] = 0.05, -0.1
        optimizer.zero_grad()
        self.manual_backward(super().training_step(batch, batch_idx))
        try:
            optimizer.step()
        except ValueError:
            groups[3]["lr"] = 0.05


def test_a_refused_rate_that_is_corrected_leaves_the_other_groups_alone():
    model = CorrectRefusedRate(*[0.19] * 5)
    fit(model, by_step(lr_min=0.003), max_epochs=1)
    # Recomputed from the rate of an update, the other bases would be other floats.
    assert [rates[0] for rates in model.seen] == [rates[2] for rates in model.seen]
    assert [rates[0] for rates in model.seen] == [rates[4] for rates in model.seen]
    assert model.seen[5][1] < model.seen[5][0]


def test_a_negative_rate_is_refused():
    sentence = r"^lr_min must be <= the rate of param group 1 of optimizer 0 \(-0\.\d+\), got 0"
    with pytest.raises(ValueError, match=sentence):
        fit(Groups(0.1, 0.1), by_step(), EditGroups(set_second(-0.1)), max_epochs=1)


def test_a_group_set_to_0_stays_at_0_even_with_a_floor():
    model = Groups(0.1, 0.1)
    fit(model, by_step(lr_min=0.001), EditGroups(set_second(0.0)), max_epochs=1)
    assert model.column(1)[:4] == pytest.approx([cosine(e, 10, 0.1, 0.001) for e in range(4)])
    assert model.column(1)[4:] == [0.0] * 6


def test_a_group_at_rate_0_that_is_set_to_a_rate():
    model = Groups(0.1, 0.0)
    fit(model, by_step(), EditGroups(set_second(0.02)), max_epochs=1)
    base = 0.02 / (0.5 * (1 + math.cos(math.pi * 0.4)))
    assert model.column(1)[4:] == pytest.approx([cosine(e, 10, base) for e in range(4, 10)])


@pytest.mark.parametrize(("removed", "left"), [(0, 0.01), (1, 0.1)], ids=["first", "last"])
@pytest.mark.parametrize("first", [float, double_tensor])
@pytest.mark.parametrize("second", [float, double_tensor])
def test_a_removed_group_is_forgotten(removed, left, first, second):
    model = Groups(first(0.1), second(0.01))
    made = fit(model, by_step(), EditGroups(lambda groups: groups.pop(removed)), max_epochs=1)
    right = [cosine(e, 10, 0.1 if e < 4 else left) for e in range(10)]
    assert model.column(0) == pytest.approx(right, rel=1e-12)
    assert made.callbacks[0].state_dict()["optimizers"][0]["bases"] == [pytest.approx(left)]


def test_backbone_finetuning():
    class Net(Model):
        def __init__(self):
            super().__init__(batches=4)
            self.backbone = torch.nn.Linear(1, 1)

        def training_step(self, batch, batch_idx):
            return self.weight.sum() + self.backbone(batch[0]).sum()

        def configure_optimizers(self):
            return torch.optim.SGD([self.weight], lr=self.lr)

    model = Net()
    theirs = pl.callbacks.BackboneFinetuning(
        unfreeze_backbone_at_epoch=1, lambda_func=lambda _epoch: 2.0, backbone_initial_lr=0.001
    )
    fit(model, by_step(t_max=16), theirs, max_epochs=4)
    assert model.rates == pytest.approx([cosine(e, 16) for e in range(16)])
    backbone = {used[0]: used[3] for used in model.used if len(used) == 4}
    assert backbone[4] == pytest.approx(0.001)
    # At each epoch it doubles the rate that it set last; in between, the rate follows the curve.
    assert backbone[8] == pytest.approx(0.002)
    assert backbone[9] == pytest.approx(0.002 * cosine(9, 16) / cosine(8, 16), rel=1e-12)
    assert backbone[12] == pytest.approx(0.004)
