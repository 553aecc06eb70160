"""The rate that each update really used, in uninterrupted runs."""

import doctest
import math

import pytest
import torch
from torch.utils.data import DataLoader

from tests.integration.lightning.parts import CosineAnnealingCallback, Model, fit, pl

# LR(e) / LR_initial of the plain curve over 10, from the half-angle identities.
COSINE_10 = [
    1.0,
    0.9755282581475768,
    0.9045084971874737,
    0.7938926261462366,
    0.6545084971874737,
    0.5,
    0.34549150281252633,
    0.2061073738537634,
    0.09549150281252627,
    0.024471741852423214,
]


def rates_used(callback, *, lr=0.1, **options):
    model = Model(lr, batches=options.pop("batches", 10))
    fit(model, callback, **options)
    return model.rates


@pytest.mark.parametrize(
    ("options", "run", "right"),
    [
        pytest.param({"t_max": 10}, {"max_epochs": 1}, [0.1 * f for f in COSINE_10], id="plain"),
        pytest.param(
            {"t_max": 10, "lr_min": 0.001},
            {"max_epochs": 2},
            [0.001 + 0.099 * f for f in COSINE_10] + [0.001] * 10,
            id="past-the-end",
        ),
        pytest.param(
            {"t_max": 10, "lr_min": 0.01, "lr_initial": 0.1},
            {"max_steps": 9},
            [0.01 + 0.09 * f for f in COSINE_10[:9]],
            id="floor",
        ),
        pytest.param(
            {"t_max": 10, "lr_min_ratio": 0.01},
            {"max_epochs": 1},
            [0.001 + 0.099 * f for f in COSINE_10],
            id="ratio-floor",
        ),
        pytest.param(
            {"t_max": 13, "warmup": 3},
            {"max_steps": 13},
            [0.025, 0.05, 0.075, *(0.1 * f for f in COSINE_10)],
            id="warmup",
        ),
        pytest.param(
            {"t_max": 13, "warmup": 3, "warmup_start_ratio": 0},
            {"max_steps": 6},
            [0, 0.1 / 3, 0.2 / 3, *(0.1 * f for f in COSINE_10[:3])],
            id="warmup-from-0",
        ),
        pytest.param(
            {"t_max": 0.65, "warmup": 0.2},
            {"max_epochs": 2},
            [0.025, 0.05, 0.075, *(0.1 * f for f in COSINE_10), *[0] * 7],
            id="fractions-of-the-run",
        ),
        pytest.param(
            {"t_max": 10, "cycles": 2, "lr_min": 1e-5},
            {"max_epochs": 3},
            [1e-5 + (0.1 - 1e-5) * f for f in COSINE_10 * 2] + [1e-5] * 10,
            id="restarts",
        ),
        pytest.param(
            {"t_max": 10, "cycles": None, "peak_decay": 0.5},
            {"max_epochs": 3},
            [0.1 * d * f for d in (1, 0.5, 0.25) for f in COSINE_10],
            id="peak-decay",
        ),
        pytest.param(
            {"t_max": 10, "cycles": None, "lr_min": 1e-5},
            {"max_epochs": 20},
            [1e-5 + (0.1 - 1e-5) * f for f in COSINE_10 * 20],
            id="longer-than-looked-ahead",
        ),
        pytest.param(
            {"cycles": 2},
            {"max_epochs": 2},
            [0.1 * f for f in COSINE_10 * 2],
            id="cycles-fill-the-run",
        ),
        pytest.param(
            {"t_max": 10, "t_mult": 2, "cycles": None},
            {"max_steps": 31},
            [
                *(0.1 * f for f in COSINE_10),
                *(0.05 * (1 + math.cos(math.pi * k / 20)) for k in range(20)),
                0.1,
            ],
            id="growing-cycles",
        ),
    ],
)
def test_each_update_uses_its_rate(options, run, right):
    assert rates_used(CosineAnnealingCallback(interval="step", **options), **run) == pytest.approx(
        right, rel=1e-12, abs=1e-17
    )


def test_both_ends_are_exact():
    rates = rates_used(
        CosineAnnealingCallback(t_max=10, lr_min=0.001, interval="step"), max_steps=12
    )
    assert (rates[0], rates[10], rates[11]) == (0.1, 0.001, 0.001)


