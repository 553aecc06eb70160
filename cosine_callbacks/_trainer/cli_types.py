"""Argument types with which LightningCLI refuses a bad value in our own sentence.

jsonargparse checks a type while it parses, before any callback is built. Its own `PositiveInt` and
the like do not name the argument, and its unions cannot tell the int 1 from the float 1.0.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from cosine_callbacks._schedule.parameters import PARAMETERS
from cosine_callbacks._schedule.validation import as_indices, parse_argument


def annotate(init: Any) -> None:
    """Give a constructor's arguments these types at run time; type checkers see those written."""
    for name, parameter in PARAMETERS.items():
        kind = _argument_type(name, parameter.check)
        init.__annotations__[name] = kind | None if parameter.optional else kind
    init.__annotations__["optimizers"] = _argument_type("optimizers", as_indices) | None


def _argument_type(name: str, check: Callable[[str, Any], Any]) -> Any:
    """Return a type of the values that the argument may have, registered with jsonargparse."""

    class Checked(type):
        def __instancecheck__(cls, value: Any) -> bool:
            with suppress(TypeError, ValueError):
                check(name, value)
                return True
            return False

    # Of no module of ours, so that `help` shows TMax without a path.
    argument = Checked(name.title().replace("_", ""), (), {"__module__": "builtins"})
    with suppress(ModuleNotFoundError):
        from jsonargparse.typing import register_type  # noqa: PLC0415 - installed with the CLI only

        register_type(
            argument,
            serializer=lambda value: value,
            deserializer=partial(parse_argument, check, name),
            # Values are plain numbers, whose type says nothing: always parse them.
            type_check=lambda _value, _kind: False,
        )
    return argument
