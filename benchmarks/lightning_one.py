"""A training step in Lightning with one param group, and our own part of it.

Measured in several processes: by where its objects lie, a callback is dearer in one than in
another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightning_step import COPIES, case

if TYPE_CHECKING:
    from harness import Row


def measure(*, quick: bool) -> list[Row]:
    """Return the costs with one group."""
    return case(1, *((2, 2) if quick else (3, 2 * COPIES)), alike=True)
