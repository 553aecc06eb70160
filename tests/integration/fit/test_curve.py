"""The rates that training uses and logs: the curve, its peak, its position, its length."""

import copy

import pytest

from tests.curve import cosine

from .parts import (
    BACKEND,
    DATA,
    LOG_KEYS,
    CosineAnnealingCallback,
    batches,
    close,
    compiled,
    fit,
    keras,
    keras_3,
    per_step,
    rate_of,
    targets,
    train,
    train_on_a_batch,
    weight_of,
)


@pytest.mark.parametrize(
    ("options", "right"),
    [
        ({}, [0.1, 0.08535534, 0.05, 0.01464466]),
        ({"t_max": 2, "lr_min": 0.01}, [0.1, 0.055, 0.01, 0.01]),
        ({"t_max": 2, "lr_min_ratio": 0.1, "lr_initial": 0.2}, [0.2, 0.11, 0.02, 0.02]),
    ],
    ids=str,
)
def test_a_rate_for_each_epoch(sgd, options, right):
    """tests/parity trains on all other kinds of curves."""
    model, ours = compiled(sgd(0.1)), CosineAnnealingCallback(**options)
    history = fit(model, ours, data=DATA[:2], epochs=len(right))
    assert weight_of(model) == close(-2 * sum(right))
    assert {key: history[key] for key in history if key != "loss"} == dict.fromkeys(
        LOG_KEYS, close(right)
    )
    assert rate_of(model.optimizer) == close(right[-1])  # nothing is restored


def test_a_rate_for_each_update(sgd):
    used, logged = train(compiled(sgd(0.1)), per_step(t_max=None), epochs=2)
    # 1/2 (1 + cos(pi e / 20)) adds up to 21/2.
    assert used == close(1.05)
    assert logged == close([cosine(9, 20), cosine(19, 20)])


def test_a_floor_equal_to_a_float32_rate(sgd):
    ours = CosineAnnealingCallback(t_max=10, lr_min=0.7)
    assert train(compiled(sgd(0.7)), ours, epochs=2)[1] == close([0.7, 0.7], rel=6e-8)


@pytest.mark.parametrize("later", ["the same", "another", "a copy"])
def test_a_second_fit_begins_the_curve_anew_at_the_same_peak(sgd, later):
    first = per_step()
    second = {"the same": first, "another": per_step(), "a copy": copy.deepcopy(first)}[later]
    for model in (compiled(sgd(0.1)), compiled(sgd(0.1))):
        assert train(model, first)[0] == close(0.55)
        assert train(model, second)[0] == close(0.55)


def test_the_present_rate_of_a_trained_optimizer_is_the_peak_and_named(sgd):
    model = compiled(sgd(0.05))
    fit(model)  # without our callback
    sentence = r"^(?i:sgd)\w* has been trained before and its present rate {} is .* lr_initial="
    with pytest.warns(UserWarning, match=sentence.format(r"0\.05")):
        assert train(model, per_step())[0] == close(0.275)
    model.optimizer.learning_rate = 0.2
    with pytest.warns(UserWarning, match=sentence.format(r"0\.2")):
        assert train(model, per_step())[0] == close(1.1)


def test_a_later_epoch_has_its_place_on_the_curve(sgd):
    used, _ = train(compiled(sgd(0.1)), per_step(t_max=40), initial_epoch=2, epochs=4)
    assert used == close(sum(cosine(e, 40) for e in range(20, 40)))
    per_epoch = CosineAnnealingCallback(t_max=4)
    _, logged = train(compiled(sgd(0.1)), per_epoch, initial_epoch=2, epochs=4)
    assert logged == close([0.05, 0.01464466])


@pytest.mark.parametrize(
    ("options", "lengths"),
    [
        ({}, "got None and 8 planned epochs after 4"),
        ({"t_max": 0.5}, "got 0.5 and 8 planned epochs after 4"),
        ({"interval": "step"}, "got None and 16 planned steps after 8"),
    ],
)
def test_a_fit_that_goes_on_with_another_planned_length_is_named(sgd, options, lengths):
    model = compiled(sgd(0.1))
    fit(model, CosineAnnealingCallback(**options), data=DATA[:2], epochs=4)
    sentence = rf"^t_max must be .* {lengths} in the fit before; give t_max=$"
    ours = CosineAnnealingCallback(**options)
    with pytest.warns(UserWarning, match=sentence) as caught:
        _, logged = train(model, ours, data=DATA[:2], initial_epoch=4, epochs=8)
    assert sum("t_max must be" in str(warning.message) for warning in caught) == 1
    ends = [4.5, 5.5, 6.5, 7.5] if "interval" in options else [4, 5, 6, 7]
    assert logged == close([cosine(e, 8 * options.get("t_max", 1)) for e in ends])


