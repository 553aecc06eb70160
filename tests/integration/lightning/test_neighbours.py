"""With other callbacks, schedulers, tuners and optimizers: docs/neighbours.md lists the results."""

import csv
import math
from functools import partial

import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR
from torch.utils.data import DataLoader, TensorDataset

from tests.curve import cosine, cosines

from .events import Once, before_and_after
from .parts import Backbone, CosineAnnealingCallback, Gan, Model, fit, per_update, pl, trainer

# Their packages are installed with the newest Lightning only; the oldest has fewer callbacks.
newest = pytest.mark.skipif(
    pl.__version__.startswith("2.2."), reason="not with the oldest Lightning"
)


@before_and_after
@pytest.mark.parametrize(
    ("name", "arguments", "batches"),
    [
        pytest.param("WeightAveraging", {}, 10, marks=newest),
        pytest.param("EMAWeightAveraging", {}, 10, marks=newest),
        ("GradientAccumulationScheduler", {"scheduling": {0: 2}}, 20),
        ("ModelPruning", {"pruning_fn": "l1_unstructured", "amount": 0.5}, 10),
        pytest.param("RichProgressBar", {}, 10, marks=newest),
    ],
)
def test_callbacks_that_leave_the_curve_alone(name, arguments, batches, order):
    model, theirs = Backbone(batches=batches), getattr(pl.callbacks, name)(**arguments)
    fit(model, *[per_update(), theirs][::order], max_epochs=1, enable_progress_bar=True)
    assert model.rates == cosines(range(10), 10)


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


class HalfScheduled(Gan):
    def configure_optimizers(self):
        both = super().configure_optimizers()
        return both, [StepLR(both[0], 1)]


OURS = r"CosineAnnealingCallback\(.*\)"


@pytest.mark.parametrize(
    ("model", "ours", "sentence"),
    [
        (Model(scheduler=partial(StepLR, step_size=1)), [{}], "one schedule .* StepLR from conf"),
        (Model(scheduler=ReduceLROnPlateau), [{}], "one schedule .* ReduceLROnPlateau from conf"),
        (HalfScheduled(), [{"t_max": 9}], "and StepLR from configure_.* for optimizer 0;"),
        (HalfScheduled(), [{"t_max": 9, "optimizers": [0, 1]}], "StepLR .* for optimizer 0;"),
        (Model(), [{}, {"t_max": 20, "optimizers": 0}], f"got {OURS} and {OURS} for optimizer 0"),
        (Model(), [{"optimizers": 1}], "^optimizers must be indices into the run's 1 opt"),
        (Model(), [{"optimizers": [0, 2]}], "^optimizers must be indices into the run's 1 opt"),
    ],
    ids=["step", "plateau", "half", "both halves", "second of ours", "absent", "one absent"],
)
def test_a_conflict_is_refused_before_the_first_rate(model, ours, sentence):
    attempt = trainer(*(per_update(**options) for options in ours), max_epochs=1)
    with pytest.raises(ValueError, match=sentence):
        attempt.fit(model)
    group = attempt.optimizers[0].param_groups[0]
    assert group["lr"] == 0.1
    assert attempt.lr_scheduler_configs or "initial_lr" not in group  # torch's set it
    assert model.used == []


def test_a_scheduler_may_drive_another_optimizer():
    model = HalfScheduled()
    fit(model, per_update(t_max=10, optimizers=1), max_epochs=1)
    assert model.by_optimizer == ([0.1] * 10, cosines(range(10), 10, 0.01))


@pytest.mark.parametrize("optimizers", [None, 0])
def test_two_callbacks_with_the_same_optimizers_are_refused_by_the_trainer(optimizers):
    two = per_update(optimizers=optimizers), per_update(t_max=20, optimizers=optimizers)
    with pytest.raises(RuntimeError, match=r"^Found more than one stateful callback of type"):
        trainer(*two, max_epochs=1)


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
    fit(model, per_update(), plugins=plugin, max_epochs=1)
    assert model.rates == cosines(range(10), 10)
    applied = sum(cosine(e, 10) for e in range(10) if e not in (2, 3))
    assert model.weight.item() == pytest.approx(-applied, rel=1e-6)


def test_early_stopping_only_cuts_the_curve():
    model = Backbone(batches=5)
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


@pytest.mark.parametrize("by", ["callback", "tuner"])
def test_the_result_of_a_range_test_is_the_base(by):
    model, given = Tunable(), []

    def note(trainer):
        given.append(trainer.optimizers[0].param_groups[0]["lr"])
        model.used.clear()

    finder = pl.callbacks.LearningRateFinder(num_training_steps=20, **RANGE_TEST)
    theirs = [finder] if by == "callback" else []
    made = trainer(per_update(t_max=60), *theirs, Once("on_fit_start", 0, note), max_steps=60)
    if by == "tuner":
        finder.optimal_lr = pl.tuner.Tuner(made).lr_find(model, num_training=20, **RANGE_TEST)
    made.fit(model)
    assert model.lr == finder.optimal_lr.suggestion() != 0.1
    # A callback up to Lightning 2.5.3 does not set it in the optimizer, whose rate counts.
    assert given == [model.lr] or (by == "callback" and given == [0.1])
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


def adam(**options):
    return lambda parameters, lr: torch.optim.Adam(parameters, **{"lr": lr, **options})


def adam_8_bit(parameters, lr):
    from torchao.optim import AdamW8bit

    return AdamW8bit(parameters, lr)


def schedule_free(parameters, lr):
    from schedulefree import SGDScheduleFree

    made = SGDScheduleFree(parameters, lr)
    made.train()
    return made


class CompiledStep(torch.optim.SGD):
    """An optimizer with a compiled update, as in torch's recipe."""

    def __init__(self, parameters, lr):
        super().__init__(parameters, lr)
        self.update = torch.compile(super().step, backend="eager")

    def step(self, closure=None):
        loss = closure()
        self.update()
        return loss


@pytest.mark.parametrize(
    ("optimizer", "digits"),
    [
        (adam(fused=True), 1e-12),
        (adam(foreach=True), 1e-12),
        # A tensor of float32 has 7 digits.
        (adam(capturable=False, lr=torch.tensor(0.1)), 1e-6),
        pytest.param(adam_8_bit, 1e-6, marks=[newest, pytest.mark.slow]),
        pytest.param(schedule_free, 1e-12, marks=newest),
        pytest.param(CompiledStep, 1e-12, marks=pytest.mark.slow),
        pytest.param(lambda p, lr: CompiledStep(p, torch.tensor(lr)), 1e-6, marks=pytest.mark.slow),
    ],
    ids=["fused", "foreach", "tensor", "8 bit", "schedule free", "compiled", "compiled, tensor"],
)
def test_kinds_of_optimizers(optimizer, digits):
    model = Model(optimizer=optimizer)
    fit(model, per_update(), max_epochs=1)
    assert model.rates == pytest.approx([cosine(e, 10) for e in range(10)], rel=digits)
    if optimizer not in {adam_8_bit, schedule_free}:  # which round or average the weights
        assert model.weight.item() == pytest.approx(-0.55, rel=1e-6)


@pytest.mark.slow
def test_a_compiled_model():
    model = Model()
    model.compiled = torch.compile(torch.nn.Linear(1, 1), backend="eager")
    fit(model, per_update(), max_epochs=1)
    assert model.rates == cosines(range(10), 10)
