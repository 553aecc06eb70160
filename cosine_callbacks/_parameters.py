"""Where pickles made before the folder `_schedule` find their classes."""

from cosine_callbacks._schedule.cycles import Cycles

__all__ = ["Cycles"]
