"""With other callbacks, schedulers, tuners and optimizers."""

import csv
import math

import pytest
import torch

from tests.curve import cosine
from tests.integration.lightning.parts import CosineAnnealingCallback, Model, fit, pl, trainer

CURVE = [cosine(e, 10) for e in range(10)]


def by_step(*, t_max=10, **options):
    return CosineAnnealingCallback(t_max=t_max, interval="step", **options)


class Scheduled(Model):
    scheduler = torch.optim.lr_scheduler.StepLR, {"step_size": 1}

    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        kind, options = self.scheduler
        scheduler = {"scheduler": kind(optimizer, **options), "monitor": "loss"}
        return {"optimizer": optimizer, "lr_scheduler": scheduler}


class Plateau(Scheduled):
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau, {}


@pytest.mark.parametrize(
    ("model", "named"), [(Scheduled, "StepLR"), (Plateau, "ReduceLROnPlateau")]
)
def test_a_scheduler_on_the_same_optimizer_is_refused(model, named):
    attempt, made = trainer(by_step(), max_epochs=1), model()
    with pytest.raises(ValueError, match=rf"one schedule each.* and {named} from configure_opt"):
        attempt.fit(made)
    assert attempt.optimizers[0].param_groups[0]["lr"] == 0.1
    assert made.used == []


@pytest.mark.parametrize("optimizers", [None, [0, 1], 1])
def test_a_scheduler_is_refused_only_on_an_annealed_optimizer(optimizers):
    class Two(Model):
        automatic_optimization = False

        def configure_optimizers(self):
            one, other = (torch.optim.SGD([self.weight], lr=0.1) for _ in range(2))
            return [one, other], [torch.optim.lr_scheduler.StepLR(one, 1)]

        def training_step(self, batch, batch_idx):
            loss = self.weight.sum()
            self.manual_backward(loss)
            for optimizer in self.optimizers():
                optimizer.step()

    model, ours = Two(), by_step(optimizers=optimizers)
    if optimizers == 1:
        fit(model, ours, max_epochs=1)
        assert model.rates[::2] == [0.1] * 10
        assert model.rates[1::2] == pytest.approx(CURVE, rel=1e-12)
    else:
        with pytest.raises(ValueError, match=r"and StepLR from configure_.* for optimizer 0;"):
            fit(model, ours, max_epochs=1)


def test_two_callbacks_on_one_optimizer_are_refused():
    attempt = trainer(by_step(), by_step(t_max=20, optimizers=0), max_epochs=1)
    named = r"got CosineAnnealingCallback\(.*\) and CosineAnnealingCallback\(.*\) for optimizer 0"
    with pytest.raises(ValueError, match=named):
        attempt.fit(Model())
    assert "initial_lr" not in attempt.optimizers[0].param_groups[0]


@pytest.mark.parametrize("optimizers", [None, 0])
def test_two_callbacks_with_the_same_optimizers_are_refused_by_the_trainer(optimizers):
    two = by_step(optimizers=optimizers), by_step(t_max=20, optimizers=optimizers)
    with pytest.raises(RuntimeError, match=r"^Found more than one stateful callback of type"):
        trainer(*two, max_epochs=1)


@pytest.mark.parametrize("optimizers", [1, [0, 2]])
def test_an_optimizer_that_does_not_exist_is_refused(optimizers):
    with pytest.raises(ValueError, match=r"^optimizers must be indices into the run's 1 opt"):
        fit(Model(), by_step(optimizers=optimizers), max_epochs=1)


