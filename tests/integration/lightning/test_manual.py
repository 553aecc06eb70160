"""Manual optimization: each optimizer's own updates are counted."""

from collections import OrderedDict
from functools import partial

import pytest
import torch

from tests.curve import cosine
from tests.integration.lightning.parts import CosineAnnealingCallback, Model, fit, pl, trainer


def once(batch_idx):
    return 1


def twice(batch_idx):
    return 2


def every_third(batch_idx):
    return batch_idx % 3 == 0


class Gan(Model):
    """Two optimizers with one weight each; the number of steps of each is given per batch."""

    def __init__(self, *, first=once, second=once, kind=None):
        super().__init__()
        self.automatic_optimization = False
        self.other = torch.nn.Parameter(torch.zeros(1))
        self.times, self.kind = (first, second), kind or torch.optim.SGD
        self.by_optimizer = ([], [])

    def configure_optimizers(self):
        return [self.kind([self.weight], lr=0.1), self.kind([self.other], lr=0.01)]

    def training_step(self, batch, batch_idx):
        for times, optimizer, used in zip(
            self.times, self.optimizers(), self.by_optimizer, strict=True
        ):
            for _ in range(times(batch_idx)):
                optimizer.zero_grad()
                self.manual_backward(self.weight.sum() + self.other.sum())
                used.append(optimizer.param_groups[0]["lr"])
                optimizer.step()

    def on_before_optimizer_step(self, optimizer):
        pass


def hooks_of(trainer):
    return [
        hook
        for optimizer in trainer.optimizers
        for hooks in (optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks)
        for hook in hooks.values()
    ]


def keys_of(trainer):
    return [
        {key: value for key, value in group.items() if key != "params"}
        for optimizer in trainer.optimizers
        for group in optimizer.param_groups
    ]


def test_two_optimizers_with_one_update_each_per_batch():
    model = Gan()
    made = fit(model, CosineAnnealingCallback(t_max=10, interval="step"), max_epochs=1)
    first, second = model.by_optimizer
    assert first[-1] == pytest.approx(0.002447174, rel=1e-6)
    assert second[-1] == pytest.approx(0.0002447174, rel=1e-6)
    assert first == pytest.approx([cosine(e, 10) for e in range(10)])
    assert hooks_of(made) == []


def test_each_optimizer_has_its_own_count_and_its_own_callback():
    model = Gan(first=twice, second=every_third)
    fit(
        model,
        CosineAnnealingCallback(t_max=20, interval="step", optimizers=0),
        CosineAnnealingCallback(t_max=8, interval="step", optimizers=[1]),
        max_epochs=2,
    )
    first, second = model.by_optimizer
    assert first == pytest.approx([cosine(e, 20) for e in range(40)], rel=1e-12, abs=1e-17)
    assert second == pytest.approx([cosine(e, 8, 0.01) for e in range(8)])


def test_one_optimizer_may_be_left_out():
    model = Gan()
    fit(model, CosineAnnealingCallback(t_max=10, interval="step", optimizers=1), max_epochs=1)
    first, second = model.by_optimizer
    assert set(first) == {0.1}
    assert second[5] == pytest.approx(0.005)


def test_epochs_need_no_count():
    model = Gan(first=twice)
    made = fit(model, CosineAnnealingCallback(), max_epochs=2)
    assert model.by_optimizer[0] == pytest.approx([0.1] * 20 + [0.05] * 20)
    assert hooks_of(made) == []


