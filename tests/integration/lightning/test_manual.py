"""Manual optimization: each optimizer's own updates are counted."""

from collections import OrderedDict
from functools import partial

import pytest
import torch

from tests.curve import cosine, cosines

from .parts import CosineAnnealingCallback, Model, Saver, fit, per_update, said, trainer


class Gan(Model):
    """Two optimizers with one weight each, some times updated at each batch (default: once).

    Attributes:
        by_optimizer: The rates of each optimizer, update by update.
    """

    def __init__(self, *, times=None, kind=torch.optim.SGD):
        super().__init__()
        self.automatic_optimization = False
        self.other = torch.nn.Parameter(torch.zeros(1))
        self.times, self.kind = times or (lambda _: 1, lambda _: 1), kind
        self.by_optimizer = ([], [])

    def configure_optimizers(self):
        return [self.kind([self.weight], lr=0.1), self.kind([self.other], lr=0.01)]

    def training_step(self, batch, batch_idx):
        for index, times in enumerate(self.times):
            for _ in range(times(batch_idx)):
                optimizer = self.optimizers()[index]
                optimizer.zero_grad()
                self.manual_backward(self.weight.sum() + self.other.sum())
                self.by_optimizer[index].append(optimizer.param_groups[0]["lr"])
                optimizer.step()

    def on_before_optimizer_step(self, optimizer):
        pass


# Twice at each batch, and at each third batch.
UNEQUAL = lambda _: 2, lambda batch_idx: batch_idx % 3 == 0


def hooks_of(trainer):
    return [
        hook
        for optimizer in trainer.optimizers
        for hooks in (optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks)
        for hook in hooks.values()
    ]


def test_one_update_of_each_optimizer_at_each_batch():
    model = Gan()
    made = fit(model, per_update(t_max=10), max_epochs=1)
    first, second = model.by_optimizer
    assert first == cosines(range(10), 10)
    assert second == cosines(range(10), 10, 0.01)
    assert hooks_of(made) == []


def test_each_optimizer_has_its_own_count_and_its_own_callback():
    model = Gan(times=UNEQUAL)
    callbacks = per_update(t_max=20, optimizers=0), per_update(t_max=8, optimizers=[1])
    fit(model, *callbacks, max_epochs=2)
    first, second = model.by_optimizer
    assert first == cosines(range(40), 20)
    assert second == cosines(range(8), 8, 0.01)


def test_one_optimizer_may_be_left_out():
    model = Gan()
    fit(model, per_update(t_max=10, optimizers=1), max_epochs=1)
    first, second = model.by_optimizer
    assert set(first) == {0.1}
    assert second == cosines(range(10), 10, 0.01)


def test_epochs_need_no_count():
    model = Gan(times=UNEQUAL)
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
    model = Gan(times=(UNEQUAL[0], lambda _: 1), kind=kind())
    made = fit(model, per_update(t_max=20), max_epochs=1)
    first, second = made.optimizers
    assert first.used == cosines(range(20), 20)
    assert second.used == cosines(range(10), 20, 0.01)
    assert hooks_of(made) == []


def test_a_second_fit_goes_on_whatever_the_class():
    model = Gan(kind=lookahead())
    made = fit(model, per_update(t_max=20), max_epochs=1)
    made.optimizers[0].zero_grad()
    assert type(made.optimizers[0]).step.hooked
    made.fit_loop.max_epochs = 2
    made.fit(model)
    assert made.optimizers[0].used == cosines(range(10, 20), 20)


def test_an_optimizer_that_torch_never_hooks_is_counted():
    class Cleared(Gan):
        """Clear the gradients of the model: without the optimizer's `zero_grad` no hook runs."""

        def training_step(self, batch, batch_idx):
            self.zero_grad()
            self.manual_backward(self.weight.sum() + self.other.sum())
            for optimizer in self.optimizers():
                optimizer.step()

    made = fit(Cleared(kind=lookahead()), per_update(t_max=10), max_epochs=1)
    assert made.optimizers[0].used == cosines(range(10), 10)


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
    fit(model, per_update(t_max=10, optimizers=0), max_epochs=1)
    assert model.losses > 20
    assert model.by_optimizer[0] == cosines(range(10), 10)


class Failing(Gan):
    """An update in epoch 0 fails, with an error that may be caught."""

    error, caught, fails = RuntimeError("no loss today"), (), True

    def configure_optimizers(self):
        self.kept = getattr(self, "kept", None) or super().configure_optimizers()
        return self.kept

    def training_step(self, batch, batch_idx):
        def closure():
            raise self.error

        if self.fails and (self.current_epoch, batch_idx) == (0, 3):
            try:
                self.optimizers()[0].optimizer.step(closure)
            except self.caught:
                return
        super().training_step(batch, batch_idx)


