"""What does the Keras schedule cost in a compiled training step, against Keras' own?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import keras
from harness import Row, per_call, ratios
from keras.optimizers.schedules import CosineDecay, CosineDecayRestarts

from cosine_callbacks.keras import CosineAnnealingSchedule

if TYPE_CHECKING:
    from collections.abc import Callable

BACKEND = keras.backend.backend()
STEPS = 10**6
whole = partial(CosineAnnealingSchedule, lr_initial=0.1, t_max=STEPS, lr_min=0.001)
endless = partial(CosineAnnealingSchedule, lr_initial=0.1, t_max=1000, lr_min=0.001, cycles=None)
# Ours and Keras' own of the same curve.
CURVES: dict[str, tuple[Any, Any]] = {
    "plain": (whole(), CosineDecay(0.1, STEPS, alpha=0.01)),
    "warmup": (
        whole(warmup=1000, warmup_start_ratio=0.0),
        CosineDecay(0.0, STEPS - 1000, alpha=0.01, warmup_target=0.1, warmup_steps=1000),
    ),
    "restarts": (endless(), CosineDecayRestarts(0.1, 1000, 1.0, alpha=0.01)),
    "growing restarts": (endless(t_mult=2), CosineDecayRestarts(0.1, 1000, 2.0, alpha=0.01)),
}
MOST = 1.05  # "not slower beyond noise"
MOST_EAGER = 1 / 50
# Few, and timed often: the shorter the time, the likelier that nobody else used the machine in it.
CALLS = 10


def train_step(rate: Any) -> Callable[[], Any]:
    """Return a training step of a small model, compiled where the backend compiles."""
    layers = [keras.layers.Dense(16, activation="relu"), keras.layers.Dense(4)]
    model = keras.Sequential([keras.Input((8,)), *layers])
    optimizer = keras.optimizers.SGD(rate)
    optimizer.build(model.trainable_variables)
    return STEP[BACKEND](model, optimizer, keras.ops.ones((32, 8)))


def tensorflow_step(model: Any, optimizer: Any, x: Any) -> Callable[[], Any]:
    """Return the step as TensorFlow compiles it."""
    import tensorflow as tf  # noqa: PLC0415 - on this backend only

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            loss = keras.ops.mean(model(x, training=True) ** 2)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

    return step


def jax_step(model: Any, optimizer: Any, x: Any) -> Callable[[], Any]:
    """Return the step as JAX compiles it."""
    import jax  # noqa: PLC0415 - on this backend only

    def loss(weights: Any) -> Any:
        y, _ = model.stateless_call(weights, [], x, training=True)
        return keras.ops.mean(y**2)

    @jax.jit
    def step(weights: Any, state: Any) -> Any:
        return optimizer.stateless_apply(state, jax.grad(loss)(weights), weights)

    held = [[v.value for v in each] for each in (model.trainable_variables, optimizer.variables)]

    def applied() -> None:
        held[:] = jax.block_until_ready(step(*held))

    return applied


def torch_step(model: Any, optimizer: Any, x: Any) -> Callable[[], Any]:
    """Return the step on torch, where Keras compiles nothing."""
    weights = model.trainable_variables

    def step() -> None:
        model.zero_grad()
        keras.ops.mean(model(x, training=True) ** 2).backward()
        optimizer.apply([weight.value.grad for weight in weights])

    return step


STEP = {"tensorflow": tensorflow_step, "jax": jax_step, "torch": torch_step}


def measure(*, quick: bool) -> list[Row]:
    """Return the cost of a step with our schedule, as a fraction of one with Keras' own."""
    rows = []
    size, loops = ((1, 1), 1) if quick else ((7, 30 if BACKEND == "torch" else 75), CALLS)
    for curve, schedules in CURVES.items():
        ours, theirs = (per_call(train_step(schedule), loops) for schedule in schedules)
        what, against = f"Keras train step on {BACKEND}, {curve}", type(schedules[1]).__name__
        rows.append(Row(what, f"`{against}`", ratios(ours, theirs, *size), MOST))
    if BACKEND == "jax":
        step = keras.ops.convert_to_tensor(5)
        ours, theirs = (per_call(partial(each, step), loops) for each in CURVES["warmup"])
        what = "Keras schedule called eagerly on jax, warmup"
        rows.append(Row(what, "`CosineDecay`", ratios(ours, theirs, size[0], 3), MOST_EAGER))
    return rows
