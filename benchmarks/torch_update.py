"""What does one update of the rates cost? Alone, against the `step()` of torch's own scheduler."""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import torch
from harness import Row, per_call, ratios
from scale import memory_row
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler

from cosine_callbacks import CosineAnnealing
from cosine_callbacks._schedule.cycles import lay_out
from cosine_callbacks._schedule.parameters import Parameters
from cosine_callbacks._trainer.param_groups import ParamGroups

if TYPE_CHECKING:
    from collections.abc import Callable

T_MAX, LR_MIN = 10**6, 1e-5
FLOATS, TENSORS = {1: 0.5, 10: 0.33, 500: 0.25}, {1: 0.2, 10: 0.2, 500: 0.2}
# How far the rates lie apart, what makes each, and by the number of groups the target.
KINDS: dict[str, tuple[float, Any, dict[int, float]]] = {
    "one float rate": (0.0, float, FLOATS),
    "each its float rate": (1 / 1024, float, FLOATS),
    "each its tensor rate": (1 / 1024, torch.tensor, TENSORS),
}
FEW, MANY = 100, 10_000
MOST_MANY = 1.25  # "linear": as much for each group


def optimizer(groups: int, spread: float, made: Callable[[float], Any]) -> SGD:
    """Return an optimizer of that many groups, whose rates lie that far apart."""
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(groups)]
    return SGD([{"params": [w], "lr": made(0.1 + k * spread)} for k, w in enumerate(weights)])


def writing(groups: list[dict[str, Any]], parameters: Parameters) -> Callable[[int], None]:
    """Return what the callback calls to write the rates of a position."""
    rates = [float(group["lr"]) for group in groups]
    driven = ParamGroups(0, parameters, lay_out(parameters), rates)
    driven.start(groups)
    return partial(driven.write, groups)


def ours(groups: list[dict[str, Any]]) -> Callable[[], None]:
    """Return our update, which writes the next position at each call."""
    return partial(next, map(writing(groups, Parameters(t_max=T_MAX, lr_min=LR_MIN)), count()))


def stepping(scheduler: LRScheduler) -> Callable[[], None]:
    """Return the step of a scheduler of torch, which wants to see an update before."""
    scheduler.optimizer.step()
    return scheduler.step


def measure(*, quick: bool) -> list[Row]:
    """Return the cost of an update, with very many groups too, and the growth over a long run."""
    size, against = (1, 1) if quick else (5, 6), "`CosineAnnealingLR.step()`"
    factor = CosineAnnealing(lr_initial=0.1, t_max=T_MAX, lr_min=LR_MIN).factor
    rows = []
    for kind, (spread, made, targets) in KINDS.items():
        for groups, most in targets.items():
            new, loops = partial(optimizer, groups, spread, made), 1 if quick else 1000 // groups
            built_in = per_call(stepping(CosineAnnealingLR(new(), T_MAX, LR_MIN)), loops)
            found = ratios(per_call(ours(new().param_groups), loops), built_in, *size)
            many = f"{groups} group{'s' * (groups > 1)}"
            rows.append(Row(f"one update, {many}, {kind}", against, found, most))
            if kind == "one float rate":  # and what a loop without a trainer does
                found = ratios(per_call(stepping(LambdaLR(new(), factor)), loops), built_in, *size)
                rows.append(Row(f"`LambdaLR` with `schedule.factor`, {many}", against, found))
    # Without their optimizer: torch compares each group that it adds with all others.
    many_groups, few_groups = (
        per_call(ours([{"lr": 0.1} for _ in range(n)]), 1 if quick else 10 * MANY // n)
        for n in (MANY, FEW)
    )
    found = [FEW / MANY * each for each in ratios(many_groups, few_groups, *size)]
    rows.append(Row(f"one update, each of {MANY} groups", f"one of {FEW} groups", found, MOST_MANY))
    endless = Parameters(t_max=10, lr_min=LR_MIN, cycles=None)
    write = writing([{"lr": 0.1}, {"lr": 0.1}], endless)
    return [*rows, memory_row("updates, endless restarts", write, quick=quick)]
