"""With other callbacks, schedulers, tuners and optimizers: docs/neighbours.md lists the results."""

import csv
import math

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from tests.curve import cosine, cosines

from .parts import CosineAnnealingCallback, Model, fit, per_update, pl, trainer

# Their packages are installed with the newest Lightning only; the oldest has fewer callbacks.
newest = pytest.mark.skipif(
    pl.__version__.startswith("2.2."), reason="not with the oldest Lightning"
)
before_and_after = pytest.mark.parametrize("order", [1, -1], ids=["before", "after"])


def assert_follows_the_curve(*callbacks, model=None, **run):
    """Train for 10 updates beside these callbacks."""
    model = model or Model()
    fit(model, *callbacks, **{"max_epochs": 1, **run})
    assert model.rates == cosines(range(10), 10)


@newest
@before_and_after
@pytest.mark.parametrize("name", ["WeightAveraging", "EMAWeightAveraging"])
def test_weight_averaging(name, order):
    assert_follows_the_curve(*[getattr(pl.callbacks, name)(), per_update()][::order])


def test_gradient_accumulation_scheduler():
    theirs = pl.callbacks.GradientAccumulationScheduler({0: 2})
    assert_follows_the_curve(theirs, per_update(), model=Model(batches=20))


class Backbone(Model):
    """An additional layer that is frozen at first, or pruned."""

    def __init__(self, **options):
        super().__init__(**options)
        self.backbone = torch.nn.Linear(4, 4)

    def training_step(self, batch, batch_idx):
        return self.backbone(torch.ones(1, 4)).sum() + self.weight.sum()

    def configure_optimizers(self):
        return torch.optim.SGD([self.weight], lr=self.lr)


def test_model_pruning():
    model = Backbone()
    theirs = pl.callbacks.ModelPruning("l1_unstructured", [(model.backbone, "weight")], amount=0.5)
    assert_follows_the_curve(theirs, per_update(), model=model)


@newest
def test_rich_progress_bar():
    theirs = pl.callbacks.RichProgressBar()
    assert_follows_the_curve(theirs, per_update(), enable_progress_bar=True)


