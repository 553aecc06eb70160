"""What a LightningCLI YAML file says of our callbacks, read without importing the user's code."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from cosine_callbacks._schedule import validation
from cosine_callbacks._schedule.validation import as_int, parse_argument, short_repr
from cosine_callbacks._trainer.run_length import run_length, unlimited

MAX_CHARACTERS, MAX_ENTRIES = 200_000, 20_000
CURE = "give the run's config, or the config.yaml that LightningCLI saves in its log folder"
OURS = (
    "cosine_callbacks.lightning.CosineAnnealingCallback",
    "cosine_callbacks.pytorch_lightning.CosineAnnealingCallback",
    "CosineAnnealingCallback",  # the short name works once the module is imported
)
LIMIT, EPOCH = partial(as_int, low=-1), partial(as_int, low=0)  # -1 means no limit
BATCHES = partial(validation.as_int_or_fraction, low=0, fractions=validation.UNIT)


def read_config(path: str) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]:
    """Return the arguments of our callbacks, the Trainer's, and each rate by its place.

    One of the rates is the optimizer's. None stands for what is null.
    """
    tree = _load(path)
    tree |= _mapping("fit", tree.get("fit"))  # a config for all subcommands has this level
    trainer = _mapping("trainer", tree.get("trainer"))
    # `callbacks+` is jsonargparse's way to append.
    callbacks = _list(trainer.get("callbacks")) + _list(trainer.get("callbacks+"))
    trainer["callbacks"] = [_spec(each) for each in callbacks]
    ours = [each for each in trainer["callbacks"] if each.get("class_path") in OURS]
    if not ours:
        raise ValueError(f"{path} must have our callback in trainer.callbacks, got none; {CURE}")
    if (other := tree.get("lr_scheduler")) is not None:
        raise ValueError(
            "lr_scheduler must not be given with our callback, which drives the optimizer, got "
            f"{short_repr(other)}; remove one of the two"
        )
    return [_mapping("init_args", each.get("init_args")) for each in ours], trainer, _rates(tree)


def _load(path: str) -> dict[str, Any]:
    import yaml  # noqa: PLC0415 - only a config needs it

    class Loader(yaml.SafeLoader):
        entries = 0

        def flatten_mapping(self, node: Any) -> None:
            super().flatten_mapping(node)
            # Merged mappings are copied: nested ones may be far more than the file.
            self.entries += len(node.value)
            if self.entries > MAX_ENTRIES:
                raise ValueError(f"more than {MAX_ENTRIES} entries, merged ones included")

    with Path(path).open(encoding="utf-8") as file:
        try:
            text = file.read(MAX_CHARACTERS + 1)
            if len(text) > MAX_CHARACTERS:
                raise ValueError(f"more than {MAX_CHARACTERS} characters")  # noqa: TRY301
            tree = yaml.load(text, Loader)  # noqa: S506 - it is a safe one
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise ValueError(f"{path} must be a config in YAML, got {error}; {CURE}") from error
    return _mapping(path, tree)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _mapping(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict | None):
        return value or {}
    raise TypeError(f"{name} must map names to values, got {short_repr(value)}; {CURE}")


def _spec(value: Any) -> dict[str, Any]:
    """Return a class and its arguments as a mapping; a class alone may be written as a text."""
    return {"class_path": value} if isinstance(value, str) else _mapping("a class", value)


def _rates(tree: dict[str, Any]) -> dict[str, Any]:
    if tree.get("optimizer") is not None:  # it wins over the model's own
        return _arguments(tree["optimizer"], "optimizer", "lr")
    rates = _arguments(tree.get("model"), "model", "lr", "learning_rate")
    for place, optimizer in _arguments(tree.get("model"), "model", "optimizer").items():
        # A name without a dot is an option of the model; a class path has a rate of its own.
        if isinstance(optimizer, dict) or (isinstance(optimizer, str) and "." in optimizer):
            its = _arguments(optimizer, place, "lr")
            rates = rates | its if its else {}
    return rates


def _arguments(value: Any, place: str, *names: str) -> dict[str, Any]:
    """Return those arguments of a class that are given, by the places where they stand."""
    spec = _spec(value)
    if "init_args" in spec:  # absent where the class is fixed
        spec, place = _mapping("init_args", spec["init_args"]), f"{place}.init_args"
    return {f"{place}.{name}": spec[name] for name in names if spec.get(name) is not None}


def plan_run(
    trainer: dict[str, Any], steps_per_epoch: str | None
) -> tuple[Callable[[str], int | None], int | None]:
    """Return the planned length as a function of the unit, and the updates per epoch.

    Unknown numbers are None; the updates are 0 where they change during the run.
    """

    def argument(name: str, check: Any, default: Any) -> Any:
        value = trainer.get(name)
        return default if value is None else parse_argument(check, f"trainer.{name}", value)

    epochs, steps = (unlimited(argument(f"max_{each}", LIMIT, -1)) for each in ("epochs", "steps"))
    accumulation = argument("accumulate_grad_batches", as_int, 1)
    limit = argument("overfit_batches", BATCHES, 0) or argument("limit_train_batches", BATCHES, 1.0)
    if trainer.get("fast_dev_run"):
        raise ValueError("trainer.fast_dev_run must be false, got true; preview the run you mean")
    table: dict[int, int] = {}
    for callback in trainer.get("callbacks", []):
        name = callback.get("class_path")
        if isinstance(name, str) and name.endswith("GradientAccumulationScheduler"):
            given = _mapping("init_args", callback.get("init_args")).get("scheduling")
            for start, each in _mapping("scheduling", given).items():
                epoch = parse_argument(EPOCH, "scheduling", start)
                table[epoch] = parse_argument(as_int, "scheduling", each)
    batches, updates = math.inf, None
    if steps_per_epoch is not None:
        batches = parse_argument(as_int, "steps_per_epoch", steps_per_epoch)
        # Lightning's own rounding.
        batches = int(batches * limit) if isinstance(limit, float) else min(batches, limit)
        as_int("trainer.limit_train_batches times steps_per_epoch", batches)
        updates = 0 if table else math.ceil(batches / accumulation)
    factors = {0: accumulation} | table
    return lambda unit: run_length(unit, batches, epochs, steps, factors), updates