class NestedStep(torch.optim.SGD):
    """A step that calls that of its base class; torch runs the hooks of both."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.used = []

    def step(self, closure=None):
        super().step(closure)
        self.used.append(self.param_groups[0]["lr"])


def lookahead():
    """Return a class that skips `Optimizer.__init__`: hooks run only after its first `zero_grad`.

    torch patches the class permanently, so that each test needs a new one.
    """

    class Lookahead(torch.optim.Optimizer):
        def __init__(self, params, lr):
            self._optimizer_step_pre_hooks = OrderedDict()
            self._optimizer_step_post_hooks = OrderedDict()
            self.inner = torch.optim.SGD(params, lr=lr)
            self.param_groups, self.state = self.inner.param_groups, self.inner.state
            self.defaults = self.inner.defaults
            self.used = []

        def step(self, closure):
            closure()
            self.used.append(self.param_groups[0]["lr"])
            self.inner.step()

    return Lookahead


@pytest.mark.parametrize("kind", [lambda: NestedStep, lookahead], ids=["nested", "lookahead"])
def test_every_update_is_counted_once_whatever_its_class(kind):
    model = Gan(first=twice, kind=kind())
    made = fit(model, CosineAnnealingCallback(t_max=20, interval="step"), max_epochs=1)
    first, second = made.optimizers
    assert first.used == pytest.approx([cosine(e, 20) for e in range(20)])
    assert second.used == pytest.approx([cosine(e, 20, 0.01) for e in range(10)])
    assert hooks_of(made) == []


def test_a_second_fit_goes_on_whatever_the_class():
    model = Gan(kind=lookahead())
    made = fit(model, CosineAnnealingCallback(t_max=20, interval="step"), max_epochs=1)
    made.optimizers[0].zero_grad()
    assert type(made.optimizers[0]).step.hooked
    made.fit_loop.max_epochs = 2
    made.fit(model)
    assert made.optimizers[0].used == pytest.approx([cosine(e, 20) for e in range(10, 20)])


def test_an_optimizer_that_torch_never_hooks_is_counted():
    class Cleared(Gan):
        """Clear the gradients of the model: without the optimizer's `zero_grad` no hook runs."""

        def training_step(self, batch, batch_idx):
            self.zero_grad()
            self.manual_backward(self.weight.sum() + self.other.sum())
            for optimizer in self.optimizers():
                optimizer.step()

    model = Cleared(kind=lookahead())
    made = fit(model, CosineAnnealingCallback(t_max=10, interval="step"), max_epochs=1)
    assert made.optimizers[0].used == pytest.approx([cosine(e, 10) for e in range(10)])


def test_an_update_that_needs_several_losses_is_one():
    class Closures(Gan):
        losses = 0

        def training_step(self, batch, batch_idx):
            optimizer = self.optimizers()[0]

            def closure():
                self.losses += 1
                optimizer.zero_grad()
                loss = self.weight.sum()
                self.manual_backward(loss)
                return loss

            self.by_optimizer[0].append(optimizer.param_groups[0]["lr"])
            optimizer.step(closure)

    model = Closures(kind=partial(torch.optim.LBFGS, max_iter=5))
    fit(model, CosineAnnealingCallback(t_max=10, interval="step", optimizers=0), max_epochs=1)
    assert model.losses > 20
    assert model.by_optimizer[0] == pytest.approx([cosine(e, 10) for e in range(10)])


def test_a_failed_update_is_not_counted():
    class Failing(Gan):
        def training_step(self, batch, batch_idx):
            if batch_idx == 3:

                def closure():
                    raise RuntimeError("no loss today")

                with pytest.raises(RuntimeError, match="no loss today"):
                    self.optimizers()[0].optimizer.step(closure)
            else:
                super().training_step(batch, batch_idx)

    model = Failing()
    fit(model, CosineAnnealingCallback(t_max=10, interval="step"), max_epochs=1)
    assert model.by_optimizer[0] == pytest.approx([cosine(e, 10) for e in range(9)])


def test_an_update_that_ended_its_epoch_is_not_counted():
    class Exhausted(Gan):
        def training_step(self, batch, batch_idx):
            def closure():
                raise StopIteration  # Lightning takes it for the end of the data

            if (self.current_epoch, batch_idx) == (0, 3):
                self.optimizers()[0].optimizer.step(closure)
            super().training_step(batch, batch_idx)

    model = Exhausted()
    fit(model, CosineAnnealingCallback(t_max=20, interval="step"), max_epochs=2)
    used = model.by_optimizer[0]
    assert len(used) >= 13  # Lightning may continue with the epoch's other batches
    assert used == pytest.approx([cosine(e, 20) for e in range(len(used))])


def test_an_update_that_ended_the_last_fit_is_not_counted():
    class Failing(Gan):
        fails = True

        def configure_optimizers(self):
            self.kept = getattr(self, "kept", None) or super().configure_optimizers()
            return self.kept

        def training_step(self, batch, batch_idx):
            def closure():
                raise RuntimeError("no loss today")

            if self.fails:
                self.optimizers()[0].optimizer.step(closure)
            super().training_step(batch, batch_idx)

    model, callback = Failing(), CosineAnnealingCallback(t_max=10, interval="step")
    with pytest.raises(RuntimeError, match="no loss today"):
        fit(model, callback, max_epochs=1)
    model.fails = False
    fit(model, callback, max_epochs=1)
    assert model.by_optimizer[0] == pytest.approx([cosine(e, 10) for e in range(10)])