def test_a_failed_update_is_not_counted():
    model = Failing()
    model.caught = RuntimeError
    fit(model, per_update(t_max=10), max_epochs=1)
    assert model.by_optimizer[0] == cosines(range(9), 10)


def test_an_update_that_ended_its_epoch_is_not_counted():
    model = Failing()
    model.error = StopIteration()  # Lightning takes it for the end of the data
    fit(model, per_update(t_max=20), max_epochs=2)
    used = model.by_optimizer[0]
    assert len(used) >= 13  # Lightning may continue with the epoch's other batches
    assert used == cosines(range(len(used)), 20)


def test_an_update_that_ended_the_last_fit_is_not_counted_and_no_hook_is_left():
    model, callback = Failing(), per_update(t_max=10)
    made = trainer(callback, max_epochs=1)
    with pytest.raises(RuntimeError, match="no loss today"):
        made.fit(model)
    assert hooks_of(made) == []
    model.fails = False
    model.by_optimizer[0].clear()
    fit(model, callback, max_epochs=1)
    assert model.by_optimizer[0] == cosines(range(10), 10)


def test_nothing_is_counted_while_the_callback_is_swapped_out():
    class Swapping(Gan):
        def training_step(self, batch, batch_idx):
            ours = self.trainer.callbacks
            if batch_idx == 2:  # as a tuner does
                self.trainer.callbacks = []
            super().training_step(batch, batch_idx)
            self.trainer.callbacks = ours

    model = Swapping()
    fit(model, per_update(t_max=10), max_epochs=1)
    assert model.by_optimizer[0] == cosines([0, 1, 2, 2, 3, 4, 5, 6, 7, 8], 10)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.ckpt"


def test_counts_are_resumed(path, recwarn):
    straight, resumed = Gan(times=UNEQUAL), Gan(times=UNEQUAL)
    # After batch 4 the optimizers have been updated 10 times and twice.
    saver = Saver(path, "on_train_batch_end", 12)
    fit(straight, per_update(t_max=20), saver, max_epochs=1)
    fit(resumed, per_update(t_max=20), ckpt_path=path, max_epochs=1)
    # Lightning up to 2.4 trains batch 4 again: two more updates.
    assert resumed.by_optimizer[0][:10] == straight.by_optimizer[0][10:]
    assert resumed.by_optimizer[1] == straight.by_optimizer[1][2:]
    assert said(recwarn, "counts the updates from 0") == []


@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_the_rates_of_the_warning_are_those_of_its_optimizer(path, interval):
    times = lambda _: 5, lambda _: 1
    run = fit(Gan(times=times), per_update(t_max=60), max_epochs=1, limit_train_batches=4)
    run.save_checkpoint(path)
    changed = CosineAnnealingCallback(t_max=60, interval=interval, lr_initial=0.2)
    with pytest.warns(UserWarning, match="the current ones are used") as caught:
        fit(Gan(times=times), changed, ckpt_path=path, max_epochs=2, limit_train_batches=4)
    (sentence,) = said(caught, "the current ones are used")
    owner, rates = sentence.partition("at this position the rate ")[2].split(" is ")
    assert owner == "of param group 0 of optimizer 0"
    after, before = map(float, rates.split(" instead of "))
    assert before == pytest.approx(cosine(20, 60))
    assert after == pytest.approx(cosine(20 if interval == "step" else 1, 60, 0.2))


class OneOptimizer(Gan):
    """The first optimizer only."""

    def configure_optimizers(self):
        return super().configure_optimizers()[:1]

    def training_step(self, batch, batch_idx):
        self.optimizers().step(lambda: self.manual_backward(self.weight.sum()))


class OneAutomatically(OneOptimizer):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = True

    def training_step(self, batch, batch_idx):
        return self.weight.sum()


@pytest.mark.parametrize(
    ("saved", "callbacks", "lost"),
    [
        (OneOptimizer, [per_update(t_max=20)], [1]),
        (OneAutomatically, [per_update(t_max=20)], [0, 1]),
        (Gan, [CosineAnnealingCallback(t_max=20)], [0, 1]),
        (Gan, [], [0, 1]),
        (Gan, [per_update(t_max=20)], []),
    ],
    ids=["another optimizer", "automatic", "epochs", "without ours", "all there"],
)
def test_each_count_that_the_checkpoint_lacks_is_named(path, recwarn, saved, callbacks, lost):
    stopped = fit(saved(), *callbacks, max_epochs=1, limit_train_batches=4)
    stopped.save_checkpoint(path)
    model = Gan()
    fit(model, per_update(t_max=20), ckpt_path=path, max_epochs=2)
    sentences = said(recwarn, "counts the updates from 0")
    assert len(sentences) == bool(lost)
    assert all(f"optimizers {lost} have done" in sentence for sentence in sentences)
    for index, (used, base) in enumerate(zip(model.by_optimizer, (0.1, 0.01), strict=True)):
        start = 0 if index in lost else 4
        assert used[:10] == cosines(range(start, start + 10), 20, base)


