"""The table of right rates, and the error of a driver's rates."""

import importlib
import json
import math
from fractions import Fraction
from pathlib import Path

TABLE = json.loads(Path(__file__).with_name("table.json").read_text())
# These use the formula's doubles; the others train with float32 rates.
DOUBLES = {"formula", "lightning", "pytorch_lightning"}


def drivers(name):
    """Return the drivers of an adapter: label to (train, updates in a unit)."""
    return importlib.import_module(f"{__package__}.drivers.{name}").DRIVERS


def limit(name):
    """Return the largest error allowed for an adapter: in ulps for doubles, else relative."""
    return 8 if name in DOUBLES else 6e-7


def worst_error(name, used, updates, given):
    """Return the worst error of the rates used, in the unit of the limit."""
    right = [Fraction(rate) for rate in given["rates"]]
    assert len(used) == updates * len(right)
    pairs = ((Fraction(rate), right[i // updates]) for i, rate in enumerate(used))
    if name in DOUBLES:
        return max(float(abs(rate - true) / Fraction(math.ulp(true))) for rate, true in pairs)
    return max(float(abs(rate / true - 1)) if true else float(rate != 0) for rate, true in pairs)
