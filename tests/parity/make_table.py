"""Make table.json, the right rates of each parameter set, without using the package.

Run `python -m tests.parity.make_table` from the top of the checkout.

A set holds the parameters as `CosineAnnealing.from_dict` takes them; those that a callback is
given instead (a fraction of the planned run); the position at which training begins; and the rate
at each position from there, to 50 digits. The rates are exact for the parameters as binary
doubles: 0.1 is 0.1000...0055.
"""

import json
from pathlib import Path
from types import SimpleNamespace

from tests.truth import mp, true_rate

TABLE = Path(__file__).with_name("table.json")
OPTIONAL = {
    "lr_min": 0.0,
    "lr_min_ratio": None,
    "warmup": 0,
    "hold": 0,
    "warmup_start_ratio": None,
    "cycles": 1,
    "t_mult": 1,
    "peak_decay": 1.0,
}
FAR = 10**9
SETS = {
    "plain": {"t_max": 10},
    "floor": {"t_max": 10, "lr_min": 0.001},
    "floor as a ratio": {"t_max": 9, "lr_initial": 0.3, "lr_min_ratio": 0.07},
    "constant": {"t_max": 5, "lr_min": 0.1},
    "one unit": {"t_max": 1, "lr_min": 0.01},
    "warmup": {"t_max": 13, "lr_min": 0.001, "warmup": 3},
    "warmup from zero": {"t_max": 13, "warmup": 3, "warmup_start_ratio": 0.0},
    "warmup from a ratio": {"t_max": 12, "lr_min": 0.02, "warmup": 5, "warmup_start_ratio": 0.1},
    "warmup from the peak": {"t_max": 12, "lr_min": 0.02, "warmup": 4, "warmup_start_ratio": 1.0},
    "hold": {"t_max": 12, "lr_min": 0.001, "hold": 4},
    "warmup and hold": {"t_max": 14, "lr_min": 0.02, "warmup": 3, "hold": 0.3},
    "hold and cycles": {"t_max": 5, "hold": 2, "cycles": 3, "t_mult": 2, "peak_decay": 0.5},
    "equal cycles": {"t_max": 5, "lr_min": 1e-5, "cycles": 2},
    "doubled cycles": {"t_max": 3, "cycles": None, "t_mult": 2},
    "tripled cycles": {"t_max": 2, "lr_min": 0.003, "cycles": 2, "t_mult": 3},
    "decayed peaks": {"t_max": 4, "lr_min": 0.01, "cycles": None, "peak_decay": 0.7},
    "fractions": {"t_max": 10, "lr_min": 0.001, "warmup": 0.3, "as_callback": {"t_max": 0.625}},
    "everything": {
        "lr_initial": 3e-4,
        "t_max": 4,
        "lr_min_ratio": 0.03,
        "warmup": 2,
        "warmup_start_ratio": 0.01,
        "cycles": 2,
        "t_mult": 2,
        "peak_decay": 0.6,
    },
    "the first of a billion": {"t_max": FAR},
    "the last of a billion": {"t_max": FAR, "start": FAR - 8},
}


def table(trained=16):
    """Return the parameter sets with their rates."""
    sets = {}
    for name, given in SETS.items():
        parameters = {"lr_initial": 0.1, **given}
        as_callback, start = parameters.pop("as_callback", {}), parameters.pop("start", 0)
        schedule = SimpleNamespace(**{**OPTIONAL, **parameters})
        positions = range(start, start + trained)
        sets[name] = {
            "parameters": parameters,
            "as_callback": as_callback,
            "start": start,
            "rates": [mp.nstr(true_rate(schedule, e), 50) for e in positions],
        }
    return sets


if __name__ == "__main__":
    TABLE.write_text(json.dumps(table(), indent=1) + "\n")
