"""A schedule that an older version pickled is the same schedule."""

import json
import pickle
from pathlib import Path

from cosine_callbacks import CosineAnnealing

SAVED = Path(__file__).parents[1] / "saved_at_d15b331"


def test_an_old_pickle_loads():
    schedule = pickle.loads((SAVED / "schedule.pickle").read_bytes())  # noqa: S301 - our own
    parameters = {"lr_initial": 0.1, "t_max": 20, "lr_min": 0.001, "warmup": 2}
    same = CosineAnnealing(**parameters, cycles=None, t_mult=2)
    assert schedule == same
    assert schedule.__dict__ == same.__dict__ == same.to_dict()
    rates = json.loads((SAVED / "schedules.json").read_text())["schedule.pickle"]
    assert [schedule(e) for e in range(200)] == rates
