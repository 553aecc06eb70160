"""The callback with `optimizers=`: the optimizers in attributes of the model."""

import json
import signal
from pathlib import Path

import keras
import numpy as np
import pytest

from cosine_callbacks.keras import CosineAnnealingCallback, CosineAnnealingSchedule
from tests.curve import cosine
from tests.integration.keras.gan import BACKEND, fit, gan
from tests.integration.keras.parts import compiled, run_program
from tests.integration.keras.parts import fit as fit_weight

BOTH = ["d_optimizer", "g_optimizer"]


def rate_of(optimizer):
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))


def logged(history):
    return {name: rates for name, rates in history.items() if "learning_rate" in name}


def close(values):
    return pytest.approx(values, rel=6e-7)


def test_each_optimizer_has_its_own_peak_and_floor():
    used, history = fit(gan(), CosineAnnealingCallback(optimizers=BOTH, lr_min_ratio=0.1), epochs=3)
    right = {
        "d_optimizer": [cosine(e, 3, 0.1, 0.01) for e in range(3)],
        "g_optimizer": [cosine(e, 3, 0.02, 0.002) for e in range(3)],
    }
    assert used == {name: close(list(np.repeat(rates, 4))) for name, rates in right.items()}
    assert logged(history) == {f"learning_rate_{name}": close(right[name]) for name in BOTH}


