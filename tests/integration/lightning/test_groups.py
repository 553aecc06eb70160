"""Param groups: each keeps its own base, tensor rates stay tensors, new groups are adopted."""

import math

import pytest
import torch

from tests.curve import cosine, cosines

from .events import Once, before_and_after, said, set_rate
from .parts import Backbone, CosineAnnealingCallback, Model, fit, per_update, pl, trainer


def double_tensor(rate):
    return torch.tensor(rate, dtype=torch.float64)


class Groups(Model):
    """One weight per group, at these rates."""

    def __init__(self, *rates, **options):
        super().__init__(**options)
        self.weights = torch.nn.ParameterList(torch.zeros(1) for _ in rates)
        self.group_rates = rates

    def training_step(self, batch, batch_idx):
        return self.weight.sum() + sum(weight.sum() for weight in self.weights)

    def configure_optimizers(self):
        groups = zip(self.weights, self.group_rates, strict=True)
        made = [{"params": [weight], "lr": rate} for weight, rate in groups]
        return self.scheduled(self.optimizer(made, **self.options))


@pytest.mark.parametrize(
    ("rates", "options", "curves"),
    [
        ((0.1, 0.01), {}, [(0.1, 0), (0.01, 0)]),
        ((0.1, 1e-4), {"lr_min_ratio": 0.01}, [(0.1, 0.001), (1e-4, 1e-6)]),
        ((0.1, 0.01), {"lr_initial": 0.2}, [(0.2, 0), (0.2, 0)]),
        # A rate of 0 has no floor above it.
        ((0.1, 0.0), {}, [(0.1, 0), (0, 0)]),
        ((0.1, 0.0), {"lr_min": 0.001}, [(0.1, 0.001), (0, 0)]),
        ((0.1, 0.0), {"lr_min_ratio": 0.01}, [(0.1, 0.001), (0, 0)]),
        ((0.1, double_tensor(0.1)), {}, [(0.1, 0), (0.1, 0)]),
        ((double_tensor(0.1), 0.1), {}, [(0.1, 0), (0.1, 0)]),
    ],
    ids=str,
)
def test_each_group_has_its_own_curve(rates, options, curves):
    model = Groups(*rates)
    made = fit(model, per_update(t_max=10, **options), max_epochs=2)
    groups = made.optimizers[0].param_groups
    for k, (base, floor) in enumerate(curves):
        assert model.column(k) == cosines(range(20), 10, base, floor)
        assert groups[k]["initial_lr"] == base
        assert isinstance(groups[k]["lr"], type(rates[k]))


NO_NUMBER = (
    "the rate of param group 1 of optimizer 0 must be a number, got None; give the optimizer"
)


@pytest.mark.parametrize(
    ("rate", "options", "sentence"),
    [
        (
            1e-4,
            {"lr_min": 1e-3},
            r"lr_min must be <= .* group 1 .* \(0.0001\), got 0.001; lower lr_m",
        ),
        (None, {}, NO_NUMBER),  # as Adafactor has it
        ("gone", {}, NO_NUMBER),
        (None, {"lr_initial": 0.1}, NO_NUMBER),
        ("gone", {"lr_initial": 0.1}, NO_NUMBER),
        (math.inf, {}, "the rate of param group 1 of optimizer 0 must be finite, got inf$"),
        (math.nan, {"lr_min": 0.01}, "the rate of param group 1 .* must be finite, got nan$"),
        (-0.1, {}, r"the rate of param group 1 of optimizer 0 must be >= 0, got -0\.1$"),
        (-0.1, {"lr_min": 0.01}, r"the rate of param group 1 .* must be >= 0, got -0\.1$"),
    ],
    ids=str,
)
def test_a_groups_wrong_rate_is_refused_and_changes_no_key(rate, options, sentence):
    def optimizer(groups):
        made = torch.optim.SGD(groups)
        made.param_groups[1]["lr"] = rate
        if rate == "gone":
            del made.param_groups[1]["lr"]
        return made

    model = Groups(0.1, 0.1, optimizer=optimizer)
    attempt = trainer(per_update(**options), max_epochs=1)
    with pytest.raises(ValueError, match=f"^{sentence}"):
        attempt.fit(model)
    unchanged = model.configure_optimizers().state_dict()
    assert str(attempt.optimizers[0].state_dict()) == str(unchanged)
    assert model.used == []


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
    shared, objects = double_tensor(0.1), []

    class Watched(Groups):
        def on_before_optimizer_step(self, optimizer):
            super().on_before_optimizer_step(optimizer)
            objects.append([group["lr"] for group in optimizer.param_groups])

    model = Watched(shared, shared, optimizer=optimizer, **options)
    fit(model, per_update(), max_epochs=1)
    assert model.column(0) == model.column(1) == cosines(range(10), 10)
    first, second = objects[0]
    assert isinstance(first, torch.Tensor)
    assert len({id(first), id(second), id(shared)}) == 3
    assert all(one is first and other is second for one, other in objects)
    assert shared.item() == 0.1


