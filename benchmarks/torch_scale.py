"""What an update costs with many groups, and what a long run of updates leaves in memory."""

from __future__ import annotations

from harness import Row, alternate, row
from scale import memory_row
from torch_update import LR_MIN, optimizer, ours

from cosine_callbacks._trainer.param_groups import AHEAD, ParamGroups
from cosine_callbacks._schedule.parameters import Parameters

FEW, MANY = 100, 10_000
MOST_MANY = 1.25  # "linear": as much for each group


def measure(*, quick: bool) -> list[Row]:
    """Return the cost of a group among many as a part of one among few, and the growth."""
    # Without their optimizer: torch compares each group that it adds with all others.
    few, many = ([{"lr": 0.1} for _ in range(count)] for count in (FEW, MANY))
    timers = {"few": ours(few, 1 if quick else 1024), "many": ours(many, 1 if quick else AHEAD)}
    rounds = alternate(timers, *((3, 1) if quick else (15, 6)))
    linear = row(
        f"one update, each of {MANY} groups",
        f"each of {FEW}",
        rounds,
        lambda times: times["many"] / MANY / (times["few"] / FEW),
        MOST_MANY,
    )
    parameters = Parameters(lr_initial=None, t_max=10, lr_min=LR_MIN, cycles=None)
    groups = optimizer(2, tensors=False, alike=True).param_groups
    driver = ParamGroups(0, parameters, parameters.layout(), [g["lr"] for g in groups])
    driver.take_over(groups)

    def update(e: int) -> None:
        driver.write(groups, e)

    return [linear, memory_row("updates, endless restarts", update, quick=quick)]
