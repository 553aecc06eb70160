"""Manual optimization: each optimizer's own updates are counted."""

from collections import OrderedDict
from functools import partial

import pytest
import torch

from tests.curve import cosine, cosines

from .events import Saver, said
from .parts import CosineAnnealingCallback, Gan, Model, fit, per_update, trainer

# At each batch once, twice, and at each third one.
ONCE, TWICE, THIRD = lambda _: 1, lambda _: 2, lambda batch_idx: batch_idx % 3 == 0


def hooks_of(trainer):
    return [
        hook
        for each in trainer.optimizers
        for hook in (*each._optimizer_step_pre_hooks, *each._optimizer_step_post_hooks)
    ]


@pytest.mark.parametrize(
    ("times", "callbacks", "first", "second"),
    [
        ((ONCE, ONCE), [{"t_max": 20}], cosines(range(20), 20), cosines(range(20), 20, 0.01)),
        (
            (TWICE, THIRD),
            [{"t_max": 20, "optimizers": 0}, {"t_max": 8, "optimizers": [1]}],
            cosines(range(40), 20),
            cosines(range(8), 8, 0.01),
        ),
        ((ONCE, ONCE), [{"t_max": 20, "optimizers": 1}], [0.1] * 20, cosines(range(20), 20, 0.01)),
        # Epochs need no count.
        (
            (TWICE, THIRD),
            [{"interval": "epoch"}],
            cosines([0] * 20 + [1] * 20, 2),
            cosines([0] * 4 + [1] * 4, 2, 0.01),
        ),
    ],
    ids=["one callback", "each its own", "one left out", "epochs"],
)
def test_each_optimizer_has_its_own_count(times, callbacks, first, second):
    model = Gan(times=times)
    callbacks = [CosineAnnealingCallback(**{"interval": "step", **each}) for each in callbacks]
    made = fit(model, *callbacks, max_epochs=2)
    assert model.by_optimizer == (first, second)
    assert hooks_of(made) == []


