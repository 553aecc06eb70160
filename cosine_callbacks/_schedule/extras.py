"""The one error for a framework that is not installed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def required(framework: str, extra: str) -> Iterator[None]:
    """Say which extra to install where the framework itself is missing.

    An import that fails inside an installed framework surfaces as it is.

    Raises:
        ModuleNotFoundError: The framework's own top-level package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != framework.partition(".")[0]:
            raise
        raise ModuleNotFoundError(
            f"{framework} is not installed; run: pip install 'cosine-callbacks[{extra}]'",
            name=error.name,
        ) from error