def run(path, model, callback, *, save_at=None, **options):
    class Saver(pl.callbacks.Checkpoint):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            if batch_idx == save_at:
                trainer.save_checkpoint(path)

    resumed = path if save_at is None else None
    return fit(model, callback, Saver(), ckpt_path=resumed, max_epochs=1, **options)


def test_counts_are_resumed(tmp_path, recwarn):
    unequal = {"first": twice, "second": every_third}
    straight = Gan(**unequal)
    callback = CosineAnnealingCallback(t_max=20, interval="step")
    run(tmp_path / "run.ckpt", straight, callback, save_at=4)
    resumed = Gan(**unequal)
    run(tmp_path / "run.ckpt", resumed, CosineAnnealingCallback(t_max=20, interval="step"))
    # Lightning up to 2.4 trains batch 4 again: two more updates.
    assert resumed.by_optimizer[0][:10] == straight.by_optimizer[0][10:]
    assert resumed.by_optimizer[1] == straight.by_optimizer[1][2:]
    assert not [w for w in recwarn if "counts the updates from 0" in str(w.message)]


def five(batch_idx):
    return 5


@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_the_rates_of_the_warning_are_those_of_its_optimizer(tmp_path, interval):
    callback = CosineAnnealingCallback(t_max=60, interval="step")
    straight = Gan(first=five)
    run(tmp_path / "run.ckpt", straight, callback, save_at=3)
    resumed = Gan(first=five)
    changed = CosineAnnealingCallback(t_max=60, interval=interval, lr_initial=0.2)
    with pytest.warns(UserWarning, match="the current ones are used") as caught:
        run(tmp_path / "run.ckpt", resumed, changed)
    sentence = "".join(str(w.message) for w in caught if "are used" in str(w.message))
    owner, rates = sentence.partition("at this position the rate ")[2].split(" is ")
    assert owner == "of param group 0 of optimizer 0"
    after, before = map(float, rates.split(" instead of "))
    assert before == pytest.approx(cosine(20, 60))
    assert after == pytest.approx(cosine(20, 60, 0.2) if interval == "step" else 0.2)


def test_a_checkpoint_without_our_state_starts_at_0_with_a_warning(tmp_path):
    fit(Gan(), max_epochs=1, limit_train_batches=5).save_checkpoint(tmp_path / "run.ckpt")
    model = Gan()
    with pytest.warns(UserWarning, match="counts the updates from 0") as caught:
        fit(
            model,
            CosineAnnealingCallback(t_max=10, interval="step"),
            ckpt_path=tmp_path / "run.ckpt",
            max_epochs=2,
        )
    assert len([w for w in caught if "counts the updates" in str(w.message)]) == 1
    assert model.by_optimizer[0][0] == 0.1


def test_the_counts_of_another_run_are_not_those_of_a_checkpoint(tmp_path):
    fit(Gan(), max_epochs=1, limit_train_batches=5).save_checkpoint(tmp_path / "run.ckpt")
    callback = CosineAnnealingCallback(t_max=20, interval="step")
    fit(Gan(), callback, max_epochs=1)
    model = Gan()
    with pytest.warns(UserWarning, match="counts the updates from 0"):
        fit(model, callback, ckpt_path=tmp_path / "run.ckpt", max_epochs=2)
    rates = model.by_optimizer[0]
    assert rates == pytest.approx([cosine(e, 20) for e in range(len(rates))])


class OneOptimizer(Gan):
    """The first optimizer only, in automatic optimization."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = True

    def configure_optimizers(self):
        return super().configure_optimizers()[:1]

    def training_step(self, batch, batch_idx):
        return self.weight.sum()


class OneOptimizerManually(OneOptimizer):
    """The first optimizer only, in manual optimization."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        self.optimizers().step(lambda: self.manual_backward(self.weight.sum()))


