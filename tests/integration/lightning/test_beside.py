"""With other callbacks and special optimizers: docs/neighbours.md lists the results."""

import math

import pytest
import torch

from tests.integration.lightning.parts import CosineAnnealingCallback, Model, fit, pl

# Their packages are installed with the newest Lightning only; the oldest has fewer callbacks.
newest = pytest.mark.skipif(
    pl.__version__.startswith("2.2."), reason="not with the oldest Lightning"
)
CURVE = [0.05 * (1 + math.cos(math.pi * e / 10)) for e in range(10)]


def by_step(**options):
    return CosineAnnealingCallback(interval="step", **options)


def follows_curve(model):
    return model.rates == pytest.approx(CURVE, rel=1e-12)


class BackboneModel(Model):
    """An additional layer that can be pruned and frozen."""

    def __init__(self, **options):
        super().__init__(**options)
        self.backbone = torch.nn.Linear(4, 4)

    def training_step(self, batch, batch_idx):
        return self.backbone(torch.ones(1, 4)).sum() + self.weight.sum()


@newest
@pytest.mark.parametrize("order", [1, -1], ids=["before", "after"])
@pytest.mark.parametrize("name", ["WeightAveraging", "EMAWeightAveraging"])
def test_weight_averaging(name, order):
    model = Model()
    fit(model, *[getattr(pl.callbacks, name)(), by_step()][::order], max_epochs=1)
    assert follows_curve(model)


def test_gradient_accumulation_scheduler():
    model = Model(batches=20)
    fit(model, pl.callbacks.GradientAccumulationScheduler({0: 2}), by_step(), max_epochs=1)
    assert follows_curve(model)


@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_backbone_finetuning(interval):
    class Finetuned(BackboneModel):
        def configure_optimizers(self):
            return torch.optim.SGD([self.weight], lr=self.lr)

    model = Finetuned(batches=5)
    finetuning = pl.callbacks.BackboneFinetuning(
        unfreeze_backbone_at_epoch=1,
        backbone_initial_ratio_lr=0.1,
        should_align=False,
        lambda_func=lambda _: 1,
    )
    fit(model, CosineAnnealingCallback(t_max=10, interval=interval), finetuning, max_epochs=2)
    e = range(10) if interval == "step" else [0] * 5 + [1] * 5
    assert model.rates == pytest.approx([CURVE[each] for each in e], rel=1e-12)
    # The new group starts at a tenth of the other one's rate, and falls in proportion; Lightning
    # sets it at the start of each epoch, and the curve continues from there.
    for used in model.used[6:]:
        assert used[3] / used[2] == pytest.approx(0.1, rel=1e-12)


def test_model_pruning():
    model = BackboneModel()
    pruning = pl.callbacks.ModelPruning("l1_unstructured", [(model.backbone, "weight")], amount=0.5)
    fit(model, pruning, by_step(), max_epochs=1)
    assert follows_curve(model)


@newest
def test_rich_progress_bar():
    model = Model()
    fit(model, pl.callbacks.RichProgressBar(), by_step(), max_epochs=1, enable_progress_bar=True)
    assert follows_curve(model)


@pytest.mark.parametrize(
    "options",
    [{"fused": True}, {"foreach": True}, {"capturable": False, "lr": torch.tensor(0.1)}],
    ids=["fused", "foreach", "tensor"],
)
def test_kinds_of_adam(options):
    model = Model(
        optimizer=lambda parameters, lr: torch.optim.Adam(parameters, **{"lr": lr, **options})
    )
    fit(model, by_step(), max_epochs=1)
    assert model.rates == pytest.approx(CURVE, rel=1e-6 if "lr" in options else 1e-12)


@pytest.mark.slow
def test_a_compiled_model():
    model = Model()
    model.compiled = torch.compile(torch.nn.Linear(1, 1), backend="eager")
    fit(model, by_step(), max_epochs=1)
    assert follows_curve(model)


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
    fit(model, by_step(), max_epochs=1)
    assert model.rates == pytest.approx(CURVE, rel=1e-6 if tensor else 1e-12)
    assert model.weight.item() == pytest.approx(-sum(CURVE), rel=1e-6)


@newest
@pytest.mark.slow
def test_an_8_bit_optimizer():
    from torchao.optim import AdamW8bit

    model = Model(optimizer=AdamW8bit)
    fit(model, by_step(), max_epochs=1)
    assert model.rates == pytest.approx(CURVE, rel=1e-6)


@newest
def test_a_schedule_free_optimizer():
    from schedulefree import SGDScheduleFree

    class ScheduleFreeModel(Model):
        def on_train_start(self):
            self.optimizers().optimizer.train()

    model = ScheduleFreeModel(optimizer=SGDScheduleFree)
    fit(model, by_step(), max_epochs=1)
    assert follows_curve(model)
