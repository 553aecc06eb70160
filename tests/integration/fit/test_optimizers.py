"""The callback with `optimizers=`: the optimizers in attributes of the model."""

import pytest

from tests.curve import cosine

from .gan import BOTH, fit, gan, log
from .parts import (
    BACKEND,
    CosineAnnealingCallback,
    Recorder,
    close,
    compiled,
    either_interval,
    keras,
    keras_3,
    loss_scaled,
    per_step,
    rate_of,
)
from .parts import fit as fit_weight


@pytest.fixture
def two(sgd):
    """Two optimizers in attributes of a model."""
    return gan(sgd(0.1), sgd(0.02))


def rates_of(model):
    return [rate_of(getattr(model, name)) for name in [*BOTH, "optimizer"]]


def assert_rates(used_and_logged, *right):
    """Check the rates that each optimizer used, of which the log has the last of each epoch."""
    used, logged = used_and_logged
    assert used == {name: close(rates) for name, rates in zip(BOTH, right, strict=True)}
    assert logged == log(
        {name: close(rates[3::4]) for name, rates in zip(BOTH, right, strict=True)}
    )


@either_interval
def test_each_optimizer_has_its_own_peak_and_floor(two, interval):
    ours = CosineAnnealingCallback(optimizers=BOTH, interval=interval, lr_min_ratio=0.1)
    positions = [e // 4 * 4 if interval == "epoch" else e for e in range(12)]
    d = [cosine(e, 12, 0.1, 0.01) for e in positions]
    g = [cosine(e, 12, 0.02, 0.002) for e in positions]
    assert_rates(fit(two, ours, epochs=3), d, g)


def test_one_name_leaves_the_others_alone(two):
    before = rates_of(two)
    used, logged = fit(two, CosineAnnealingCallback(optimizers="g_optimizer"), epochs=2)
    assert used == {"d_optimizer": close([0.1] * 8), "g_optimizer": close([0.02] * 4 + [0.01] * 4)}
    assert logged == log({"g_optimizer": close([0.02, 0.01])})
    assert rates_of(two) == [before[0], close(0.01), before[2]]


def test_two_callbacks_with_curves_of_their_own(two):
    callbacks = [
        CosineAnnealingCallback(optimizers="d_optimizer", t_max=2, lr_min=0.01),
        per_step(12, optimizers=["g_optimizer"], warmup=4),
    ]
    d = [0.1] * 4 + [0.055] * 4 + [0.01] * 4
    g = [0.004, 0.008, 0.012, 0.016, *(cosine(e, 8, 0.02) for e in range(8))]
    for start in (0, 1):  # a second fit, from a later epoch
        done = fit(two, *callbacks, initial_epoch=start, epochs=3)
        assert_rates(done, d[4 * start :], g[4 * start :])


@pytest.mark.parametrize("order", [1, -1], ids=["ours first", "backup first"])
def test_restored_from_a_backup(sgd, tmp_path, order):
    def run(*others):
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        callbacks = [per_step(16, optimizers=BOTH), backup][::order]
        return fit(gan(sgd(0.1), sgd(0.02)), *callbacks, *others, epochs=4)

    with pytest.raises(KeyboardInterrupt):
        run(Recorder((2, 0)))
    rest = range(8, 16)
    assert_rates(run(), [cosine(e, 16) for e in rest], [cosine(e, 16, 0.02) for e in rest])


def assert_fit_refuses(sentence, model, *names):
    """Check that `fit`, with a callback for each of the names, raises this and sets no rate."""
    before = rates_of(model)
    with pytest.raises(ValueError, match=sentence):
        fit(model, *(CosineAnnealingCallback(optimizers=each) for each in names))
    assert rates_of(model) == before


@pytest.mark.parametrize(
    ("held", "shown"),
    [(None, "None"), ("SGD", "'SGD'"), (len, "<built-in")],
    ids=["nothing", "text", "function"],
)
def test_an_attribute_that_holds_no_optimizer_is_refused(two, held, shown):
    two.other = held
    sentence = (
        r"^optimizers must name attributes of the model that hold an optimizer, got 'other', which "
        rf"holds {shown}.*; give some of \['d_optimizer', 'g_optimizer', 'optimizer'\]$"
    )
    assert_fit_refuses(sentence, two, ["d_optimizer", "other"])


def test_a_named_optimizer_with_a_schedule_is_refused(sgd):
    decay = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    model = gan(sgd(0.1), sgd(decay))
    with pytest.raises(ValueError, match=r"^(?i:sgd)\w* must hold a rate .*got a schedule"):
        fit(model, CosineAnnealingCallback(optimizers=BOTH))
    assert rate_of(model.d_optimizer) == close(0.1)


@pytest.mark.parametrize("names", [(BOTH, "g_optimizer"), ("g_optimizer", BOTH)])
def test_two_callbacks_that_share_one_optimizer_are_refused(two, names):
    sentence = r"^callbacks must hold one CosineAnnealingCallback for (?i:sgd)\w*, got two"
    assert_fit_refuses(sentence, two, *names)


def idle_ones(caught):
    """Return the attributes that the warnings name."""
    messages = [str(warning.message) for warning in caught]
    return [text.split()[0] for text in messages if "took no update" in text]


def test_the_cure_for_an_idle_optimizer_names_the_others(two):
    cure = r"^model\.optimizer must be .*; give optimizers=\['d_optimizer', 'g_optimizer'\]$"
    with pytest.warns(UserWarning, match=cure) as caught:
        fit(two, CosineAnnealingCallback(), epochs=2)
    assert idle_ones(caught) == ["model.optimizer"]


def test_each_named_idle_optimizer_is_named(sgd, two):
    two.third, two.fourth = sgd(0.1), sgd(0.1)
    ours = CosineAnnealingCallback(optimizers=["third", "d_optimizer", "fourth"])
    with pytest.warns(UserWarning, match=r"^model\.\w+ must be .*; drop it from op") as caught:
        fit(two, ours, epochs=2)
    assert idle_ones(caught) == ["model.third", "model.fourth"]


@pytest.mark.skipif(BACKEND != "jax", reason="a limit of its train_step, which has no state")
def test_variables_outside_the_state_are_named(sgd):
    model = gan(sgd(0.1), sgd(0.02), tracked=False)
    with pytest.warns(UserWarning, match=r"^model\.d_.*on JAX let train_step return its variables"):
        used, _ = fit(model, CosineAnnealingCallback(optimizers="d_optimizer"), epochs=2)
    assert used["d_optimizer"] == close([0.1] * 8)


@keras_3
def test_the_model_needs_no_optimizer_of_its_own(two):
    if BACKEND != "jax":  # where Keras itself needs one
        two.compile(optimizer=None)
    used, _ = fit(two, CosineAnnealingCallback(optimizers="d_optimizer"), epochs=2)
    assert used["d_optimizer"] == close([0.1] * 4 + [0.05] * 4)


def test_a_scaled_optimizer_by_name(sgd):
    ours = CosineAnnealingCallback(optimizers="optimizer")
    history = fit_weight(compiled(loss_scaled(sgd(0.1))), ours, epochs=2)
    assert history["learning_rate_optimizer"] == close([0.1, 0.05])


@keras_3
def test_each_optimizer_has_its_own_accumulation(sgd):
    model = gan(sgd(0.1, gradient_accumulation_steps=2), keras.optimizers.Adam(0.02))
    d, g = [cosine(e // 2, 6) for e in range(12)], [cosine(e, 12, 0.02) for e in range(12)]
    assert_rates(fit(model, per_step(None, optimizers=BOTH), epochs=3), d, g)
