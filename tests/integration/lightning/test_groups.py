"""Param groups: each keeps its own base, tensor rates stay tensors, new groups are adopted."""

import re

import pytest
import torch

from tests.curve import cosine, cosines

from .parts import CosineAnnealingCallback, Model, fit, per_update, pl, said, trainer

before_and_after = pytest.mark.parametrize("order", [1, -1], ids=["before", "after"])


def double_tensor(rate):
    return torch.tensor(rate, dtype=torch.float64)


def ours(*, t_max=10, **options):
    return per_update(t_max=t_max, **options)


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
        return self.optimizer(made, **self.options)


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
    made = fit(model, ours(**options), max_epochs=2)
    groups = made.optimizers[0].param_groups
    for k, (base, floor) in enumerate(curves):
        assert model.column(k) == cosines(range(20), 10, base, floor)
        assert groups[k]["initial_lr"] == base
        assert isinstance(groups[k]["lr"], type(rates[k]))


def test_a_floor_above_one_groups_rate_is_refused_and_changes_no_key():
    model = Groups(0.1, 1e-4)
    attempt = trainer(ours(lr_min=1e-3), max_epochs=1)
    named = re.escape("the rate of param group 1 of optimizer 0 (0.0001), got 0.001; lower lr_min")
    with pytest.raises(ValueError, match=rf"^lr_min must be <= {named}"):
        attempt.fit(model)
    assert attempt.optimizers[0].state_dict() == model.configure_optimizers().state_dict()


@pytest.mark.parametrize("options", [{}, {"lr_initial": 0.1}], ids=str)
@pytest.mark.parametrize("rate", [None, "gone"])
def test_a_group_without_a_rate_is_refused(rate, options):
    def without_rate(parameters, lr):
        made = torch.optim.SGD(parameters, lr=lr)
        made.param_groups[0]["lr"] = None  # as Adafactor has it
        if rate == "gone":
            del made.param_groups[0]["lr"]
        return made

    attempt = trainer(CosineAnnealingCallback(**options), max_epochs=1)
    sentence = r"^the rate of param group 0 of optimizer 0 must be a number, got None; give the opt"
    with pytest.raises(ValueError, match=f"{sentence}imizer an lr$"):
        attempt.fit(Model(optimizer=without_rate))
    assert "initial_lr" not in attempt.optimizers[0].param_groups[0]


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
        def configure_optimizers(self):
            made = super().configure_optimizers()
            for group in made.param_groups:
                group["lr"] = shared
            return made

        def on_before_optimizer_step(self, optimizer):
            super().on_before_optimizer_step(optimizer)
            objects.append([group["lr"] for group in optimizer.param_groups])

    model = Watched(0.1, 0.1, optimizer=optimizer, **options)
    fit(model, ours(), max_epochs=1)
    assert model.column(0) == model.column(1) == cosines(range(10), 10)
    first, second = objects[0]
    assert isinstance(first, torch.Tensor)
    assert len({id(first), id(second), id(shared)}) == 3
    assert all(one is first and other is second for one, other in objects)
    assert shared.item() == 0.1


def test_the_weights_move_by_tensor_rates():
    given = double_tensor(0.1)
    model = Model(given)
    made = fit(model, ours(), max_epochs=1)
    assert model.weight.item() == pytest.approx(-0.55, rel=1e-6)
    assert given.item() == made.optimizers[0].defaults["lr"].item() == 0.1


@pytest.mark.parametrize(
    ("saved", "resumed"),
    [(double_tensor, double_tensor), (double_tensor, float), (float, double_tensor)],
    ids=["tensor", "tensor-then-float", "float-then-tensor"],
)
def test_a_tensor_rate_is_resumed(tmp_path, saved, resumed):
    fit(Model(saved(0.1)), ours(), max_steps=4).save_checkpoint(tmp_path / "run.ckpt")
    given = resumed(0.1)
    model = Model(given)
    made = fit(model, ours(), max_steps=10, ckpt_path=tmp_path / "run.ckpt")
    assert model.rates == cosines(range(4, 10), 10)
    assert given == 0.1
    # torch's load_state_dict takes the type of the rate from the checkpoint.
    assert isinstance(made.optimizers[0].param_groups[0]["lr"], type(saved(0.1)))