@pytest.mark.parametrize("trainer_too", [False, True], ids=["callback", "callback and trainer"])
def test_the_counts_of_another_run_are_not_those_of_a_checkpoint(path, trainer_too):
    fit(Gan(), max_epochs=1, limit_train_batches=5).save_checkpoint(path)
    callback = per_update(t_max=20)
    made = fit(Gan(), callback, max_epochs=1)
    if not trainer_too:
        made = trainer(callback)
    made.fit_loop.max_epochs, model = 2, Gan()
    with pytest.warns(UserWarning, match=r"optimizers \[0, 1\] .* counts the updates from 0"):
        made.fit(model, ckpt_path=path)
    assert model.by_optimizer[0][:5] == cosines(range(5), 20)


def test_a_second_fit_goes_on_and_a_new_trainer_starts_anew(recwarn):
    model, callback = Gan(), per_update(t_max=20)
    made = fit(model, callback, max_epochs=1)
    made.fit_loop.max_epochs = 2
    made.fit(model)
    assert model.by_optimizer[0] == cosines(range(20), 20)
    fresh = Gan()
    fit(fresh, callback, max_epochs=1)
    assert fresh.by_optimizer[0] == cosines(range(10), 20)
    assert not [w for w in recwarn if "cosine_callbacks" in w.filename]


@pytest.mark.parametrize(
    ("callbacks", "limits"),
    [
        ([{"interval": "step"}], {"max_epochs": 1}),
        (
            [
                {"t_max": 10, "warmup": 3, "optimizers": 0},
                {"interval": "step", "optimizers": 1},
            ],
            {"max_epochs": 1},
        ),
        ([{"t_max": 0.5, "interval": "step"}], {"max_epochs": 1}),
        # Epochs, too, where the run is limited by updates.
        ([{}], {"max_steps": 24}),
        ([{}], {"max_steps": 24, "max_epochs": 9}),
    ],
    ids=["updates", "second of two", "fraction", "max_steps", "both limits"],
)
def test_the_planned_length_is_unknown_and_nothing_changes(callbacks, limits):
    model = Gan()
    made = trainer(*(CosineAnnealingCallback(**options) for options in callbacks), **limits)
    reason = "in manual optimization only the model knows how many updates a batch makes"
    with pytest.raises(ValueError, match=rf"^t_max must be a number of .*, and {reason}; give t_m"):
        made.fit(model)
    fresh = [optimizer.state_dict() for optimizer in Gan().configure_optimizers()]
    assert [optimizer.state_dict() for optimizer in made.optimizers] == fresh
    assert hooks_of(made) == []
    assert model.by_optimizer == ([], [])
    fit(model, CosineAnnealingCallback(t_max=9), **limits)
    fit(model, CosineAnnealingCallback(), fast_dev_run=True)


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
    automatic_optimization = False

    def __init__(self):
        super().__init__(optimizer=Sam)

    def training_step(self, batch, batch_idx):
        optimizer = self.optimizers().optimizer
        self.manual_backward(self.weight.sum())
        self.used.append((0, 0, optimizer.param_groups[0]["lr"]))
        optimizer.first_step()
        optimizer.second_step()


def test_an_optimizer_whose_step_is_never_called():
    model = Sharp()
    sentence = (
        "optimizer 0 (Sam) must be updated by its step method, got weights that changed without it "
        "in the first epoch, so that its rate did not move; call step, give interval='epoch', or "
        "leave it out of optimizers="
    )
    with pytest.warns(UserWarning, match="did not move") as caught:
        fit(model, per_update(t_max=30), max_epochs=3)
    assert said(caught, "did not move") == [sentence]
    assert set(model.rates) == {0.1}


def test_it_moves_by_epochs_in_two_fits_though_lightning_has_counted_no_step(recwarn):
    model = Sharp()
    run = fit(model, CosineAnnealingCallback(t_max=4), max_epochs=2)
    run.fit_loop.max_epochs = 4
    run.fit(model)
    assert run.global_step == 0
    assert model.rates[::10] == cosines(range(4), 4)
    assert said(recwarn, "did not move") == []


def test_an_optimizer_that_begins_late_is_not_named(recwarn):
    # The first batch of the second epoch is the first at which the other one is updated.
    class Late(Gan):
        def training_step(self, batch, batch_idx):
            self.times = (lambda _: 1, lambda _: self.current_epoch > 0)
            super().training_step(batch, batch_idx)

    fit(Late(), per_update(t_max=30), max_epochs=3)
    assert said(recwarn, "did not move") == []
