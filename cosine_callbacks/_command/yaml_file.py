"""A YAML file as plain mappings, lists and texts, whatever its size and its aliases promise.

Every scalar stays a text, as on the command line: YAML's own readers take 1e-4 for a word.
"""

from __future__ import annotations

from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CHARACTERS, MAX_DEPTH, MAX_VALUES = 1_000_000, 50, 20_000
NULLS = "null", "Null", "NULL", "~", ""


def load(path: str) -> dict[str, Any]:
    """Return the mapping that the file holds, with None for what is null.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not YAML, no mapping, or more than any config.
    """
    import yaml  # noqa: PLC0415 - comes with jsonargparse, and only a config needs it

    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(MAX_CHARACTERS + 1)
        if len(text) > MAX_CHARACTERS:
            raise _more(path, f"{MAX_CHARACTERS} characters")
        depth = values = 0
        for event in yaml.parse(text, Loader=yaml.BaseLoader):  # `compose` would go on to the end
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            values += isinstance(event, yaml.NodeEvent)
            _limit(path, depth, values)
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} must be YAML, got {_problem(error)}; give a config") from error
    tree = node and _plain(node, path, 1, count(1))
    if isinstance(tree, dict):
        return tree
    found = "text or a list" if tree else "nothing"
    raise ValueError(f"{path} must be a mapping with a trainer, got {found}; give a config")


def _limit(path: str, depth: int, values: int) -> None:
    if depth > MAX_DEPTH:
        raise _more(path, f"{MAX_DEPTH} levels")
    if values > MAX_VALUES:
        raise _more(path, f"{MAX_VALUES} values, aliases written out")


def _more(path: str, most: str) -> ValueError:
    return ValueError(f"{path} must be a config, got more than {most}; give one")


def _problem(error: Exception) -> str:
    """Return what PyYAML has to say, in one line."""
    problem = getattr(error, "problem", None) or type(error).__name__
    mark = getattr(error, "problem_mark", None)
    return f"{problem} in line {mark.line + 1}" if mark else problem


def _plain(node: Any, path: str, depth: int, counter: Iterator[int]) -> Any:
    """Return what a node stands for; by aliases it may hold itself, or far more than the file."""
    if node.id == "scalar":
        _limit(path, 0, next(counter))
        return None if node.value in NULLS else node.value
    _limit(path, depth, next(counter))
    plain = partial(_plain, path=path, depth=depth + 1, counter=counter)
    if node.id == "sequence":
        return [plain(each) for each in node.value]
    merged, own = dict[str, Any](), dict[str, Any]()
    for key, value in node.value:
        if key.id != "scalar":
            raise ValueError(
                f"{path} must have texts as keys, got a list or mapping in line "
                f"{key.start_mark.line + 1}; give a config"
            )
        if key.value != "<<":
            own[key.value] = plain(value)
            continue
        for each in reversed(value.value if value.id == "sequence" else [value]):
            if each.id != "mapping":
                raise ValueError(
                    f"{path} must have a mapping behind <<, got something else in line "
                    f"{each.start_mark.line + 1}; give one"
                )
            merged |= plain(each)
    return merged | own