@pytest.mark.parametrize(
    ("saved", "interval", "lost"),
    [
        (OneOptimizerManually, "step", [1]),
        (OneOptimizer, "step", [0, 1]),
        (Gan, "epoch", [0, 1]),
        (Gan, "step", []),
    ],
    ids=["another-optimizer", "automatic", "epochs", "all-there"],
)
def test_each_count_that_the_checkpoint_lacks_is_named(tmp_path, recwarn, saved, interval, lost):
    before = CosineAnnealingCallback(t_max=20, interval=interval)
    stopped = fit(saved(), before, max_epochs=1, limit_train_batches=4)
    stopped.save_checkpoint(tmp_path / "run.ckpt")
    model = Gan()
    callback = CosineAnnealingCallback(t_max=20, interval="step")
    fit(model, callback, ckpt_path=tmp_path / "run.ckpt", max_epochs=2)
    said = [str(w.message) for w in recwarn if "counts the updates from 0" in str(w.message)]
    assert [f"optimizers {lost} have done" in sentence for sentence in said] == [True] * bool(lost)
    for index, (used, base) in enumerate(zip(model.by_optimizer, (0.1, 0.01), strict=True)):
        start = 0 if index in lost else 4
        assert used[:10] == pytest.approx([cosine(start + e, 20, base) for e in range(10)])


def test_a_second_fit_from_a_checkpoint_has_the_counts_of_the_checkpoint(tmp_path):
    fit(Gan(), max_epochs=1, limit_train_batches=5).save_checkpoint(tmp_path / "run.ckpt")
    callback = CosineAnnealingCallback(t_max=20, interval="step")
    made = fit(Gan(), callback, max_epochs=1)
    made.fit_loop.max_epochs = 2
    model = Gan()
    with pytest.warns(UserWarning, match=r"optimizers \[0, 1\] .* counts the updates from 0"):
        made.fit(model, ckpt_path=tmp_path / "run.ckpt")
    assert model.by_optimizer[0][:5] == pytest.approx([cosine(e, 20) for e in range(5)])


def test_a_second_fit_goes_on_and_a_new_trainer_starts_anew(recwarn):
    model, callback = Gan(), CosineAnnealingCallback(t_max=20, interval="step")
    made = fit(model, callback, max_epochs=1)
    made.fit_loop.max_epochs = 2
    made.fit(model)
    assert model.by_optimizer[0] == pytest.approx([cosine(e, 20) for e in range(20)])
    fresh = Gan()
    fit(fresh, callback, max_epochs=1)
    assert fresh.by_optimizer[0] == pytest.approx([cosine(e, 20) for e in range(10)])
    assert not [w for w in recwarn if "cosine_callbacks" in w.filename]


@pytest.mark.parametrize(
    "callbacks",
    [
        [{"interval": "step"}],
        [{"t_max": 10, "warmup": 3, "optimizers": 0}, {"interval": "step", "optimizers": 1}],
        [{"t_max": 0.5, "interval": "step"}],
    ],
    ids=["alone", "second-of-two", "fraction"],
)
def test_the_planned_updates_are_unknown_and_nothing_changes(callbacks):
    model = Gan()
    made = trainer(*(CosineAnnealingCallback(**options) for options in callbacks), max_epochs=1)
    with pytest.raises(ValueError, match=r"manual optimization only the model .*give t_max="):
        made.fit(model)
    fresh = [o.param_groups[0] for o in Gan().configure_optimizers()]
    assert keys_of(made) == [{k: v for k, v in g.items() if k != "params"} for g in fresh]
    assert hooks_of(made) == []
    assert model.by_optimizer == ([], [])


def test_no_hook_is_left_after_an_exception():
    class Failing(Gan):
        def training_step(self, batch, batch_idx):
            super().training_step(batch, batch_idx)
            if batch_idx == 3:
                raise RuntimeError("the power failed")

    made = trainer(CosineAnnealingCallback(t_max=10, interval="step"), max_epochs=1)
    with pytest.raises(RuntimeError, match="the power failed"):
        made.fit(Failing())
    assert hooks_of(made) == []


def test_nothing_is_counted_while_the_callback_is_swapped_out():
    class Swapping(Gan):
        def training_step(self, batch, batch_idx):
            ours = self.trainer.callbacks
            if batch_idx == 2:  # as a tuner does
                self.trainer.callbacks = []
            super().training_step(batch, batch_idx)
            self.trainer.callbacks = ours

    model = Swapping()
    fit(model, CosineAnnealingCallback(t_max=10, interval="step"), max_epochs=1)
    right = [cosine(e, 10) for e in (0, 1, 2, 2, 3, 4, 5, 6, 7, 8)]
    assert model.by_optimizer[0] == pytest.approx(right)
