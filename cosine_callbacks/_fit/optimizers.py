"""What the Keras-style callback must know of optimizers: their rates, and what it left in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ReferenceType, WeakKeyDictionary, ref

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass
class Left:
    """What a callback left behind in an optimizer: its base rate and the last rates written.

    Two of them: on JAX the last write is undone where its batch fails or does not exist.
    """

    base: float
    rates: tuple[float, ...] = ()


# Kept with the optimizer, not with the callback: another callback on it finds the same base.
LEFT: WeakKeyDictionary[Any, Left] = WeakKeyDictionary()


# Which callback drives an optimizer, or did last; weak, or the two would keep each other alive.
DRIVERS: WeakKeyDictionary[Any, ReferenceType[Any]] = WeakKeyDictionary()


def claim(optimizer: Any, callback: Any) -> None:
    """Let the callback drive this optimizer; ValueError if another one does in the same fit."""
    driver = DRIVERS.get(optimizer)
    other = None if driver is None else driver()
    # A fit hands the same dict to all of its callbacks.
    same_fit = bool(callback.params) and getattr(other, "params", None) is callback.params
    if same_fit and other is not callback:
        raise ValueError(
            f"callbacks must hold one CosineAnnealingCallback for {called(optimizer)}, got two; "
            "remove one of them"
        )
    DRIVERS[optimizer] = ref(callback)


class Found(NamedTuple):
    """An optimizer as found before training; rate is None where it holds a schedule or function."""

    rate: float | None
    base: float | None
    trained: bool


def unscaled(optimizer: Any) -> Any:
    """Return the optimizer without the LossScaleOptimizer around it."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def inner_optimizers(optimizer: Any) -> list[Any]:
    """Return the optimizers that hold a rate of their own: those of a MultiOptimizer, or one."""
    optimizer = unscaled(optimizer)
    return list(getattr(optimizer, "optimizers", [optimizer]))


def fixed(optimizer: Any) -> bool:
    """Say whether the optimizer holds a schedule or a function instead of a rate."""
    # No public attribute tells it everywhere: some getters call the function, some setters
    # replace it. Legacy optimizers keep it in `_hyper`, all others as `_learning_rate`.
    held = getattr(optimizer, "_hyper", None) or vars(optimizer)
    return callable(held.get("learning_rate", held.get("_learning_rate")))


def called(optimizer: Any) -> str:
    """Return the optimizer's name; legacy ones show none."""
    return str(getattr(optimizer, "name", type(optimizer).__name__))


def plain(value: Any) -> Any:
    """Return the scalar that a variable holds: `float` refuses one that TensorFlow mirrors."""
    # Keras' `numpy()` copies what this gives, which on JAX takes twice as long.
    return value.__array__()[()] if hasattr(value, "__array__") else value


def read(optimizer: Any) -> float:
    """Return the optimizer's rate as the shortest decimal that names it.

    float32 0.7 lies below 0.7: taken at full length, lr_min=0.7 would lie above it.
    """
    return float(str(plain(optimizer.learning_rate)))


def holds(optimizer: Any, rates: Iterable[float]) -> bool:
    """Say whether the optimizer's rate is one of these, rounded as its variable rounds."""
    rate = plain(optimizer.learning_rate)
    return any(rate == type(rate)(each) for each in rates)


def find(optimizer: Any) -> Found:
    """Note the optimizer's rate, and the base that a callback remembers for it."""
    if optimizer is None or fixed(optimizer):
        return Found(None, None, trained=False)
    rate, left = read(optimizer), LEFT.get(optimizer)
    base = left.base if left is not None and holds(optimizer, left.rates) else None
    return Found(rate, base, trained=bool(optimizer.iterations > 0))