def test_each_optimizer_has_its_own_accumulation():
    model = gan(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2))
    callback = CosineAnnealingCallback(optimizers=BOTH, interval="step")
    used, history = fit(model, callback, epochs=3)
    right = {
        "d_optimizer": [cosine(e // 2, 6) for e in range(12)],
        "g_optimizer": [cosine(e, 12, 0.02) for e in range(12)],
    }
    assert used == {name: close(rates) for name, rates in right.items()}
    assert logged(history) == {f"learning_rate_{name}": close(right[name][3::4]) for name in BOTH}


def test_one_name_leaves_the_others_alone():
    model = gan()
    other = rate_of(model.optimizer)
    used, history = fit(model, CosineAnnealingCallback(optimizers="g_optimizer"), epochs=2)
    assert used["g_optimizer"] == close([0.02] * 4 + [0.01] * 4)
    assert used["d_optimizer"] == close([0.1] * 8)
    assert logged(history) == {"learning_rate_g_optimizer": close([0.02, 0.01])}
    assert rate_of(model.optimizer) == other


def test_two_callbacks_with_curves_of_their_own():
    used, history = fit(
        gan(),
        CosineAnnealingCallback(optimizers="d_optimizer", t_max=2, lr_min=0.01),
        CosineAnnealingCallback(optimizers=["g_optimizer"], interval="step", warmup=4),
        epochs=3,
    )
    assert used["d_optimizer"] == close([0.1] * 4 + [0.055] * 4 + [0.01] * 4)
    warmup = [0.02 * (0.2 + 0.8 * e / 4) for e in range(4)]
    assert used["g_optimizer"] == close(warmup + [cosine(e, 8, 0.02) for e in range(8)])
    assert len(logged(history)) == 2


def test_a_second_fit_and_a_later_epoch():
    model, callback = gan(), CosineAnnealingCallback(optimizers=BOTH, t_max=4)
    for epochs in (range(3), range(2, 4)):
        used, _ = fit(model, callback, initial_epoch=epochs[0], epochs=epochs[-1] + 1)
        assert used["d_optimizer"] == close([cosine(e, 4) for e in epochs for _ in range(4)])
        assert used["g_optimizer"] == close([cosine(e, 4, 0.02) for e in epochs for _ in range(4)])


@pytest.mark.slow
def test_killed_and_restored_in_a_new_process(tmp_path):
    arguments = (Path(__file__).parent, "killed_gan.py", tmp_path)
    run_program(*arguments, expect=-signal.SIGKILL)
    resumed = json.loads(run_program(*arguments).splitlines()[-1])
    assert resumed == {
        "d_optimizer": close([cosine(e, 16) for e in range(8, 16)]),
        "g_optimizer": close([cosine(e, 16, 0.02) for e in range(8, 16)]),
        "updates": 16,
    }


def held_rates_and_weights(model):
    rates = [rate_of(model.d_optimizer), rate_of(model.g_optimizer)]
    return [rates, *(weight.tolist() for weight in model.get_weights())]


@pytest.mark.parametrize(
    ("held", "shown"),
    [
        (None, "None"),
        ("SGD", "'SGD'"),
        (CosineAnnealingSchedule(lr_initial=0.1, t_max=4), "CosineAn"),
        (rate_of, "<function"),
    ],
    ids=["nothing", "text", "schedule", "function"],
)
def test_an_attribute_that_holds_no_optimizer_is_refused(held, shown):
    model = gan()
    if held is not None:
        model.other = held
    before = held_rates_and_weights(model)
    sentence = (
        r"^optimizers must name attributes of the model that hold an optimizer, got 'other', which "
        rf"holds {shown}.*; give some of \['d_optimizer', 'g_optimizer', 'optimizer'\]$"
    )
    with pytest.raises(ValueError, match=sentence):
        fit(model, CosineAnnealingCallback(optimizers=["d_optimizer", "other"]))
    assert held_rates_and_weights(model) == before


def test_a_named_optimizer_with_a_schedule_is_refused():
    model = gan(g_optimizer=keras.optimizers.SGD(CosineAnnealingSchedule(lr_initial=1, t_max=4)))
    with pytest.raises(ValueError, match=r"^(?i:sgd)\w* must hold a rate .*got a schedule"):
        fit(model, CosineAnnealingCallback(optimizers=BOTH))
    assert rate_of(model.d_optimizer) == close(0.1)


@pytest.mark.parametrize("names", [(BOTH, "g_optimizer"), ("g_optimizer", BOTH)])
def test_two_callbacks_on_one_optimizer_are_refused(names):
    model = gan()
    before = held_rates_and_weights(model)
    sentence = r"^callbacks must hold one CosineAnnealingCallback for adam\w*, got two"
    with pytest.raises(ValueError, match=sentence):
        fit(model, *(CosineAnnealingCallback(optimizers=each) for each in names))
    assert held_rates_and_weights(model) == before


@pytest.mark.parametrize(
    ("value", "error"),
    [
        *(
            (value, TypeError)
            for value in (True, 0, 1.5, b"a", {"a"}, [0], ["a", None], ["a", ["b"]])
        ),
        *((value, ValueError) for value in ("", [], [""], ["a", "a"])),
    ],
    ids=repr,
)
def test_bad_names_are_refused_when_built(value, error):
    with pytest.raises(error, match=r"^optimizers must .*, got .*; \w+") as refused:
        CosineAnnealingCallback(optimizers=value)
    assert "\n" not in str(refused.value)


def test_the_model_needs_no_optimizer_of_its_own():
    model = gan()
    if BACKEND != "jax":  # where Keras itself needs one
        model.compile(optimizer=None)
    used, _ = fit(model, CosineAnnealingCallback(optimizers="d_optimizer"), epochs=2)
    assert used["d_optimizer"] == close([0.1] * 4 + [0.05] * 4)


def test_the_cure_for_an_idle_optimizer_names_the_others():
    sentence = (
        r"^model\.optimizer must be an optimizer that train_step applies, got rm_?sprop\w*, which "
        r"took no update in the first epoch; give optimizers=\['d_optimizer', 'g_optimizer'\]$"
    )
    with pytest.warns(UserWarning, match=sentence) as caught:
        fit(gan(), CosineAnnealingCallback(), epochs=2)
    assert sum("took no update" in str(warning.message) for warning in caught) == 1


def test_each_named_idle_optimizer_is_named():
    model = gan()
    model.third, model.fourth = keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1)
    callback = CosineAnnealingCallback(optimizers=["third", "d_optimizer", "fourth"])
    with pytest.warns(UserWarning, match=r"^model\.\w+ must be .*; drop it from op") as caught:
        fit(model, callback, epochs=2)
    named = [str(each.message).split()[0] for each in caught if "took no up" in str(each.message)]
    assert named == ["model.third", "model.fourth"]


@pytest.mark.skipif(BACKEND != "jax", reason="a limit of its train_step, which has no state")
def test_variables_outside_the_state_are_named():
    with pytest.warns(UserWarning, match=r"^model\.d_.*on JAX let train_step return its variables"):
        used, _ = fit(gan(tracked=False), CosineAnnealingCallback(optimizers=BOTH[0]), epochs=2)
    assert used["d_optimizer"] == close([0.1] * 8)


def test_a_scaled_optimizer_by_name():
    model = compiled(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)))
    history = fit_weight(model, CosineAnnealingCallback(optimizers="optimizer"), epochs=2).history
    assert logged(history) == {"learning_rate_optimizer": close([0.1, 0.05])}


@pytest.mark.skipif(not hasattr(keras.optimizers, "OptimizerMap"), reason="new in Keras 3.15")
def test_several_optimizers_under_one_name():
    chosen = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.2, name="unused"))
    chosen[".*"] = keras.optimizers.SGD(0.1, name="used")
    model = compiled(keras.optimizers.MultiOptimizer(chosen))
    history = fit_weight(model, CosineAnnealingCallback(optimizers="optimizer"), epochs=2).history
    assert logged(history) == {
        "learning_rate_optimizer_unused": close([0.2, 0.1]),
        "learning_rate_optimizer_used": close([0.1, 0.05]),
    }