class Nested(torch.optim.SGD):
    """A step that calls that of its base class; torch runs the hooks of both."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.used = []

    def step(self, closure=None):
        super().step(closure)
        self.used.append(self.param_groups[0]["lr"])


def lookahead(*, hooked=True):
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

        def zero_grad(self, *arguments):
            (super() if hooked else self.inner).zero_grad(*arguments)

        def step(self, closure):
            closure()
            self.used.append(self.param_groups[0]["lr"])
            self.inner.step()

    return Lookahead


@pytest.mark.parametrize(
    "kind",
    [lambda: Nested, lookahead, partial(lookahead, hooked=False)],
    ids=["nested", "hooked late", "never hooked"],
)
def test_every_update_is_counted_once_in_two_fits_whatever_its_class(kind):
    model, made = Gan(times=(TWICE, ONCE), kind=kind()), trainer(per_update(t_max=40), max_epochs=1)
    for epoch in range(2):
        made.fit_loop.max_epochs = epoch + 1
        made.fit(model)
        first, second = made.optimizers  # new ones in each fit
        assert first.used == cosines(range(20 * epoch, 20 * epoch + 20), 40)
        assert second.used == cosines(range(10 * epoch, 10 * epoch + 10), 40, 0.01)
        assert hooks_of(made) == []


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
    """An update in epoch 0 fails."""

    def __init__(self, error, caught=()):
        super().__init__()
        self.error, self.caught = error, caught
        self.kept = super().configure_optimizers()

    def configure_optimizers(self):
        return self.kept

    def training_step(self, batch, batch_idx):
        def closure():
            raise self.error

        if self.error and (self.current_epoch, batch_idx) == (0, 3):
            try:
                self.optimizers()[0].optimizer.step(closure)
            except self.caught:
                return
        super().training_step(batch, batch_idx)


@pytest.mark.parametrize(
    ("model", "least"),
    [
        (Failing(ValueError("no loss today"), caught=ValueError), 19),
        # Lightning takes it for the end of the data, and may go on with the epoch's other batches.
        (Failing(StopIteration()), 13),
    ],
    ids=["caught", "ends its epoch"],
)
def test_a_failed_update_is_not_counted(model, least):
    fit(model, per_update(t_max=20), max_epochs=2)
    used = model.by_optimizer[0]
    assert len(used) >= least
    assert used == cosines(range(len(used)), 20)


def test_an_update_that_ended_the_last_fit_is_not_counted_and_no_hook_is_left():
    model, callback = Failing(RuntimeError("no loss today")), per_update(t_max=10)
    made = trainer(callback, max_epochs=1)
    with pytest.raises(RuntimeError, match="no loss today"):
        made.fit(model)
    assert hooks_of(made) == []
    model.error = None
    model.by_optimizer[0].clear()
    fit(model, callback, max_epochs=1)  # a new Trainer counts from 0
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


def test_counts_are_resumed(path):
    straight, resumed = Gan(times=(TWICE, THIRD)), Gan(times=(TWICE, THIRD))
    # After batch 4 the optimizers have been updated 10 times and twice.
    saver = Saver(path, "on_train_batch_end", 12)
    fit(straight, per_update(t_max=20), saver, max_epochs=1)
    fit(resumed, per_update(t_max=20), ckpt_path=path, max_epochs=1)
    # Lightning up to 2.4 trains batch 4 again: two more updates.
    assert resumed.by_optimizer[0][:10] == straight.by_optimizer[0][10:]
    assert resumed.by_optimizer[1] == straight.by_optimizer[1][2:]


@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_the_rates_of_the_warning_are_those_of_its_optimizer(path, interval):
    times = lambda _: 5, ONCE
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


class One(Gan):
    """The first optimizer only."""

    def __init__(self, *, automatic):
        super().__init__()
        self.automatic_optimization = automatic

    def configure_optimizers(self):
        return super().configure_optimizers()[:1]

    def training_step(self, batch, batch_idx):
        if self.automatic_optimization:
            return self.weight.sum()
        return self.optimizers().step(lambda: self.manual_backward(self.weight.sum()))


@pytest.mark.parametrize(
    ("saved", "callbacks", "lost"),
    [
        (partial(One, automatic=False), [per_update(t_max=20)], [1]),
        (partial(One, automatic=True), [per_update(t_max=20)], [0, 1]),
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


def test_nothing_is_written_if_the_second_of_two_callbacks_is_refused():
    model, first = Gan(), CosineAnnealingCallback(t_max=9, warmup=3, optimizers=0)
    made = trainer(first, per_update(t_max=0.5, optimizers=1), max_epochs=1)
    with pytest.raises(ValueError, match=r"^t_max must be .* and in manual optimization only"):
        made.fit(model)
    fresh = [optimizer.state_dict() for optimizer in Gan().configure_optimizers()]
    assert [optimizer.state_dict() for optimizer in made.optimizers] == fresh
    assert hooks_of(made) == []
    assert model.by_optimizer == ([], [])


class Sam(torch.optim.SGD):
    """Two steps of its own, as in davda54/sam; the inner optimizer has the same groups."""

    def __init__(self, params, lr):
        super().__init__(params, lr)
        self.inner = torch.optim.SGD(self.param_groups, lr)

    def first_step(self):
        pass

    def second_step(self):
        self.inner.step()

    def step(self, closure=None):
        raise NotImplementedError


class Sharp(Model):
    automatic_optimization = False

    def training_step(self, batch, batch_idx):
        optimizer = self.optimizers().optimizer
        self.manual_backward(self.weight.sum())
        self.used.append((0, 0, optimizer.param_groups[0]["lr"]))
        optimizer.first_step()
        optimizer.second_step()


def test_an_optimizer_whose_step_is_never_called():
    model = Sharp(optimizer=Sam)
    sentence = (
        "optimizer 0 (Sam) must be updated by its step method, got weights that changed without it "
        "in the first epoch, so that its rate did not move; call step, give interval='epoch', or "
        "leave it out of optimizers="
    )
    with pytest.warns(UserWarning, match="did not move") as caught:
        fit(model, per_update(t_max=30), max_epochs=3)
    assert said(caught, "did not move") == [sentence]
    assert set(model.rates) == {0.1}


def test_it_moves_by_epochs_in_two_fits_though_lightning_has_counted_no_step():
    model = Sharp(optimizer=Sam)
    run = fit(model, CosineAnnealingCallback(t_max=4), max_epochs=2)
    run.fit_loop.max_epochs = 4
    run.fit(model)
    assert run.global_step == 0
    assert model.rates[::10] == cosines(range(4), 4)


def test_an_optimizer_that_begins_late_is_not_named():
    # The first batch of the second epoch is the first at which the other one is updated.
    model = Gan(times=(ONCE, lambda _: model.current_epoch > 0))
    fit(model, per_update(t_max=30), max_epochs=3)
