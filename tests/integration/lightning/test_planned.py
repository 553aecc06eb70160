"""The planned length of a run whose t_max is left to the Trainer."""

import math

import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset

from tests.integration.lightning.parts import CosineAnnealingCallback, Model, fit, pl, trainer


class Stream(IterableDataset):
    """Twelve batches, without a known length."""

    def __iter__(self):
        return iter(torch.ones(12, 1))


class Streamed(Model):
    def train_dataloader(self):
        return DataLoader(Stream())


def planned_length(rates):
    """Return t_max, computed from the second rate of a plain curve from 0.1 to 0."""
    return round(math.pi / math.acos(2 * rates[1] / 0.1 - 1))


@pytest.mark.parametrize(
    ("run", "right"),
    [
        ({"max_epochs": 3}, 30),
        ({"max_epochs": 3, "accumulate_grad_batches": 3}, 12),
        ({"max_epochs": 3, "limit_train_batches": 0.5}, 15),
        ({"max_epochs": 3, "max_steps": 14}, 14),
        ({"max_epochs": 3, "max_steps": 1000}, 30),
        ({"max_steps": 14}, 14),
        ({"max_epochs": -1, "max_steps": 14}, 14),
    ],
    ids=str,
)
def test_planned_updates(run, right):
    model = Model()
    fit(model, CosineAnnealingCallback(interval="step"), **run)
    assert len(model.rates) == right
    assert planned_length(model.rates) == right


@pytest.mark.parametrize(
    ("run", "right"),
    [
        ({"max_epochs": 3}, 3),
        ({"max_epochs": 5, "max_steps": 25}, 3),
        ({"max_epochs": 2, "max_steps": 25}, 2),
        ({"max_steps": 31}, 4),
    ],
    ids=str,
)
def test_planned_epochs(run, right):
    model = Model()
    fit(model, CosineAnnealingCallback(), **run)
    assert planned_length(sorted(set(model.rates), reverse=True)) == right


@pytest.mark.parametrize("beyond", [{}, {7: 2}], ids=["in-the-run", "beyond-its-end"])
def test_accumulation_scheduler(beyond):
    model = Model()
    table = pl.callbacks.GradientAccumulationScheduler({1: 5, **beyond})
    fit(model, table, CosineAnnealingCallback(interval="step"), max_epochs=3)
    assert planned_length(model.rates) == len(model.rates) == 14


def test_accumulation_scheduler_and_max_steps():
    model = Model()
    table = pl.callbacks.GradientAccumulationScheduler({1: 5, 7: 2})
    fit(model, table, CosineAnnealingCallback(interval="step"), max_epochs=9, max_steps=13)
    assert planned_length(model.rates) == len(model.rates) == 13


def test_accumulation_scheduler_in_epochs():
    model = Model()
    table = pl.callbacks.GradientAccumulationScheduler({1: 5})
    fit(model, table, CosineAnnealingCallback(), max_epochs=9, max_steps=13)
    assert planned_length(sorted(set(model.rates), reverse=True)) == 3


@pytest.mark.parametrize(
    ("callback", "right"),
    [({"t_max": 0.5}, 15), ({"t_max": 1.0}, 30), ({"t_max": 0.001}, 1)],
    ids=["half", "whole", "at-least-one"],
)
def test_fraction_of_the_run(callback, right):
    model = Model()
    fit(model, CosineAnnealingCallback(interval="step", **callback), max_epochs=3)
    assert [*model.rates, 0].index(0) == right


def test_stream_with_max_steps_or_in_epochs():
    # Lightning ends a stream with two limits at max_steps, or before it.
    for max_epochs in (-1, 2):
        model = Streamed()
        limits = {"max_epochs": max_epochs, "max_steps": 9}
        fit(model, CosineAnnealingCallback(interval="step"), **limits)
        assert planned_length(model.rates) == 9
    model = Streamed()
    fit(model, CosineAnnealingCallback(), max_epochs=3)
    assert sorted(set(model.rates), reverse=True) == pytest.approx([0.1, 0.075, 0.025])


@pytest.mark.parametrize(
    ("model", "callback", "run", "reason"),
    [
        pytest.param(
            Streamed,
            {"interval": "step"},
            {"max_epochs": 2},
            "data has no length",
            id="updates-of-a-stream",
        ),
        pytest.param(
            Streamed,
            {},
            {"max_epochs": 2, "max_steps": 9},
            "data has no length",
            id="epochs-of-a-stream-with-two-limits",
        ),
        pytest.param(
            Model, {}, {"max_epochs": -1}, "neither max_epochs nor max_steps", id="endless-epochs"
        ),
        pytest.param(
            Model,
            {"interval": "step"},
            {"max_time": {"hours": 1}},
            "neither max_epochs nor max_steps",
            id="limited-by-time-only",
        ),
    ],
)
def test_unknown_length_is_refused_before_the_first_batch(model, callback, run, reason):
    made = model()
    attempt = trainer(CosineAnnealingCallback(**callback), **run)
    with pytest.raises(ValueError, match=rf"t_max must be .*{reason}; give t_max=") as refused:
        attempt.fit(made)
    assert "\n" not in str(refused.value)
    assert made.used == []
    (group,) = attempt.optimizers[0].param_groups
    assert group["lr"] == 0.1
    assert "initial_lr" not in group


def test_the_length_is_not_asked_for_where_t_max_is_given():
    model = Streamed()
    fit(model, CosineAnnealingCallback(t_max=12, interval="step"), max_epochs=1)
    assert planned_length(model.rates) == 12


@pytest.mark.parametrize(
    "callback",
    [{"cycles": 40, "interval": "step"}, {"cycles": 9, "t_mult": 2, "interval": "step"}],
    ids=["too-many", "too-long"],
)
def test_cycles_shorter_than_a_unit_are_refused(callback):
    model = Model()
    with pytest.raises(ValueError, match="cycles must each get at least one unit"):
        fit(model, CosineAnnealingCallback(**callback), max_epochs=3)
    assert model.used == []


def test_a_warmup_as_long_as_the_run_is_refused():
    with pytest.raises(ValueError, match="warmup must leave the cosine at least one unit"):
        fit(Model(), CosineAnnealingCallback(warmup=3), max_epochs=3)
