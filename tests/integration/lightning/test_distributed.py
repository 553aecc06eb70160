"""Two real processes on the CPU: every rank uses the same rates, and the planned number of them."""

import json
import math

import pytest

from tests.integration.lightning.parts import run_program

RUNS = {
    "C7-uneven-data-accumulated": {
        "samples": 11,
        "options": {"interval": "step"},
        "run": {"max_epochs": 1, "accumulate_grad_batches": 2},
        "planned": 3,
    },
    "epochs": {"samples": 4, "options": {}, "run": {"max_epochs": 4}, "planned": 4},
}


@pytest.mark.parametrize("strategy", ["ddp_fork", "ddp"])
@pytest.mark.parametrize("name", RUNS)
def test_all_ranks_agree(tmp_path, strategy, name):
    case = RUNS[name]
    spec = json.dumps({**case, "strategy": strategy, "folder": str(tmp_path)})
    run_program("two_processes.py", spec)
    first, second = (json.loads((tmp_path / f"rank{rank}").read_text()) for rank in range(2))
    assert first == second
    right = [0.05 * (1 + math.cos(math.pi * e / case["planned"])) for e in range(case["planned"])]
    if case["options"]:
        assert first == pytest.approx(right, rel=1e-12)
    else:
        assert first == pytest.approx([lr for lr in right for _ in range(2)], rel=1e-12)
