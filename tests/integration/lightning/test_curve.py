"""The rate that each update really used, in uninterrupted runs."""

import pytest
import torch

from tests.curve import cosine, cosines

from .parts import Model, Validated, fit, per_update

TEN = [cosine(e, 10) for e in range(10)]


@pytest.mark.parametrize(
    ("options", "run", "right"),
    [
        ({"t_max": 10, "lr_min": 0}, {"max_epochs": 2}, [*TEN, *[0] * 10]),
        ({"t_max": 20, "lr_initial": 0.2}, {"max_steps": 1}, [0.2]),
        (
            {"t_max": 10, "lr_min_ratio": 0.01},
            {"max_steps": 12},
            [*(0.001 + 0.99 * rate for rate in TEN), 0.001, 0.001],
        ),
        # The warmup may begin below the floor.
        ({"t_max": 13, "warmup": 3, "lr_min": 0.05}, {"max_steps": 3}, [0.025, 0.05, 0.075]),
        (
            {"t_max": 13, "warmup": 3, "warmup_start_ratio": 0},
            {"max_steps": 13},
            [0, 0.1 / 3, 0.2 / 3, *TEN],
        ),
        # Fractions of the planned run.
        ({"t_max": 0.65, "warmup": 0.2}, {"max_epochs": 2}, [0.025, 0.05, 0.075, *TEN, *[0] * 7]),
        ({"cycles": 2}, {"max_epochs": 2}, [*TEN, *TEN]),
        (
            {"t_max": 10, "cycles": None, "peak_decay": 0.5},
            {"max_epochs": 3},
            [decay * rate for decay in (1, 0.5, 0.25) for rate in TEN],
        ),
        (
            {"t_max": 10, "t_mult": 2, "cycles": None},
            {"max_steps": 31},
            [*TEN, *(cosine(e, 20) for e in range(20)), 0.1],
        ),
    ],
    ids=str,
)
def test_each_update_uses_its_rate(options, run, right):
    model = Model()
    fit(model, per_update(**options), **run)
    assert model.rates == pytest.approx(right, rel=1e-12, abs=1e-17)
    assert model.weight.item() == pytest.approx(-sum(right), rel=1e-6)


def test_both_ends_are_exact():
    model = Model()
    fit(model, per_update(t_max=10, lr_min=0.001), max_steps=12)
    assert (model.rates[0], *model.rates[10:]) == (0.1, 0.001, 0.001)


def test_a_second_fit_goes_on_with_the_positions_and_takes_the_new_base():
    model = Model(batches=5)
    trainer = fit(model, per_update(t_max=10), max_epochs=1)
    model.lr = 0.2
    trainer.fit_loop.max_epochs = 2
    trainer.fit(model)
    right = [*TEN[:5], *(2 * rate for rate in TEN[5:])]
    assert model.rates == pytest.approx(right, rel=1e-12)


def test_validation_and_a_test_between_two_fits_change_nothing(tmp_path):
    model = Validated()
    made = fit(model, per_update(t_max=20), max_epochs=1, val_check_interval=3)
    made.save_checkpoint(tmp_path / "run.ckpt")
    made.test(model, ckpt_path=tmp_path / "run.ckpt", verbose=False)
    made.fit_loop.max_epochs = 2
    made.fit(model)
    assert model.rates == cosines(range(20), 20)


def test_no_optimizer_is_no_error():
    fit(Model(optimizer=lambda *_, **__: None), per_update(t_max=10), max_epochs=1)


@pytest.mark.parametrize("model", ["lbfgs", "no loss", "own step"])
def test_automatic_optimization_counts_batches_as_lightnings_schedulers_do(model):
    class Batches(Model):
        """Record the rate of each batch: the hook before an update is not called once a batch."""

        def on_before_optimizer_step(self, optimizer):
            pass

        def on_train_batch_start(self, batch, batch_idx):
            super().on_before_optimizer_step(self.optimizers())

        def training_step(self, batch, batch_idx):
            return None if model == "no loss" and batch_idx in (2, 5) else self.weight.sum()

        def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure):
            if model == "own step" and batch_idx % 2 == 0:
                optimizer_closure()
            else:
                optimizer.step(closure=optimizer_closure)

    optimizer = {"optimizer": torch.optim.LBFGS, "max_iter": 5} if model == "lbfgs" else {}
    made = Batches(**optimizer)
    fit(made, per_update(), max_epochs=1)
    assert [used[0] for used in made.used] == [*range(10)]
    assert made.rates == cosines(range(10), 10)
