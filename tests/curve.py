"""The textbook cosine in doubles; for the tail of a long curve `truth.py` is more accurate."""

import math

import pytest


def cosine(e, t_max, base=0.1, floor=0.0):
    return floor + (base - floor) / 2 * (1 + math.cos(math.pi * min(e, t_max) / t_max))


def cosines(positions, *curve):
    """The rates at several positions of a curve, to compare with."""
    return pytest.approx([cosine(e, *curve) for e in positions], rel=1e-12, abs=1e-17)
