"""What LightningCLI YAML files say about our callback, read without importing the user's code."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

from cosine_callbacks._command.yaml_file import load
from cosine_callbacks._schedule.validation import short_repr

if TYPE_CHECKING:
    from collections.abc import Sequence

OURS = (
    "cosine_callbacks.lightning.CosineAnnealingCallback",
    "cosine_callbacks.pytorch_lightning.CosineAnnealingCallback",
    "CosineAnnealingCallback",  # the short name works once the module is imported
)


class Config(NamedTuple):
    """Our callback's arguments, the Trainer's with a list of callbacks, and the optimizer's rate.

    None stands for what is null. `rates` has the rate by the place where it stands; if there are
    several, one of them is it.
    """

    init_args: dict[str, Any]
    trainer: dict[str, Any]
    rates: dict[str, Any]


def read_config(paths: Sequence[str]) -> Config:
    """Read the files, where a later one wins, and find what shapes the curve.

    Raises:
        OSError: A file cannot be read.
        TypeError: The arguments of our callback are no mapping.
        ValueError: A file is not a config, none or several of our callbacks are in them, or a
            scheduler, which a run would refuse.
    """
    tree: dict[str, Any] = reduce(_merge, map(load, paths), {})
    tree = _merge(tree, _mapping(tree.get("fit")))  # a config for all subcommands has this level
    trainer = _mapping(tree.get("trainer"))
    trainer["callbacks"] = [_spec(each) for each in _list(trainer.get("callbacks"))]
    ours = [each for each in trainer["callbacks"] if each.get("class_path") in OURS]
    if len(ours) != 1:
        raise ValueError(
            f"trainer.callbacks must hold one CosineAnnealingCallback of cosine_callbacks, got "
            f"{len(ours)} in {', '.join(paths)}; give the run's config"
        )
    if tree.get("lr_scheduler") is not None:
        raise ValueError(
            "lr_scheduler must not stand beside our callback, which drives the optimizer, got "
            f"{short_repr(tree['lr_scheduler'])}; remove one of the two"
        )
    arguments = ours[0].get("init_args")
    if not isinstance(arguments, dict | None):
        raise TypeError(
            "init_args must map the callback's arguments to values, got "
            f"{short_repr(arguments)}; give name: value"
        )
    return Config(_mapping(arguments), trainer, _rates(tree))


def _merge(old: Any, new: Any) -> Any:
    """Merge as jsonargparse does: by key, and in lists of one length item by item."""
    if isinstance(new, list):
        olds = _list(old)
        return [*map(_merge, olds, new)] if len(olds) == len(new) else new
    old = _mapping(old)
    if isinstance(new, str) and "class_path" in old:
        new = _spec(new)
    if not isinstance(new, dict):
        return new
    if new.get("class_path") in OURS and new["class_path"] != old.get("class_path"):
        return new  # do not merge the arguments of another class
    merged = dict(old)
    for key, value in new.items():
        if key.endswith("+"):  # jsonargparse's way to append
            merged[key[:-1]] = _list(merged.get(key[:-1])) + _list(value)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _spec(value: Any) -> dict[str, Any]:
    """Return a class and its arguments as a mapping; a class alone may be written as a text."""
    return {"class_path": value} if isinstance(value, str) else _mapping(value)


def _rates(tree: dict[str, Any]) -> dict[str, Any]:
    if tree.get("optimizer") is not None:  # it wins over the model's own
        return _arguments(tree["optimizer"], "optimizer", "lr")
    rates = _arguments(tree.get("model"), "model", "lr", "learning_rate")
    for place, optimizer in _arguments(tree.get("model"), "model", "optimizer").items():
        # A name without a dot is an option of the model; a class path has a rate of its own.
        if isinstance(optimizer, dict) or "." in str(optimizer):
            its = _arguments(optimizer, place, "lr")
            rates = rates | its if its else {}
    return rates


def _arguments(value: Any, place: str, *names: str) -> dict[str, Any]:
    """Return those arguments of a class that are given, by the places where they stand."""
    spec = _spec(value)
    if "init_args" in spec:  # absent where the class is fixed
        spec, place = _mapping(spec["init_args"]), f"{place}.init_args"
    return {f"{place}.{name}": spec[name] for name in names if spec.get(name) is not None}
