"""Two real processes on the CPU: every rank uses the same, planned rates."""

import json
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.curve import cosines
from tests.programs import run_program

from .parts import CosineAnnealingCallback, Model, fit, pl

BY_UPDATE, BY_EPOCH = {"t_max": 20, "interval": "step"}, {"t_max": 4}
BY_PLAN = {"interval": "step"}
# Samples, epochs, arguments and accumulation of each run of two processes; the planned length, and
# the position of each update. Those that are resumed were begun by one process, for an epoch.
RUNS = {
    "uneven data": (11, 1, BY_PLAN, 2, 3, [0, 1, 2]),
    "epochs": (4, 4, {}, 1, 4, [0, 0, 1, 1, 2, 2, 3, 3]),
    "saved by update": (8, 2, BY_UPDATE, 1, 20, [*range(8)]),
    "saved by epoch": (8, 2, BY_EPOCH, 1, 4, [0] * 4 + [1] * 4),
    "saved by plan": (8, 2, BY_PLAN, 1, 8, [*range(8)]),
    "resumed by update": (8, 2, BY_UPDATE, 1, 20, [8, 9, 10, 11]),
    "resumed by epoch": (8, 2, BY_EPOCH, 1, 4, [1] * 4),
    # 8 updates were done by one process, 2 epochs of 4 are left for two.
    "resumed by plan": (8, 3, BY_PLAN, 1, 16, [*range(8, 16)]),
}


def run(folder, strategy, runs):
    """Return what each of the two ranks recorded in each run; the runs share the processes."""
    program = Path(__file__).with_name("two_processes.py")
    run_program(program, strategy, folder, json.dumps(runs))
    return {
        name: [json.loads((folder / f"{name}.{rank}").read_text()) for rank in range(2)]
        for name in runs
    }


@pytest.mark.parametrize("strategy", ["ddp", pytest.param("ddp_fork", marks=pytest.mark.slow)])
def test_all_ranks_agree(tmp_path, strategy):
    # All in one test: starting two processes takes longer than everything else.
    runs = {}
    for name, (samples, epochs, options, accumulation, *_) in RUNS.items():
        limits = {"max_epochs": epochs, "accumulate_grad_batches": accumulation}
        runs[name] = {"samples": samples, "options": options, "run": limits}
        if name.startswith("saved"):
            runs[name]["save"] = str(tmp_path / f"{name}.ckpt")
        if name.startswith("resumed"):
            runs[name]["from"] = str(tmp_path / f"{name}.ckpt")
            alone = fit(Model(batches=8), CosineAnnealingCallback(**options), max_epochs=1)
            alone.save_checkpoint(runs[name]["from"])
    for name, (first, second) in run(tmp_path, strategy, runs).items():
        *_, planned, positions = RUNS[name]
        assert first == second, name
        assert first["rates"] == cosines(positions, planned), name
    # Begun by two processes, and resumed by one.
    for name, planned, positions, warned in (
        ("saved by update", 20, range(8, 16), nullcontext()),
        ("saved by epoch", 4, [2] * 8, nullcontext()),
        ("saved by plan", 16, range(8, 16), pytest.warns(UserWarning, match="t_max 8 -> 16")),
    ):
        resumed, callback = Model(batches=8), CosineAnnealingCallback(**RUNS[name][2])
        with warned:
            fit(resumed, callback, ckpt_path=tmp_path / f"{name}.ckpt", max_epochs=3)
        assert resumed.rates == cosines(positions, planned), name


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(pl.strategies, "ModelParallelStrategy"), reason="new in 2.4")
def test_sharded_parameters_move_by_the_rates(tmp_path):
    spec = {"samples": 20, "options": BY_PLAN, "run": {"max_epochs": 1}}
    first, second = run(tmp_path, "fully_shard", {"sharded": spec})["sharded"]
    assert first == second
    assert first["rates"] == cosines(range(10), 10)
    assert first["weight"] == pytest.approx(-0.55, rel=6e-7)
