"""Refuse an unknown argument in the name of the public class, with the parameter that is meant."""

from functools import wraps
from typing import Any, TypeVar

from cosine_callbacks._schedule.parameters import PARAMETERS
from cosine_callbacks._schedule.validation import short_repr

_T = TypeVar("_T")


def explain_unknown_arguments(public: type[_T]) -> type[_T]:
    """Let a constructor name its class, and the parameter that another library's keyword means.

    Python's own error names a private base class, and not what to write instead.
    """
    cls: Any = public
    init = cls.__init__
    known = init.__annotations__

    @wraps(init)
    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        name = type(self).__name__
        if args:
            raise TypeError(f"{name}() takes its arguments by name, got {short_repr(args[0])}")
        unknown = next((each for each in kwargs if each not in known), None)
        if unknown is not None:
            meant = [ours for ours, about in PARAMETERS.items() if unknown in about.aliases.split()]
            hint = f"; {unknown} is {meant[0]} here" if meant else ""
            raise TypeError(f"{name}() got an unexpected keyword argument {unknown!r}{hint}")
        init(self, **kwargs)

    cls.__init__ = checked
    return public
