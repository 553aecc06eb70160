"""Random Lightning runs and resumes of resumes: each rate is the oracle's."""

import os

import pytest

from .runs import explore, shown

CASES = int(os.environ.get("COSINE_CALLBACKS_RUNS", "20"))


@pytest.mark.parametrize("seed", range(CASES))
def test_a_random_case(seed):
    _, faults = explore(seed)
    assert not faults, shown(faults[0])