class Unfreeze(pl.callbacks.BaseFinetuning):
    """Add a group for the second weight at epoch 2, by default at a tenth of the first's rate."""

    def __init__(self, rate=None):
        super().__init__()
        self.rate = rate

    def freeze_before_training(self, pl_module):
        self.freeze(pl_module.body)

    def finetune_function(self, pl_module, epoch, optimizer):
        if epoch == 2:
            self.unfreeze_and_add_param_group(pl_module.body, optimizer, lr=self.rate)


class Body(Model):
    """Epochs of three batches, so that the group is added at update 6."""

    def __init__(self, **options):
        super().__init__(batches=3, **options)
        self.body = torch.nn.Linear(1, 1)

    def training_step(self, batch, batch_idx):
        return self.weight.sum() + self.body(batch[0]).sum()

    def configure_optimizers(self):
        return self.optimizer([self.weight], lr=self.lr)


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
def test_an_added_group_goes_on_from_its_rate(options, rate, floor, kind, order):
    model = Body(lr=kind(0.1))
    fit(model, *[ours(t_max=12, **options), Unfreeze(rate)][::order], max_epochs=5)
    floor_of_the_first = 0.01 if "lr_min_ratio" in options else floor
    assert model.rates == cosines(range(15), 12, 0.1, floor_of_the_first)
    # Halfway the rate is the mean of floor and base.
    first = rate or cosine(6, 12, 0.1, floor) / 10
    assert model.column(1) == cosines(range(6, 15), 12, 2 * first - floor, floor)


def test_a_group_added_in_the_warmup_rises_with_the_others():
    model = Body()
    fit(model, ours(t_max=20, warmup=9), Unfreeze(0.01), max_epochs=4)
    # Update 6 is at 7/10 of the peak.
    assert model.column(1)[:4] == pytest.approx([0.01 * k / 7 for k in (7, 8, 9, 10)], rel=1e-12)


@pytest.mark.parametrize(
    ("options", "held"), [({}, 0.001), ({"warmup": 9}, 0.001 / 0.7)], ids=["curve", "warmup"]
)
def test_an_added_group_below_the_floor_is_held_also_when_resumed(tmp_path, recwarn, options, held):
    options = {"t_max": 14, "lr_min": 0.01, **options}
    with pytest.warns(UserWarning, match=r"param group 1 of optimizer 0 has rate 0\.001") as caught:
        made = fit(Body(), ours(**options), Unfreeze(0.001), max_epochs=4)
    assert len(said(caught, "is held there")) == 1
    made.save_checkpoint(tmp_path / "run.ckpt")
    resumed = Body()
    callbacks = ours(**options), Unfreeze(0.001)
    fit(resumed, *callbacks, max_epochs=5, ckpt_path=tmp_path / "run.ckpt")
    assert resumed.column(1) == pytest.approx([held] * 3, rel=1e-12)
    assert said(recwarn, "the checkpoint") == []


def test_added_groups_are_resumed_bit_for_bit(tmp_path):
    straight, resumed = Body(), Body()
    fit(straight, ours(t_max=18), Unfreeze(), max_epochs=6)
    fit(Body(), ours(t_max=18), Unfreeze(), max_epochs=4).save_checkpoint(tmp_path / "run.ckpt")
    fit(resumed, ours(t_max=18), Unfreeze(), max_epochs=6, ckpt_path=tmp_path / "run.ckpt")
    assert resumed.used == straight.used[12:]


def test_a_group_added_at_the_end_stays_at_the_floor():
    model = Body()
    fit(model, ours(t_max=6), Unfreeze(0.02), max_epochs=4)
    assert model.column(1)[-1] == 0


class Edit(pl.Callback):
    """Change the param groups before one update."""

    def __init__(self, edit, update=4):
        self.edit, self.update = edit, update

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == self.update:
            self.edit(trainer.optimizers[0].param_groups)


def multiply(factor, *chosen):
    def edit(groups):
        for k in chosen:
            groups[k]["lr"] = groups[k]["lr"] * factor

    return edit


def fill(groups):
    groups[-1]["lr"].mul_(0.5)


