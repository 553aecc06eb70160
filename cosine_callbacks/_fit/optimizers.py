"""What a fit callback must know of optimizers: their rates, and what it wrote into them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import ReferenceType, WeakKeyDictionary, ref

from cosine_callbacks._schedule.validation import short_repr


@dataclass
class Record:
    """What is known of an optimizer: who drives it, its base, the rates and the plan last used.

    Two rates, because on JAX the last write is undone if its batch fails or does not exist. A weak
    reference: a strong one would keep callback and optimizer alive together.
    """

    base: float | None = None
    written: tuple[float, ...] = ()
    callback: ReferenceType[Any] | None = None
    planned: tuple[int, str] | None = None


# By optimizer, not by callback: another callback on the optimizer finds the same base.
RECORDS: WeakKeyDictionary[Any, Record] = WeakKeyDictionary()


def record_of(optimizer: Any) -> Record:
    """Return the record of this optimizer, an empty one if there is none yet."""
    return RECORDS.setdefault(optimizer, Record())


def register(optimizer: Any, callback: Any) -> None:
    """Let the callback drive this optimizer; ValueError if another one does in the same fit."""
    record = record_of(optimizer)
    other = None if record.callback is None else record.callback()
    # A fit passes one dict to all of its callbacks.
    params = getattr(callback, "params", None)
    same_fit = bool(params) and getattr(other, "params", None) is params
    if same_fit and other is not callback:
        raise ValueError(
            f"callbacks must hold one CosineAnnealingCallback for {name_of(optimizer)}, got two; "
            "remove one of them"
        )
    record.callback = ref(callback)


class Snapshot(NamedTuple):
    """An optimizer before training; rate is None where it holds a schedule or a function."""

    rate: float | None
    base: float | None
    trained: bool


def is_legacy(kind: type) -> bool:
    """Say whether the class belongs to tf_keras, the legacy Keras 2."""
    return any(base.__module__.partition(".")[0] == "tf_keras" for base in kind.__mro__)


def is_optimizer(held: Any) -> bool:
    """Say whether an attribute of a model holds an optimizer."""
    return hasattr(held, "iterations")


def holders(model: Any) -> list[str]:
    """Return the names of the model's attributes that hold an optimizer."""
    return [name for name, each in vars(model).items() if is_optimizer(each)]


def check_held(model: Any, name: str, *, named: bool) -> None:
    """Refuse an attribute of the model that holds no optimizer, with a ValueError."""
    held = getattr(model, name, None)
    if is_optimizer(held):
        return
    if not named:
        raise ValueError(f"the model must have an optimizer, got {held}; compile it with one")
    raise ValueError(
        f"optimizers must name attributes of the model that hold an optimizer, got {name!r}, "
        f"which holds {short_repr(held)}; give some of {holders(model)}"
    )


def unscaled(optimizer: Any) -> Any:
    """Return the optimizer without the LossScaleOptimizer around it."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def inner_optimizers(optimizer: Any) -> list[Any]:
    """Return the optimizers that hold a rate of their own: those of a MultiOptimizer, or one."""
    optimizer = unscaled(optimizer)
    return list(getattr(optimizer, "optimizers", [optimizer]))


def with_wrapped(optimizer: Any) -> list[Any]:
    """Return the optimizer and those that it wraps, which may be the ones that act."""
    return [optimizer, *(each for each in vars(optimizer).values() if is_optimizer(each))]


def has_schedule(optimizer: Any) -> bool:
    """Say whether the optimizer, or one that it wraps, holds a schedule or a function as rate."""
    # No public attribute works everywhere: some getters call the function, some setters replace
    # it. Legacy optimizers keep it in `_hyper`, all others as `_learning_rate`.
    held = [getattr(each, "_hyper", None) or vars(each) for each in with_wrapped(optimizer)]
    return any(callable(each.get("learning_rate", each.get("_learning_rate"))) for each in held)


def name_of(optimizer: Any) -> str:
    """Return the optimizer's name; legacy ones show none."""
    return str(getattr(optimizer, "name", type(optimizer).__name__))


def log_suffixes(optimizer: Any) -> list[str]:
    """Return what the logs add to the name of each optimizer's rate: nothing if there is one."""
    optimizers = inner_optimizers(optimizer)
    if optimizers == [unscaled(optimizer)]:
        return [""]
    names = [name_of(each) for each in optimizers]
    numbered = len({*names}) < len(names)
    return [f"_{name}_{i}" if numbered else f"_{name}" for i, name in enumerate(names)]


def value_of(variable: Any) -> Any:
    """Return the scalar that a variable holds: `float` refuses one that TensorFlow mirrors."""
    # Keras' `numpy()` makes another copy, which takes twice as long on JAX.
    return variable.__array__()[()] if hasattr(variable, "__array__") else variable


def read_rate(optimizer: Any) -> float:
    """Return the optimizer's rate as the shortest decimal that names it.

    float32 0.7 lies below 0.7: taken at full length, lr_min=0.7 would lie above it.
    """
    return float(str(value_of(optimizer.learning_rate)))


def has_rate(optimizer: Any, rates: Iterable[float]) -> bool:
    """Say whether the optimizer's rate is one of these, rounded as its variable rounds."""
    rate = value_of(optimizer.learning_rate)
    return any(rate == type(rate)(each) for each in rates)


def snapshot(optimizer: Any) -> Snapshot:
    """Note the optimizer's rate, and the base that is remembered for it."""
    if not is_optimizer(optimizer) or has_schedule(optimizer):
        return Snapshot(None, None, trained=False)
    record = record_of(optimizer)
    base = record.base if has_rate(optimizer, record.written) else None
    return Snapshot(read_rate(optimizer), base, trained=bool(optimizer.iterations > 0))


def accumulation_of(optimizer: Any) -> int:
    """Return how many batches one update of this optimizer takes."""
    return getattr(optimizer, "gradient_accumulation_steps", None) or 1


def batches_of(optimizer: Any) -> int:
    """Return how many batches this optimizer has taken, which one update may accumulate."""
    # `iterations` counts the updates; legacy optimizers have only that.
    counter = getattr(optimizer, "_iterations", None)
    return int(value_of(optimizer.iterations if counter is None else counter))


def trace(optimizer: Any) -> list[Any]:
    """Return numbers of which each batch that the optimizer takes changes at least one."""
    # Loss scaling skips an update that overflows and lowers its scale, which in Keras 3 is the
    # initial one until it is built.
    names = ("dynamic_scale", "loss_scale", "initial_scale")
    scale = next((getattr(optimizer, name) for name in names if hasattr(optimizer, name)), 1)
    counted = [each for inner in inner_optimizers(optimizer) for each in with_wrapped(inner)]
    return [id(optimizer), value_of(scale), *map(batches_of, counted)]