@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_backbone_finetuning(interval):
    model, t_max = Backbone(batches=4), 16 if interval == "step" else 4
    theirs = pl.callbacks.BackboneFinetuning(
        unfreeze_backbone_at_epoch=1, lambda_func=lambda _epoch: 2.0, backbone_initial_lr=0.001
    )
    fit(model, CosineAnnealingCallback(t_max=t_max, interval=interval), theirs, max_epochs=4)
    positions = [e if interval == "step" else e // 4 for e in range(16)]
    assert model.rates == cosines(positions, t_max)
    # At each epoch it doubles the rate that it set last; in between, the rate follows the curve.
    for e, rate in enumerate(model.column(1), 4):
        first = 4 * (e // 4)
        fallen = cosine(positions[e], t_max) / cosine(positions[first], t_max)
        assert rate == pytest.approx(0.001 * 2 ** (e // 4 - 1) * fallen, rel=1e-12)


class Scheduled(Model):
    def __init__(self, kind=torch.optim.lr_scheduler.StepLR, **options):
        super().__init__()
        self.kind, self.scheduler_options = kind, options

    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        scheduler = {"scheduler": self.kind(optimizer, **self.scheduler_options), "monitor": "loss"}
        return {"optimizer": optimizer, "lr_scheduler": scheduler}


@pytest.mark.parametrize(
    ("scheduler", "options"), [("StepLR", {"step_size": 1}), ("ReduceLROnPlateau", {})]
)
def test_a_scheduler_on_the_same_optimizer_is_refused(scheduler, options):
    model = Scheduled(getattr(torch.optim.lr_scheduler, scheduler), **options)
    attempt = trainer(per_update(t_max=10), max_epochs=1)
    with pytest.raises(ValueError, match=rf"one schedule each.* and {scheduler} from configure_o"):
        attempt.fit(model)
    assert attempt.optimizers[0].param_groups[0]["lr"] == 0.1
    assert model.used == []


@pytest.mark.parametrize("optimizers", [None, [0, 1], 1])
def test_a_scheduler_is_refused_only_on_an_annealed_optimizer(optimizers):
    class Two(Model):
        automatic_optimization = False

        def configure_optimizers(self):
            one, other = (torch.optim.SGD([self.weight], lr=0.1) for _ in range(2))
            return [one, other], [torch.optim.lr_scheduler.StepLR(one, 1)]

        def training_step(self, batch, batch_idx):
            self.manual_backward(self.weight.sum())
            for optimizer in self.optimizers():
                optimizer.step()

    model, ours = Two(), per_update(t_max=10, optimizers=optimizers)
    if optimizers == 1:
        fit(model, ours, max_epochs=1)
        assert model.rates[::2] == [0.1] * 10
        assert model.rates[1::2] == cosines(range(10), 10)
    else:
        with pytest.raises(ValueError, match=r"and StepLR from configure_.* for optimizer 0;"):
            fit(model, ours, max_epochs=1)


def test_two_callbacks_on_one_optimizer_are_refused():
    attempt = trainer(per_update(), per_update(t_max=20, optimizers=0), max_epochs=1)
    named = r"got CosineAnnealingCallback\(.*\) and CosineAnnealingCallback\(.*\) for optimizer 0"
    with pytest.raises(ValueError, match=named):
        attempt.fit(Model())
    assert "initial_lr" not in attempt.optimizers[0].param_groups[0]


@pytest.mark.parametrize("optimizers", [None, 0])
def test_two_callbacks_with_the_same_optimizers_are_refused_by_the_trainer(optimizers):
    two = per_update(optimizers=optimizers), per_update(t_max=20, optimizers=optimizers)
    with pytest.raises(RuntimeError, match=r"^Found more than one stateful callback of type"):
        trainer(*two, max_epochs=1)


@pytest.mark.parametrize("optimizers", [1, [0, 2]])
def test_an_optimizer_that_does_not_exist_is_refused(optimizers):
    with pytest.raises(ValueError, match=r"^optimizers must be indices into the run's 1 opt"):
        fit(Model(), per_update(optimizers=optimizers), max_epochs=1)


@before_and_after
@pytest.mark.parametrize("normed", [False, True], ids=["plain", "batch-norm"])
def test_stochastic_weight_averaging_takes_over(order, normed):
    model = Model(batches=4)
    if normed:
        model.norm = torch.nn.BatchNorm1d(1)
    swa = pl.callbacks.StochasticWeightAveraging(
        0.03, swa_epoch_start=3, annealing_epochs=1, annealing_strategy="linear"
    )
    fit(model, *[per_update(), swa][::order], max_epochs=6)
    used = {update: rate for update, _, rate in model.used}
    assert [used[e] for e in range(8)] == cosines(range(8), 24)
    # It anneals from the present rate to its own in one epoch, with one step at the end.
    assert [used[e] for e in range(8, 24)] == pytest.approx([0.075] * 4 + [0.03] * 12)


@before_and_after
@pytest.mark.parametrize("logging", ["step", "epoch", None])
@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_the_monitor_logs_the_rate_used(tmp_path, order, logging, interval):
    model, logger = Model(batches=5), pl.loggers.CSVLogger(tmp_path)
    monitor = pl.callbacks.LearningRateMonitor(logging)
    ours = CosineAnnealingCallback(t_max=10, interval=interval)
    fit(model, *[ours, monitor][::order], logger=logger, max_epochs=3, log_every_n_steps=1)
    with (tmp_path / "lightning_logs/version_0/metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["lr-SGD"]]
    assert len(rows) >= (3 if logging == "epoch" else 15)
    for row in rows:
        update = int(row["step"])
        right = cosine(update if interval == "step" else update // 5, 10)
        assert float(row["lr-SGD"]) == pytest.approx(right, rel=1e-12)


def test_amp_with_skipped_updates_ends_with_the_run():
    class Overflowing(Model):
        def training_step(self, batch, batch_idx):
            return self.weight.sum() * (math.inf if batch_idx in (2, 3) else 1)

    plugin = pl.plugins.MixedPrecision("bf16-mixed", device="cpu")
    plugin.scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
    model = Overflowing()
    assert_follows_the_curve(per_update(), model=model, plugins=plugin)
    applied = sum(cosine(e, 10) for e in range(10) if e not in (2, 3))
    assert model.weight.item() == pytest.approx(-applied, rel=1e-6)


def test_early_stopping_only_cuts_the_curve():
    class Logged(Model):
        def training_step(self, batch, batch_idx):
            self.log("loss", 1.0)
            return super().training_step(batch, batch_idx)

    model = Logged(batches=5)
    stopping = pl.callbacks.EarlyStopping("loss", patience=1, check_on_train_epoch_end=True)
    fit(model, CosineAnnealingCallback(t_max=10), stopping, max_epochs=10)
    assert model.rates == cosines([0] * 5 + [1] * 5, 10)


class Tunable(Model):
    """A loss with a minimum, so that Lightning's range test finds a rate."""

    def __init__(self):
        super().__init__(batches=40)

    def training_step(self, batch, batch_idx):
        return ((self.weight - 1) ** 2).sum()


RANGE_TEST = {"attr_name": "lr", "min_lr": 1e-4, "early_stop_threshold": None}


def test_the_result_of_lr_find_is_the_base():
    model, made = Tunable(), trainer(per_update(t_max=20), max_steps=20)
    tuner = pl.tuner.Tuner(made)
    found = tuner.lr_find(model, num_training=20, update_attr=True, **RANGE_TEST).suggestion()
    model.used.clear()
    made.fit(model)
    assert model.lr == found != 0.1
    assert model.rates == cosines(range(20), 20, found)


def test_the_result_of_the_learning_rate_finder_is_the_base():
    model, given = Tunable(), []
    finder = pl.callbacks.LearningRateFinder(num_training_steps=20, **RANGE_TEST)

    class RecordRate(pl.Callback):
        def on_fit_start(self, trainer, pl_module):
            given.append(trainer.optimizers[0].param_groups[0]["lr"])
            pl_module.used.clear()

    made = fit(model, per_update(t_max=60), finder, RecordRate(), max_steps=60)
    found = finder.optimal_lr.suggestion()
    assert model.lr == found != 0.1
    # Lightning up to 2.5.3 does not set the suggestion in the optimizer, whose rate counts.
    assert given in ([found], [0.1])
    assert made.global_step == 60
    # Lightning 2.2 and 2.4 continue after the batches of the range test.
    assert model.rates == cosines([used[0] for used in model.used], 60, given[0])


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

    model, finder = Tunable(), FinderInSecondEpoch(num_training_steps=20, **RANGE_TEST)
    fit(model, per_update(t_max=120), finder, max_epochs=3)
    positions = [used[0] for used in model.used]
    assert len(positions) >= 60
    assert model.rates == cosines(positions, 120, given[0] / cosine(40, 120, 1))


class Sized(Model):
    batch_size = 1

    def train_dataloader(self):
        return DataLoader(TensorDataset(torch.ones(64, 1)), batch_size=self.batch_size)


TRIALS = {"steps_per_trial": 1, "max_trials": 3, "init_val": 2}


@pytest.mark.parametrize("by", ["callback", "tuner"])
def test_the_planned_length_is_that_of_the_found_batch_size(by):
    model = Sized()
    finders = [pl.callbacks.BatchSizeFinder(**TRIALS)] if by == "callback" else []
    made = trainer(per_update(), *finders, max_epochs=1)
    if by == "tuner":
        pl.tuner.Tuner(made).scale_batch_size(model, **TRIALS)
        model.used.clear()
    made.fit(model)
    planned = 64 // model.batch_size
    assert planned < 64
    assert model.rates[-planned:] == cosines(range(planned), planned)


@pytest.mark.parametrize(
    "options",
    [{"fused": True}, {"foreach": True}, {"capturable": False, "lr": torch.tensor(0.1)}],
    ids=["fused", "foreach", "tensor"],
)
def test_kinds_of_adam(options):
    adam = lambda parameters, lr: torch.optim.Adam(parameters, **{"lr": lr, **options})  # noqa: E731
    model = Model(optimizer=adam)
    fit(model, per_update(), max_epochs=1)
    # A tensor of float32 has 7 digits.
    right, digits = [cosine(e, 10) for e in range(10)], 1e-6 if "lr" in options else 1e-12
    assert model.rates == pytest.approx(right, rel=digits)


@pytest.mark.slow
def test_a_compiled_model():
    model = Model()
    model.compiled = torch.compile(torch.nn.Linear(1, 1), backend="eager")
    assert_follows_the_curve(per_update(), model=model)


@pytest.mark.slow
@pytest.mark.parametrize("tensor", [False, True], ids=["float", "tensor"])
def test_a_compiled_optimizer(tensor):
    class Compiled(torch.optim.SGD):
        """An optimizer with a compiled update, as in torch's recipe."""

        def __init__(self, parameters, lr):
            super().__init__(parameters, torch.tensor(lr) if tensor else lr)
            self.update = torch.compile(super().step, backend="eager")

        def step(self, closure=None):
            loss = closure()
            self.update()
            return loss

    model = Model(optimizer=Compiled)
    fit(model, per_update(), max_epochs=1)
    right = [cosine(e, 10) for e in range(10)]
    assert model.rates == pytest.approx(right, rel=1e-6 if tensor else 1e-12)
    assert model.weight.item() == pytest.approx(-0.55, rel=1e-6)


@newest
@pytest.mark.slow
def test_an_8_bit_optimizer():
    from torchao.optim import AdamW8bit

    model = Model(optimizer=AdamW8bit)
    fit(model, per_update(), max_epochs=1)
    assert model.rates == pytest.approx([cosine(e, 10) for e in range(10)], rel=1e-6)


@newest
def test_a_schedule_free_optimizer():
    from schedulefree import SGDScheduleFree

    class ScheduleFree(Model):
        def on_train_start(self):
            self.optimizers().optimizer.train()

    assert_follows_the_curve(per_update(), model=ScheduleFree(optimizer=SGDScheduleFree))