def replace(groups):
    groups[-1]["lr"] = double_tensor(float(groups[-1]["lr"]) / 2)


def write_float(groups):
    groups[-1]["lr"] = float(groups[-1]["lr"]) / 2


def alias(groups):
    groups[-1]["lr"] = groups[-1]["lr"].detach()


def share(groups):
    groups[-1]["lr"] = groups[0]["lr"]


def set_last(rate):
    def edit(groups):
        groups[-1]["lr"] = rate

    return edit


def remove(k):
    return lambda groups: groups.pop(k)


TENSOR, FLOAT, FOURTH = double_tensor(0.1), 0.1, cosine(4, 10, 1)
THEIRS = double_tensor(0.05)


@before_and_after
@pytest.mark.parametrize(
    ("rates", "edit", "bases"),
    [
        # The last group is set to half of its rate, alone and beside others.
        ((FLOAT,), write_float, [0.05]),
        ((FLOAT, 0.01, FLOAT), write_float, [0.1, 0.01, 0.05]),
        ((FLOAT,), replace, [0.05]),
        ((TENSOR,), fill, [0.05]),
        ((TENSOR, double_tensor(0.01), TENSOR), fill, [0.1, 0.01, 0.05]),
        ((TENSOR,), replace, [0.05]),
        ((FLOAT, TENSOR), replace, [0.1, 0.05]),
        ((TENSOR, TENSOR), write_float, [0.1, 0.05]),
        # It gets a tensor that is another group's, an alias of its own, or the user's.
        ((TENSOR, double_tensor(0.05)), share, [0.1, 0.1]),
        ((TENSOR,), alias, [0.1]),
        ((TENSOR, 0.1), set_last(THEIRS), [0.1, 0.05 / FOURTH]),
        # To and from a rate of 0.
        ((FLOAT, FLOAT), set_last(0.0), [0.1, 0]),
        ((FLOAT, 0.0), set_last(0.02), [0.1, 0.02 / FOURTH]),
        ((FLOAT, 0.01), remove(0), [0.01]),
        ((FLOAT, double_tensor(0.01)), remove(0), [0.01]),
        ((TENSOR, 0.01), remove(0), [0.01]),
        ((FLOAT, double_tensor(0.01)), remove(1), [0.1]),
        ((TENSOR, double_tensor(0.01)), remove(1), [0.1]),
    ],
)
def test_a_group_that_its_owner_changes_goes_on_from_its_rate(rates, edit, bases, order):
    model = Groups(*rates)
    made = fit(model, *[ours(), Edit(edit)][::order], max_epochs=1)
    for k, base in enumerate(bases):
        assert model.column(k)[:4] == cosines(range(4), 10, float(rates[k]))
        assert model.column(k)[4:] == cosines(range(4, 10), 10, base)
    groups = made.optimizers[0].param_groups
    assert len({id(group["lr"]) for group in groups}) == len(groups)  # no tensor is shared
    assert made.callbacks[::order][0].state_dict()["optimizers"][0]["bases"] == pytest.approx(bases)
    assert (TENSOR.item(), THEIRS.item()) == (0.1, 0.05)


def test_a_negative_rate_is_refused():
    sentence = r"^lr_min must be <= the rate of param group 1 of optimizer 0 \(-0\.\d+\), got 0"
    with pytest.raises(ValueError, match=sentence):
        fit(Groups(0.1, 0.1), ours(), Edit(set_last(-0.1)), max_epochs=1)


def test_a_group_set_to_0_stays_at_0_even_with_a_floor():
    model = Groups(0.1, 0.1)
    fit(model, ours(lr_min=0.001), Edit(set_last(0.0)), max_epochs=1)
    assert model.column(1)[:4] == cosines(range(4), 10, 0.1, 0.001)
    assert model.column(1)[4:] == [0.0] * 6


def test_a_rate_written_back_unchanged_changes_nothing():
    def write_back(groups):
        groups[1]["lr"] = float(repr(groups[1]["lr"]))

    # Recomputed from the rate of update 4, this base would be another float.
    model = Groups(0.19, 0.19)
    fit(model, ours(lr_min=0.003), Edit(write_back), max_epochs=1)
    assert model.column(1) == model.column(0)


