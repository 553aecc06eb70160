"""What is driven and never moves is said; what is no rate is refused."""

import re
from collections import UserList

import pytest
import torch

from tests.curve import cosine
from tests.integration.lightning.parts import CosineAnnealingCallback, Model, fit, trainer


class Sam(torch.optim.Optimizer):
    """Two steps of its own, as in davda54/sam; the inner optimizer has the same groups."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})
        self.inner = torch.optim.SGD(self.param_groups, lr=lr)
        self.param_groups = self.inner.param_groups

    def first_step(self):
        pass

    def second_step(self):
        self.inner.step()

    def step(self, closure=None):
        raise NotImplementedError


class Sharp(Model):
    def __init__(self):
        super().__init__(optimizer=Sam)
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        optimizer = self.optimizers().optimizer
        self.manual_backward(self.weight.sum())
        self.used.append((0, 0, optimizer.param_groups[0]["lr"]))
        optimizer.first_step()
        optimizer.second_step()


SENTENCE = (
    "optimizer 0 (Sam) must be updated by its step method, got weights that changed without it in "
    "the first epoch, so that its rate did not move; call step, give interval='epoch', or leave it "
    "out of optimizers="
)


def unmoved(caught):
    return [str(w.message) for w in caught if "did not move" in str(w.message)]


def test_an_optimizer_whose_step_is_never_called():
    model = Sharp()
    callback = CosineAnnealingCallback(t_max=30, interval="step")
    with pytest.warns(UserWarning, match=re.escape(SENTENCE)) as caught:
        fit(model, callback, max_epochs=3)
    assert unmoved(caught) == [SENTENCE]
    assert set(model.rates) == {0.1}


def test_it_moves_by_epochs(recwarn):
    model = Sharp()
    fit(model, CosineAnnealingCallback(), max_epochs=3)
    assert model.rates[::10] == pytest.approx([cosine(e, 3) for e in range(3)])
    assert unmoved(recwarn) == []


def test_a_second_fit_goes_on_though_lightning_has_counted_no_step():
    model = Sharp()
    run = fit(model, CosineAnnealingCallback(t_max=4), max_epochs=2)
    run.fit_loop.max_epochs = 4
    run.fit(model)
    assert run.global_step == 0
    assert model.rates[::10] == pytest.approx([cosine(e, 4) for e in range(4)])


class TwoOptimizers(Sharp):
    """The second one begins late, and is updated once in many batches."""

    def __init__(self):
        super().__init__()
        self.other = torch.nn.Parameter(torch.zeros(1))

    def configure_optimizers(self):
        return [torch.optim.SGD([each], lr=0.1) for each in (self.weight, self.other)]

    def training_step(self, batch, batch_idx):
        first, second = self.optimizers()
        self.manual_backward(self.weight.sum() + self.other.sum())
        first.step()
        if self.trainer.fit_loop.total_batch_idx % 13 == 12:
            second.step()


def test_an_optimizer_that_begins_late_is_not_named(recwarn):
    fit(TwoOptimizers(), CosineAnnealingCallback(t_max=30, interval="step"), max_epochs=3)
    assert unmoved(recwarn) == []


class NoRate(torch.optim.SGD):
    """Leaves the rate of its groups out, or None as Adafactor does."""

    def __init__(self, params, lr, *, gone):
        super().__init__(params, lr=lr)
        for group in self.param_groups:
            if gone:
                del group["lr"]
            else:
                group["lr"] = None


@pytest.mark.parametrize("gone", [True, False])
@pytest.mark.parametrize("options", [{}, {"lr_initial": 0.1}], ids=str)
def test_a_group_without_a_rate_is_refused(gone, options):
    attempt = trainer(CosineAnnealingCallback(**options), max_epochs=1)
    model = Model(optimizer=NoRate, gone=gone)
    sentence = (
        "the rate of param group 0 of optimizer 0 must be a number, got None; give the optimizer "
        "an lr"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        attempt.fit(model)
    assert "initial_lr" not in attempt.optimizers[0].param_groups[0]


@pytest.mark.parametrize("indices", [UserList([0, 1]), range(2), (0, 1)])
def test_indices_come_in_any_sequence(indices):
    assert repr(CosineAnnealingCallback(optimizers=indices)) == (
        "CosineAnnealingCallback(optimizers=[0, 1])"
    )


@pytest.mark.parametrize("indices", ["01", b"01", {0}], ids=repr)
def test_what_is_no_sequence_of_indices_is_refused(indices):
    with pytest.raises(TypeError, match=r"^optimizers must be a number"):
        CosineAnnealingCallback(optimizers=indices)


def test_a_constant_rate_is_the_same_in_a_longer_run(tmp_path, recwarn):
    options = {"lr_min_ratio": 1.0, "interval": "step"}
    fit(Model(), CosineAnnealingCallback(**options), max_epochs=1).save_checkpoint(
        tmp_path / "run.ckpt"
    )
    model = Model()
    fit(model, CosineAnnealingCallback(**options), ckpt_path=tmp_path / "run.ckpt", max_epochs=3)
    assert set(model.rates) == {0.1}
    assert not [w for w in recwarn if "the checkpoint has other" in str(w.message)]
    with pytest.warns(UserWarning, match=r"warmup 0 -> 20; .* instead of 0\.1$"):
        fit(
            Model(),
            CosineAnnealingCallback(**options, warmup=20),
            ckpt_path=tmp_path / "run.ckpt",
            max_epochs=4,
        )


def test_a_warmup_that_is_rounded_to_nothing_is_named():
    model = Model()
    sentence = (
        "warmup must be half a unit of the first cycle at least, got 0.05 of 4 epochs, which is 0 "
        "epochs; give interval='step' or an int"
    )
    with pytest.warns(UserWarning, match=re.escape(sentence)) as caught:
        fit(model, CosineAnnealingCallback(warmup=0.05), max_epochs=4)
    assert len([w for w in caught if "half a unit" in str(w.message)]) == 1
    assert model.rates[0] == 0.1


@pytest.mark.parametrize("limits", [{"max_steps": 24}, {"max_steps": 24, "max_epochs": 9}], ids=str)
def test_a_plan_that_needs_updates_per_batch_is_refused(limits):
    model = TwoOptimizers()
    reason = "in manual optimization only the model knows how many updates a batch makes; give"
    with pytest.raises(ValueError, match=rf"^t_max must be a number of epochs .*{reason} t_max=$"):
        fit(model, CosineAnnealingCallback(), **limits)
    fit(model, CosineAnnealingCallback(t_max=9), **limits)
    fit(model, CosineAnnealingCallback(), fast_dev_run=True)
