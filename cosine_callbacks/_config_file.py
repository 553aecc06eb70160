"""What LightningCLI YAML files say about our callback, read without importing the user's code.

Every scalar stays a text, as on the command line: YAML's own readers take 1e-4 for a word.
"""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cosine_callbacks._parameters import show

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST, DEEPEST = 1_000_000, 50
OURS = (
    "cosine_callbacks.lightning.CosineAnnealingCallback",
    "cosine_callbacks.pytorch_lightning.CosineAnnealingCallback",
    "CosineAnnealingCallback",  # LightningCLI finds it so where the module is imported already
)
# Where the optimizer's rate stands: LightningCLI's own place first, then a model's argument.
RATES = ("optimizer", "lr"), ("model", "lr"), ("model", "learning_rate")


class Found(NamedTuple):
    """Our callback's arguments, the Trainer's with a list of callbacks, and the optimizer's rate.

    None stands for what is null.
    """

    init_args: dict[str, Any]
    trainer: dict[str, Any]
    rate: str | None


def find(paths: Sequence[str]) -> Found:
    """Read the files, where a later one wins, and find what shapes the curve.

    Raises:
        OSError: A file cannot be read.
        TypeError: The arguments of our callback are no mapping.
        ValueError: A file is not a config, or none or several of our callbacks are in them.
    """
    tree: dict[str, Any] = reduce(_merge, map(_load, paths), {})
    tree = _merge(tree, _mapping(tree.get("fit")))  # the level of a config for all subcommands
    trainer = _mapping(tree.get("trainer"))
    trainer["callbacks"] = [_spec(each) for each in _list(trainer.get("callbacks"))]
    ours = [each for each in trainer["callbacks"] if each.get("class_path") in OURS]
    if len(ours) != 1:
        raise ValueError(
            f"trainer.callbacks must hold one CosineAnnealingCallback of cosine_callbacks, got "
            f"{len(ours)} in {', '.join(paths)}; give the run's config"
        )
    rates = (_rate(_spec(tree.get(owner)), name) for owner, name in RATES)
    arguments = ours[0].get("init_args")
    if not isinstance(arguments, dict | None):
        raise TypeError(
            f"init_args must map the callback's arguments to values, got {show(arguments)}; give "
            "name: value"
        )
    return Found(_mapping(arguments), trainer, next(filter(None, rates), None))


def _load(path: str) -> Any:
    import yaml  # noqa: PLC0415 - comes with jsonargparse, and only a config needs it

    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(LONGEST + 1)
        if len(text) > LONGEST:
            raise ValueError(
                f"{path} must be a config, got more than {LONGEST} characters; give one"
            )
        collections, depth = set(), 0
        for event in yaml.parse(text, Loader=yaml.BaseLoader):
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.CollectionStartEvent):
                collections.add(event.anchor)
                depth += 1
            # Deep levels take ages to read, and aliases of aliases gigabytes.
            if depth > DEEPEST:
                raise ValueError(
                    f"{path} must be a config, got more than {DEEPEST} levels; give one"
                )
            if isinstance(event, yaml.AliasEvent) and event.anchor in collections:
                raise ValueError(
                    f"{path} must not repeat a list or mapping by an alias, got *{event.anchor}; "
                    "write it out"
                )
        tree = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - it makes nothing but texts
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} must be YAML, got {_problem(error)}; give a config") from error
    if isinstance(tree, dict):
        return plain(tree)
    found = "nothing" if tree is None or tree == "" else "text or a list"
    raise ValueError(f"{path} must be a mapping with a trainer, got {found}; give a config")


def _problem(error: Exception) -> str:
    """Return what PyYAML has to say, in one line."""
    problem = getattr(error, "problem", None) or type(error).__name__
    mark = getattr(error, "problem_mark", None)
    return f"{problem} in line {mark.line + 1}" if mark else problem


def plain(tree: Any) -> Any:
    """Return the tree with None for each text that is YAML's null."""
    if isinstance(tree, dict):
        return {key: plain(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [plain(value) for value in tree]
    return None if tree in ("null", "Null", "NULL", "~", "") else tree


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
        return new  # the arguments of another class are none of ours
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


def _rate(spec: dict[str, Any], name: str) -> str | None:
    """Return the argument; a model of a fixed class has its own without a level `init_args`."""
    return _mapping(spec.get("init_args", spec)).get(name)
