"""The textbook cosine in doubles; for the tail of a long curve `truth.py` is more accurate."""

import math


def cosine(e, t_max, base=0.1, floor=0.0):
    return floor + (base - floor) / 2 * (1 + math.cos(math.pi * min(e, t_max) / t_max))
