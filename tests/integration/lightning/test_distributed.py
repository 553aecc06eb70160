"""Two real processes on the CPU: every rank uses the same, planned rates."""

import json
import math

import pytest

from tests.integration.lightning.parts import CosineAnnealingCallback, Model, fit, run_program

BY_STEP = {"t_max": 20, "interval": "step"}
BY_EPOCH = {"t_max": 4}
BY_PLAN = {"interval": "step"}
RUNS = {
    "uneven-data-accumulated": {
        "samples": 11,
        "options": {"interval": "step"},
        "run": {"max_epochs": 1, "accumulate_grad_batches": 2},
    },
    "epochs": {"samples": 4, "options": {}, "run": {"max_epochs": 4}},
    "saved-by-step": {"samples": 8, "options": BY_STEP, "run": {"max_epochs": 2}},
    "saved-by-epoch": {"samples": 8, "options": BY_EPOCH, "run": {"max_epochs": 2}},
    "saved-by-plan": {"samples": 8, "options": BY_PLAN, "run": {"max_epochs": 2}},
    "resumed-by-step": {"samples": 8, "options": BY_STEP, "run": {"max_epochs": 2}},
    "resumed-by-epoch": {"samples": 8, "options": BY_EPOCH, "run": {"max_epochs": 2}},
    "resumed-by-plan": {"samples": 8, "options": BY_PLAN, "run": {"max_epochs": 3}},
}
# For each run: the planned length, and the position of each update.
RIGHT = {
    "uneven-data-accumulated": (3, [0, 1, 2]),
    "epochs": (4, [0, 0, 1, 1, 2, 2, 3, 3]),
    "saved-by-step": (20, [*range(8)]),
    "saved-by-epoch": (4, [0] * 4 + [1] * 4),
    "saved-by-plan": (8, [*range(8)]),
    "resumed-by-step": (20, [8, 9, 10, 11]),
    "resumed-by-epoch": (4, [1] * 4),
    # 8 updates were done by one process, 2 epochs of 4 are left for two.
    "resumed-by-plan": (16, [*range(8, 16)]),
}


def curve(planned, positions):
    rates = [0.05 * (1 + math.cos(math.pi * e / planned)) for e in positions]
    return pytest.approx(rates, rel=1e-12)


def run(folder, strategy, runs):
    """Return what each of the two ranks recorded in each run; the runs share the processes."""
    run_program("two_processes.py", strategy, str(folder), json.dumps(runs))
    return {
        name: [json.loads((folder / f"{name}.{rank}").read_text()) for rank in range(2)]
        for name in runs
    }


@pytest.mark.parametrize("strategy", ["ddp", pytest.param("ddp_fork", marks=pytest.mark.slow)])
def test_all_ranks_agree(tmp_path, strategy):
    # All in one test: starting two processes takes longer than everything else.
    runs = {}
    for name, spec in RUNS.items():
        kind, _, interval = name.partition("-by-")
        paths = {}
        if kind == "saved":
            paths["save"] = str(tmp_path / f"two-{interval}.ckpt")
        if kind == "resumed":
            paths["from"] = str(tmp_path / f"one-{interval}.ckpt")
            alone = fit(Model(batches=8), CosineAnnealingCallback(**spec["options"]), max_epochs=1)
            alone.save_checkpoint(paths["from"])
        runs[name] = {**spec, **paths}
    for name, (first, second) in run(tmp_path, strategy, runs).items():
        assert first == second, name
        assert first["rates"] == curve(*RIGHT[name]), name
    saved_by_two = [("step", BY_STEP, 20, range(8, 16)), ("epoch", BY_EPOCH, 4, [2] * 8)]
    for interval, options, planned, positions in saved_by_two:
        resumed, callback = Model(batches=8), CosineAnnealingCallback(**options)
        fit(resumed, callback, ckpt_path=tmp_path / f"two-{interval}.ckpt", max_epochs=3)
        assert resumed.rates == curve(planned, positions)
    resumed, callback = Model(batches=8), CosineAnnealingCallback(**BY_PLAN)
    with pytest.warns(UserWarning, match="t_max 8 -> 16"):
        fit(resumed, callback, ckpt_path=tmp_path / "two-plan.ckpt", max_epochs=3)
    assert resumed.rates == curve(16, range(8, 16))


@pytest.mark.slow
def test_sharded_parameters_move_by_the_rates(tmp_path):
    spec = {"samples": 20, "options": {"interval": "step"}, "run": {"max_epochs": 1}}
    first, second = run(tmp_path, "fully_shard", {"sharded": spec})["sharded"]
    assert first == second
    assert first["rates"] == curve(10, range(10))
    assert first["weight"] == pytest.approx(-0.55, rel=6e-7)