@pytest.mark.parametrize(
    ("saved", "resumed"),
    [(double_tensor, double_tensor), (double_tensor, float), (float, double_tensor)],
    ids=["tensor", "tensor-then-float", "float-then-tensor"],
)
def test_a_tensor_rate_is_resumed(tmp_path, saved, resumed):
    fit(Model(saved(0.1)), per_update(t_max=10), max_steps=4).save_checkpoint(tmp_path / "run.ckpt")
    given = resumed(0.1)
    model = Model(given)
    made = fit(model, per_update(t_max=10), max_steps=10, ckpt_path=tmp_path / "run.ckpt")
    assert model.rates == cosines(range(4, 10), 10)
    assert model.weight.item() == pytest.approx(-0.55, rel=1e-6)
    assert given == 0.1
    # torch's load_state_dict takes the type of the rate from the checkpoint.
    assert isinstance(made.optimizers[0].param_groups[0]["lr"], type(saved(0.1)))


class Unfreeze(pl.callbacks.BaseFinetuning):
    """Add a group for the backbone at epoch 2, by default at a tenth of the first's rate.

    With epochs of three batches that is at update 6.
    """

    def __init__(self, rate=None):
        super().__init__()
        self.rate = rate

    def freeze_before_training(self, pl_module):
        self.freeze(pl_module.backbone)

    def finetune_function(self, pl_module, epoch, optimizer):
        if epoch == 2:
            self.unfreeze_and_add_param_group(pl_module.backbone, optimizer, lr=self.rate)


@before_and_after
@pytest.mark.parametrize("kind", [float, double_tensor])
@pytest.mark.parametrize(
    ("options", "rate", "floor"),
    [
        ({}, None, 0),
        ({"lr_min": 1e-4}, None, 1e-4),
        ({"lr_min": 1e-4}, 0.02, 1e-4),
        ({"lr_min_ratio": 0.1}, 0.02, 0.02 / 0.55 / 10),  # a tenth of its own base
    ],
    ids=str,
)
def test_an_added_group_goes_on_from_its_rate(tmp_path, options, rate, floor, kind, order):  # noqa: PLR0913, PLR0917 - a table
    def run(epochs, ckpt_path=None):
        model, callbacks = (
            Backbone(kind(0.1), batches=3),
            [per_update(t_max=12, **options), Unfreeze(rate)],
        )
        made = fit(model, *callbacks[::order], max_epochs=epochs, ckpt_path=ckpt_path)
        made.save_checkpoint(tmp_path / "run.ckpt")
        return model

    model = run(5)
    floor_of_the_first = 0.01 if "lr_min_ratio" in options else floor
    assert model.rates == cosines(range(15), 12, 0.1, floor_of_the_first)
    # Halfway the rate is the mean of floor and base.
    first = rate or cosine(6, 12, 0.1, floor) / 10
    assert model.column(1) == cosines(range(6, 15), 12, 2 * first - floor, floor)
    run(4)
    assert run(5, tmp_path / "run.ckpt").used == model.used[12:]  # bit for bit


def test_a_group_added_in_the_warmup_rises_with_the_others():
    model = Backbone(batches=3)
    fit(model, per_update(t_max=20, warmup=9), Unfreeze(0.01), max_epochs=4)
    # Update 6 is at 7/10 of the peak.
    assert model.column(1)[:4] == pytest.approx([0.01 * k / 7 for k in (7, 8, 9, 10)], rel=1e-12)