@pytest.mark.parametrize(
    ("t_max", "start", "end"), [(8, 4, 8), (None, 0, 8), (None, 2, 4)], ids=str
)
def test_a_fit_that_keeps_to_one_curve_raises_no_warning(sgd, t_max, start, end):
    # Warnings of the package are errors in our tests.
    model = compiled(sgd(0.1))
    for first, last in ((0, 4), (start, end)):
        ours = CosineAnnealingCallback(t_max=t_max)
        fit(model, ours, data=DATA[:1], initial_epoch=first, epochs=last)


@pytest.mark.parametrize(
    ("options", "params", "right"),
    [
        ({"interval": "step"}, {"epochs": 2, "steps": 5}, 0.55),
        ({"interval": "step", "t_max": 10}, {}, 0.55),
        ({"t_max": 2}, {}, 5 * 0.15),
    ],
    ids=str,
)
def test_a_loop_with_a_callback_list(sgd, options, params, right):
    model = compiled(sgd(0.1))
    ours = CosineAnnealingCallback(**options)
    hooks = keras.callbacks.CallbackList([ours], model=model, **params)
    hooks.on_train_begin()
    for epoch in range(2):
        hooks.on_epoch_begin(epoch)
        for batch in range(5):
            hooks.on_train_batch_begin(batch)
            train_on_a_batch(model)
            hooks.on_train_batch_end(batch)
        hooks.on_epoch_end(epoch)
    hooks.on_train_end()
    assert weight_of(model) == close(-right)


def test_a_batch_that_does_not_exist_is_not_counted(sgd):
    # Keras begins one batch after the last, and on JAX undoes what was written for it.
    model, ours = compiled(sgd(0.1)), per_step(t_max=8)
    for _ in range(2):
        used, logged = train(model, ours, data=batches(4))
        assert used == close(sum(cosine(e, 8) for e in range(4)))
        assert logged == close([cosine(3, 8)])


def stream(number):
    """Return data that each epoch reads again and whose length is unknown."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        data = tf.data.Dataset.from_tensors((DATA[:1], targets(DATA[:1]))).repeat(number)
        return data.filter(lambda *_: True)
    import torch

    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter([(DATA[0], targets(DATA[0]))] * number)

    return torch.utils.data.DataLoader(Stream())


@pytest.mark.skipif(BACKEND == "jax", reason="Keras has no data without a length there")
def test_later_epochs_of_unknown_length_go_on(sgd):
    used, logged = train(compiled(sgd(0.1)), per_step(t_max=8), data=stream(4), epochs=3)
    right = [cosine(e, 8) for e in range(12)]
    assert used == close(sum(right))
    assert logged == close(right[3::4])


def test_batch_ends_may_come_late_and_out_of_order(sgd):
    model, ours = compiled(sgd(0.1)), per_step(t_max=20)
    assert ours.async_safe
    ours.set_params({"epochs": 2, "steps": None})
    ours.set_model(model)
    ours.on_train_begin()
    ours.on_epoch_begin(0)
    train_on_a_batch(model)
    for batch in (1, 0, 3, 2):
        ours.on_train_batch_end(batch)
    logs = {}
    ours.on_epoch_end(0, logs)
    assert logs == dict.fromkeys(LOG_KEYS, close(cosine(3, 20)))
    ours.on_epoch_begin(1)
    ours.on_train_batch_begin(0)
    assert rate_of(model.optimizer) == close(cosine(4, 20))
    ours.on_epoch_end(1, None)


def test_an_equal_rate_is_not_written_again(sgd):
    class Watched(sgd):
        def __setattr__(self, name, value):
            if name == "learning_rate":
                written.append(value)
            super().__setattr__(name, value)

    written = []
    optimizer = Watched(0.1)
    written.clear()
    fit(compiled(optimizer), per_step(t_max=4, hold=2))
    assert written == close([0.1, 0.05, 0])


@keras_3
@pytest.mark.skipif(BACKEND == "tensorflow", reason="the compiled step keeps the old optimizer")
def test_an_optimizer_exchanged_during_the_fit_follows_the_curve(sgd):
    model = compiled(sgd(0.1))

    def replace(epoch, logs):
        if not epoch:
            model.optimizer = sgd(0.1)
            model.optimizer.build(model.trainable_variables)

    replacing = keras.callbacks.LambdaCallback(on_epoch_end=replace)
    fit(model, CosineAnnealingCallback(t_max=4), replacing, epochs=2)
    assert rate_of(model.optimizer) == close(cosine(1, 4))