@pytest.mark.parametrize("kind", [float, double_tensor])
@pytest.mark.parametrize("chosen", [[0], [2], [4], [1, 3], [0, 1], range(5)], ids=str)
def test_equal_groups_that_become_different_and_are_rescaled(kind, chosen):
    # Recomputed from the rates of these updates, the other bases would be other floats.
    floor, whole = 0.003, 0.19
    alone, model = Groups(kind(whole)), Groups(*map(kind, [whole] * 5))
    owners = Edit(multiply(0.5, *chosen)), Edit(multiply(2, *chosen), 7)
    fit(alone, ours(lr_min=floor), max_epochs=1)
    fit(model, ours(lr_min=floor), *owners, max_epochs=1)

    half = floor + (cosine(4, 10, whole, floor) / 2 - floor) / cosine(4, 10, 1)
    more = floor + (cosine(7, 10, half, floor) * 2 - floor) / cosine(7, 10, 1)
    bases = [whole] * 4 + [half] * 3 + [more] * 3
    set_apart = [cosine(e, 10, base, floor) for e, base in enumerate(bases)]
    for k in range(5):
        if k in chosen:
            assert model.column(k) == pytest.approx(set_apart, rel=1e-12)
        else:
            assert model.column(k) == alone.column(0)


@pytest.mark.parametrize(("order", "position"), [(1, 5), (-1, 4)], ids=["before", "after"])
def test_a_rate_set_at_the_end_of_an_epoch_counts_for_the_current_position(order, position):
    class SetRateAtEpochEnd(pl.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            if trainer.current_epoch == 4:
                trainer.optimizers[0].param_groups[0]["lr"] = 0.03

    model = Model(batches=1)
    callbacks = [CosineAnnealingCallback(t_max=10), SetRateAtEpochEnd()]
    fit(model, *callbacks[::order], max_epochs=10)
    base = 0.03 / cosine(position, 10, 1)
    right = [cosine(e, 10, 0.1 if e < 5 else base) for e in range(10)]
    assert model.rates == pytest.approx(right, rel=1e-12)


def test_a_rate_set_before_the_first_write_is_the_peak():
    class SchedulerForOneEpoch(pl.Callback):
        """Add a scheduler when training begins; an epoch later remove it and set a rate."""

        def on_train_start(self, trainer, pl_module):
            scheduler = torch.optim.lr_scheduler.ConstantLR(trainer.optimizers[0], 1.0)
            config = pl.utilities.types.LRSchedulerConfig(scheduler)
            trainer.strategy.lr_scheduler_configs.append(config)

        def on_train_epoch_start(self, trainer, pl_module):
            if trainer.current_epoch == 1:
                trainer.strategy.lr_scheduler_configs.clear()
                trainer.optimizers[0].param_groups[0]["lr"] = 0.2

    model = Model()
    fit(model, SchedulerForOneEpoch(), ours(t_max=20, warmup=4), max_epochs=2)
    assert model.rates[:10] == [0.1] * 10
    assert model.rates[10:] == cosines(range(6, 16), 16, 0.2)


def test_a_refused_rate_that_is_corrected_leaves_the_other_groups_alone():
    class Corrected(Groups):
        """Set two of five rates, one of them to an invalid value; catch the error, correct it."""

        automatic_optimization = False

        def training_step(self, batch, batch_idx):
            optimizer = self.optimizers()
            groups = optimizer.param_groups
            self.used.append((0, 0, *(group["lr"] for group in groups)))
            if batch_idx == 4:
                groups[1]["lr"], groups[3]["lr"] = 0.05, -0.1
            optimizer.zero_grad()
            self.manual_backward(super().training_step(batch, batch_idx))
            try:
                optimizer.step()
            except ValueError:
                groups[3]["lr"] = 0.05

        def on_before_optimizer_step(self, optimizer):
            pass

    model = Corrected(*[0.19] * 5)
    fit(model, ours(lr_min=0.003), max_epochs=1)
    # Recomputed from the rate of an update, the other bases would be other floats.
    assert model.column(0) == model.column(2) == model.column(4)
    assert model.column(1)[5] < model.column(0)[5]