@pytest.mark.parametrize(
    ("options", "held"), [({}, 0.001), ({"warmup": 9}, 0.001 / 0.7)], ids=["curve", "warmup"]
)
def test_an_added_group_below_the_floor_is_held_also_when_resumed(tmp_path, options, held):
    options = {"t_max": 14, "lr_min": 0.01, **options}
    with pytest.warns(UserWarning, match=r"param group 1 of optimizer 0 has rate 0\.001") as caught:
        made = fit(Backbone(batches=3), per_update(**options), Unfreeze(0.001), max_epochs=4)
    assert len(said(caught, "is held there")) == 1
    made.save_checkpoint(tmp_path / "run.ckpt")
    resumed = Backbone(batches=3)
    callbacks = per_update(**options), Unfreeze(0.001)
    fit(resumed, *callbacks, max_epochs=5, ckpt_path=tmp_path / "run.ckpt")
    assert resumed.column(1) == pytest.approx([held] * 3, rel=1e-12)


def test_a_group_added_at_the_end_stays_at_the_floor():
    model = Backbone(batches=3)
    fit(model, per_update(t_max=6), Unfreeze(0.02), max_epochs=4)
    assert model.column(1)[-1] == 0


def edited(edit, update=4):
    """Before one update, set the last group's rate to what `edit` returns for the groups."""

    def act(trainer):
        groups = trainer.optimizers[0].param_groups
        groups[-1]["lr"] = edit(groups)

    return Once("on_train_batch_start", update, act)


EDITS = {
    "half, a float": lambda groups: float(groups[-1]["lr"]) / 2,
    "half, a tensor": lambda groups: double_tensor(float(groups[-1]["lr"]) / 2),
    "half, in place": lambda groups: groups[-1]["lr"].mul_(0.5),
    "alias": lambda groups: groups[-1]["lr"].detach(),
    "the first's": lambda groups: groups[0]["lr"],
    "the user's": lambda _: THEIRS,
    "0": lambda _: 0.0,
    "0.02": lambda _: 0.02,
    "removed first": lambda groups: groups.pop(0) and groups[-1]["lr"],
    "removed last": lambda groups: groups.pop() and groups[-1]["lr"],
}
TENSOR, SMALL, THEIRS = map(double_tensor, (0.1, 0.01, 0.05))


@before_and_after
@pytest.mark.parametrize("lr_min", [0.0, 0.001])
@pytest.mark.parametrize(
    ("rates", "edit"),
    [
        ((0.1, 0.01, 0.1), "half, a float"),
        ((0.1,), "half, a tensor"),
        ((TENSOR, SMALL, TENSOR), "half, in place"),
        ((TENSOR,), "half, a tensor"),
        ((0.1, TENSOR), "half, a tensor"),
        ((TENSOR, TENSOR), "half, a float"),
        ((TENSOR, THEIRS), "the first's"),
        ((TENSOR,), "alias"),
        ((TENSOR, 0.1), "the user's"),
        ((0.1, 0.1), "0"),
        ((0.1, 0.0), "0.02"),
        ((0.1, 0.01), "removed first"),
        ((0.1, SMALL), "removed first"),
        ((TENSOR, 0.01), "removed first"),
        ((0.1, SMALL), "removed last"),
        ((TENSOR, SMALL), "removed last"),
    ],
)
def test_a_group_that_its_owner_changes_goes_on_from_its_rate(rates, edit, lr_min, order):
    model, owner = Groups(*rates), edited(EDITS[edit])
    made = fit(model, *[per_update(lr_min=lr_min), owner][::order], max_epochs=1)
    # What the owner does with the right rates of update 4. A rate of 0 has no floor above it.
    right = [{"lr": double_tensor(cosine(4, 10, r, lr_min if r else 0))} for r in map(float, rates)]
    right[-1]["lr"] = EDITS[edit](right)
    bases = []
    for k, group in enumerate(right):
        before, rate = float(rates[k]), float(group["lr"])
        bases.append(lr_min + (rate - lr_min) / cosine(4, 10, 1) if rate else 0)
        assert model.column(k)[:4] == cosines(range(4), 10, before, lr_min if before else 0)
        assert model.column(k)[4:] == cosines(range(4, 10), 10, bases[k], lr_min if rate else 0)
    groups = made.optimizers[0].param_groups
    assert [group["initial_lr"] for group in groups] == pytest.approx(bases)
    assert len({id(group["lr"]) for group in groups}) == len(groups)  # no tensor is shared
    assert made.callbacks[::order][0].state_dict()["optimizers"][0]["bases"] == pytest.approx(bases)
    assert (TENSOR.item(), SMALL.item(), THEIRS.item()) == (0.1, 0.01, 0.05)