def test_accumulation_counts_updates():
    rates = rates_used(
        CosineAnnealingCallback(interval="step"), max_epochs=2, accumulate_grad_batches=4
    )
    right = [0.05 * (1 + math.cos(math.pi * e / 6)) for e in range(6)]
    assert rates == pytest.approx(right, rel=1e-12)


def test_step_and_epoch_are_different_units():
    by_step = rates_used(CosineAnnealingCallback(t_max=30, interval="step"), max_epochs=3)
    by_epoch = rates_used(CosineAnnealingCallback(t_max=30), max_epochs=3)
    assert by_step[-1] == pytest.approx(0.0002739052, rel=1e-6)
    assert by_epoch[-1] == pytest.approx(0.05 * (1 + math.cos(math.pi * 2 / 30)), rel=1e-12)


def test_epochs_are_the_default_unit_and_the_whole_run_its_length():
    rates = rates_used(CosineAnnealingCallback(), max_epochs=4, batches=2)
    right = [0.1, 0.1, 0.08535534, 0.08535534, 0.05, 0.05, 0.01464466, 0.01464466]
    assert rates == pytest.approx(right, rel=1e-6)


def test_a_loader_longer_than_planned_stays_at_the_floor():
    rates = rates_used(CosineAnnealingCallback(t_max=20, interval="step"), max_epochs=1, batches=25)
    assert rates[20:] == [0] * 5


def test_the_weights_move_by_the_sum_of_the_rates():
    model = Model()
    fit(model, CosineAnnealingCallback(t_max=10, interval="step"), max_epochs=1)
    assert model.weight.item() == pytest.approx(-0.55, rel=1e-6)


def test_a_position_that_goes_back():
    class Rewind(pl.Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            if trainer.current_epoch == 1:
                loop = trainer.fit_loop.epoch_loop.automatic_optimization
                loop.optim_progress.optimizer.step.total.completed = 3

    model = Model(batches=70)
    fit(model, Rewind(), CosineAnnealingCallback(t_max=140, interval="step"), max_epochs=2)
    right = [0.05 * (1 + math.cos(math.pi * e / 140)) for e in [*range(70), *range(3, 73)]]
    assert model.rates == pytest.approx(right, rel=1e-12)


def test_one_callback_serves_several_trainers():
    callback = CosineAnnealingCallback(t_max=10, interval="step")
    assert rates_used(callback, max_steps=5) == rates_used(callback, max_steps=5)


def test_a_second_fit_goes_on_with_the_positions_and_takes_the_new_base(recwarn):
    model = Model(batches=5)
    trainer = fit(model, CosineAnnealingCallback(t_max=10, interval="step"), max_epochs=1)
    model.lr = 0.2
    trainer.fit_loop.max_epochs = 2
    trainer.fit(model)
    right = [0.1 * f for f in COSINE_10[:5]] + [0.2 * f for f in COSINE_10[5:]]
    assert model.rates == pytest.approx(right, rel=1e-12)
    assert not [w for w in recwarn if "cosine_callbacks" in w.filename]


class TwoGroups(Model):
    """Two groups, the second frozen by a rate of 0."""

    def configure_optimizers(self):
        other = torch.nn.Parameter(torch.zeros(1))
        groups = [{"params": [self.weight]}, {"params": [other], "lr": 0.0}]
        return torch.optim.SGD(groups, lr=0.1)


def test_validation_and_another_loader_length_do_not_move_the_position():
    class Validated(TwoGroups):
        def val_dataloader(self):
            return DataLoader(torch.zeros(3, 1))

        def validation_step(self, batch, batch_idx):
            pass

    model = Validated()
    fit(
        model,
        CosineAnnealingCallback(t_max=20, interval="step"),
        max_epochs=2,
        val_check_interval=3,
    )
    right = [0.05 * (1 + math.cos(math.pi * e / 20)) for e in range(20)]
    assert model.rates == pytest.approx(right, rel=1e-12)
    assert {used[3] for used in model.used} == {0.0}


def test_the_example_of_the_docstring():
    (example,) = doctest.DocTestFinder(recurse=False).find(CosineAnnealingCallback, "example")
    example.globs["CosineAnnealingCallback"] = CosineAnnealingCallback
    assert doctest.DocTestRunner().run(example) == (0, 2)