@pytest.mark.parametrize("ours_first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("normed", [False, True], ids=["plain", "batch-norm"])
def test_stochastic_weight_averaging_takes_over(ours_first, normed):
    model = Model(batches=4)
    if normed:
        model.norm = torch.nn.BatchNorm1d(1)
    swa = pl.callbacks.StochasticWeightAveraging(
        0.03, swa_epoch_start=3, annealing_epochs=1, annealing_strategy="linear"
    )
    ours = CosineAnnealingCallback(interval="step")
    callbacks = [ours, swa] if ours_first else [swa, ours]
    fit(model, *callbacks, max_epochs=6)
    rate_at = {used[0]: used[2] for used in model.used}
    right = [cosine(e, 24) for e in range(8)]
    assert [rate_at[e] for e in range(8)] == pytest.approx(right, rel=1e-12)
    # It anneals from the present rate to its own in one epoch, with one step at the end.
    assert [rate_at[e] for e in range(8, 12)] == pytest.approx([0.075] * 4)
    assert [rate_at[e] for e in range(12, 24)] == pytest.approx([0.03] * 12)


@pytest.mark.parametrize("ours_first", [True, False], ids=["ours-first", "monitor-first"])
@pytest.mark.parametrize("logging", ["step", "epoch", None])
@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_the_monitor_logs_the_rate_used(tmp_path, ours_first, logging, interval):
    model = Model(batches=5)
    monitor = pl.callbacks.LearningRateMonitor(logging)
    ours = CosineAnnealingCallback(t_max=10, interval=interval)
    logger = pl.loggers.CSVLogger(tmp_path)
    callbacks = [ours, monitor] if ours_first else [monitor, ours]
    fit(model, *callbacks, logger=logger, max_epochs=3, log_every_n_steps=1)
    with (tmp_path / "lightning_logs/version_0/metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["lr-SGD"]]
    used = {step: lr for step, _, lr in model.used}
    assert len(rows) >= (3 if logging == "epoch" else 15)
    assert [(int(r["step"]), float(r["lr-SGD"])) for r in rows] == [
        (int(r["step"]), pytest.approx(used[int(r["step"])], rel=1e-12)) for r in rows
    ]
    if logging == "step" and interval == "step":
        assert float(rows[1]["lr-SGD"]) == pytest.approx(0.09755283, rel=1e-6)


def test_amp_with_skipped_updates_ends_with_the_run():
    class Overflowing(Model):
        def training_step(self, batch, batch_idx):
            return self.weight.sum() * (math.inf if batch_idx in (2, 3) else 1)

    scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
    plugin = pl.plugins.MixedPrecision("bf16-mixed", device="cpu")
    plugin.scaler = scaler
    model = Overflowing()
    fit(model, by_step(), plugins=plugin, max_epochs=1)
    assert model.rates == pytest.approx(CURVE, rel=1e-12)
    applied = sum(lr for e, lr in enumerate(CURVE) if e not in (2, 3))
    assert model.weight.item() == pytest.approx(-applied, rel=1e-6)


class Batches(Model):
    """Record the rate of each batch: here the hook before an update is not called once a batch."""

    def on_before_optimizer_step(self, optimizer):
        pass

    def on_train_batch_start(self, batch, batch_idx):
        super().on_before_optimizer_step(self.optimizers())


class Skipping(Batches):
    def training_step(self, batch, batch_idx):
        return None if batch_idx in (2, 5) else self.weight.sum()


class EverySecond(Batches):
    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure):
        if batch_idx % 2:
            optimizer.step(closure=optimizer_closure)
        else:
            optimizer_closure()


@pytest.mark.parametrize(
    "model",
    [lambda: Batches(optimizer=torch.optim.LBFGS, max_iter=5), Skipping, EverySecond],
    ids=["lbfgs", "no-loss", "own-optimizer-step"],
)
def test_automatic_optimization_counts_as_lightnings_schedulers_do(model):
    made = model()
    fit(made, by_step(), max_epochs=1)
    assert [used[0] for used in made.used] == [*range(10)]
    assert made.rates == pytest.approx(CURVE, rel=1e-12)


class Tunable(Model):
    """A loss with a minimum, so that Lightning's range test finds a rate."""

    def training_step(self, batch, batch_idx):
        return ((self.weight - 1) ** 2).sum()


RANGE_TEST = {"attr_name": "lr", "min_lr": 1e-4, "early_stop_threshold": None}


def test_the_result_of_lr_find_is_the_base():
    model = Tunable(batches=40)
    made = trainer(by_step(t_max=20), max_steps=20)
    tuner = pl.tuner.Tuner(made)
    found = tuner.lr_find(model, num_training=20, update_attr=True, **RANGE_TEST).suggestion()
    model.used.clear()
    made.fit(model)
    assert model.lr == found != 0.1
    assert model.rates == pytest.approx([cosine(e, 20, found) for e in range(20)])


def test_the_result_of_the_learning_rate_finder_is_the_base():
    model = Tunable(batches=40)
    finder = pl.callbacks.LearningRateFinder(num_training_steps=20, **RANGE_TEST)
    given = []

    class RecordRate(pl.Callback):
        def on_fit_start(self, trainer, pl_module):
            given.append(trainer.optimizers[0].param_groups[0]["lr"])
            pl_module.used.clear()

    made = fit(model, by_step(t_max=60), finder, RecordRate(), max_steps=60)
    found = finder.optimal_lr.suggestion()
    assert model.lr == found != 0.1
    # Lightning up to 2.5.3 does not set the suggestion in the optimizer, whose rate counts.
    assert given in ([found], [0.1])
    # Lightning 2.2 and 2.4 continue after the batches of the range test.
    steps = [used[0] for used in model.used]
    assert made.global_step == 60
    assert model.rates == pytest.approx([cosine(e, 60, given[0]) for e in steps])


def test_a_range_test_in_mid_run_sets_the_rate_from_there():
    given = []

    class FinderInSecondEpoch(pl.callbacks.LearningRateFinder):
        def on_fit_start(self, trainer, pl_module):
            pass

        def on_train_epoch_start(self, trainer, pl_module):
            if trainer.current_epoch == 1 and not given:
                self.lr_find(trainer, pl_module)
                given.append(trainer.optimizers[0].param_groups[0]["lr"])
                pl_module.used.clear()

    model = Tunable(batches=40)
    finder = FinderInSecondEpoch(num_training_steps=20, **RANGE_TEST)
    fit(model, by_step(t_max=120), finder, max_epochs=3)
    base = given[0] / cosine(40, 120, 1)
    steps = [used[0] for used in model.used]
    assert len(steps) >= 60
    assert model.rates == pytest.approx([cosine(e, 120, base) for e in steps], rel=1e-12)


class Sized(Model):
    batch_size = 1

    def train_dataloader(self):
        data = torch.utils.data.TensorDataset(torch.ones(64, 1))
        return torch.utils.data.DataLoader(data, batch_size=self.batch_size)


TRIALS = {"steps_per_trial": 1, "max_trials": 3, "init_val": 2}


def test_the_planned_length_is_that_of_the_found_batch_size():
    model = Sized()
    finder = pl.callbacks.BatchSizeFinder(**TRIALS)
    fit(model, CosineAnnealingCallback(interval="step"), finder, max_epochs=1)
    planned = 64 // model.batch_size
    assert planned < 64
    right = [cosine(e, planned) for e in range(planned)]
    assert model.rates[-planned:] == pytest.approx(right, rel=1e-12)


def test_the_planned_length_is_that_of_the_scaled_batch_size():
    model = Sized()
    made = trainer(CosineAnnealingCallback(interval="step"), max_epochs=1)
    found = pl.tuner.Tuner(made).scale_batch_size(model, **TRIALS)
    model.used.clear()
    made.fit(model)
    assert found > 1
    right = [cosine(e, 64 // found) for e in range(64 // found)]
    assert model.rates == pytest.approx(right, rel=1e-12)


def test_a_test_between_two_fits_changes_nothing(tmp_path):
    class Tested(Model):
        def test_step(self, batch, batch_idx):
            pass

        def test_dataloader(self):
            return self.train_dataloader()

    straight, model = Tested(), Tested()
    fit(straight, by_step(t_max=20), max_epochs=2)
    made = fit(model, by_step(t_max=20), max_epochs=1)
    made.save_checkpoint(tmp_path / "run.ckpt")
    made.test(model, ckpt_path=tmp_path / "run.ckpt", verbose=False)
    made.fit_loop.max_epochs = 2
    made.fit(model)
    assert model.rates == straight.rates


def test_no_optimizer_is_no_error():
    class Idle(Model):
        def configure_optimizers(self):
            return None

    fit(Idle(), by_step(), max_epochs=1)


def test_early_stopping_only_cuts_the_curve():
    class Logged(Model):
        def training_step(self, batch, batch_idx):
            self.log("loss", 1.0)
            return super().training_step(batch, batch_idx)

    model = Logged(batches=5)
    stopping = pl.callbacks.EarlyStopping("loss", patience=1, check_on_train_epoch_end=True)
    fit(model, CosineAnnealingCallback(t_max=10), stopping, max_epochs=10)
    assert len(model.rates) == 10
    assert model.rates == pytest.approx([0.1] * 5 + [0.09755283] * 5, rel=1e-6)
