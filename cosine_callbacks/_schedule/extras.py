"""The one error for a package that is not installed."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def required(package: str, extra: str) -> Iterator[None]:
    """Name the extra to install where the package itself is missing.

    An import that fails inside an installed package raises its own error.

    Raises:
        ModuleNotFoundError: The top-level package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != package.partition(".")[0]:
            raise
        raise ModuleNotFoundError(
            f"{package} is not installed; run: pip install 'cosine-callbacks[{extra}]'",
            name=error.name,
        ) from error