def multiply(factor, chosen):
    """Multiply the chosen rates, and write the other ones back unchanged."""

    def edit(groups):
        for k, group in enumerate(groups):
            if k in chosen:
                group["lr"] = group["lr"] * factor
            elif isinstance(group["lr"], float):
                group["lr"] = float(repr(group["lr"]))
        return groups[-1]["lr"]

    return edit


@pytest.mark.parametrize("kind", [float, double_tensor])
@pytest.mark.parametrize("chosen", [[0], [2], [4], [1, 3], [0, 1], range(5)], ids=str)
def test_equal_groups_that_become_different_and_are_rescaled(kind, chosen):
    # Recomputed from the rates of these updates, the other bases would be other floats.
    floor, whole = 0.003, 0.19
    alone, model = Groups(kind(whole)), Groups(*map(kind, [whole] * 5))
    owners = edited(multiply(0.5, chosen)), edited(multiply(2, chosen), 7)
    fit(alone, per_update(lr_min=floor), max_epochs=1)
    fit(model, per_update(lr_min=floor), *owners, max_epochs=1)

    half = floor + (cosine(4, 10, whole, floor) / 2 - floor) / cosine(4, 10, 1)
    more = floor + (cosine(7, 10, half, floor) * 2 - floor) / cosine(7, 10, 1)
    bases = [whole] * 4 + [half] * 3 + [more] * 3
    set_apart = [cosine(e, 10, base, floor) for e, base in enumerate(bases)]
    for k in range(5):
        if k in chosen:
            assert model.column(k) == pytest.approx(set_apart, rel=1e-12)
        else:
            assert model.column(k) == alone.column(0)


@before_and_after
def test_a_rate_set_at_the_end_of_an_epoch_counts_for_the_current_position(order):
    model, owner = Model(batches=1), Once("on_train_epoch_end", 5, set_rate(0.03))
    fit(model, *[CosineAnnealingCallback(t_max=10), owner][::order], max_epochs=10)
    # Where ours comes first, it has just written the rate of epoch 5.
    base = 0.03 / cosine(5 if order == 1 else 4, 10, 1)
    assert model.rates[:5] == cosines(range(5), 10)
    assert model.rates[5:] == cosines(range(5, 10), 10, base)


def test_a_rate_set_before_the_first_write_is_the_peak():
    def add_a_scheduler(trainer):
        scheduler = torch.optim.lr_scheduler.ConstantLR(trainer.optimizers[0], 1.0)
        config = pl.utilities.types.LRSchedulerConfig(scheduler)
        trainer.strategy.lr_scheduler_configs.append(config)

    def remove_it(trainer):
        trainer.strategy.lr_scheduler_configs.clear()
        set_rate(0.2)(trainer)

    model = Model()
    theirs = Once("on_train_start", 0, add_a_scheduler), Once("on_train_epoch_start", 10, remove_it)
    fit(model, *theirs, per_update(t_max=20, warmup=4), max_epochs=2)
    assert model.rates[:10] == [0.1] * 10
    assert model.rates[10:] == cosines(range(6, 16), 16, 0.2)


def test_a_refused_rate_leaves_the_other_groups_alone_and_may_be_corrected():
    class Corrected(Groups):
        """Set two of five rates, one of them to an invalid value; catch the error, correct it."""

        automatic_optimization = False

        def training_step(self, batch, batch_idx):
            self.manual_backward(super().training_step(batch, batch_idx))
            groups = self.optimizers().param_groups
            if batch_idx == 4:
                groups[1]["lr"], groups[3]["lr"] = 0.05, -0.1
                before = [group["lr"] for group in groups]
                with pytest.raises(ValueError, match=r"^lr_min must .* group 3 .*\(-.*, got 0"):
                    self.optimizers().step()
                assert [group["lr"] for group in groups] == before
                groups[3]["lr"] = 0.05
            else:
                self.optimizers().step()

    model = Corrected(*[0.19] * 5)
    fit(model, per_update(t_max=10, lr_min=0.003), max_epochs=1)
    # Recomputed from the rate of an update, the other bases would be other floats.
    assert model.column(0) == model.column(2) == model.column(4)
    assert model.column(1)[5] < model.column(0)[5]
