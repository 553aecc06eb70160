"""One update of the rates alone, against `CosineAnnealingLR.step()`."""

from __future__ import annotations

from functools import partial
from math import cos, pi
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch
from harness import Row, Times, alternate, row
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler

from cosine_callbacks._trainer.param_groups import AHEAD, ParamGroups
from cosine_callbacks._schedule.parameters import Parameters
from cosine_callbacks.formula import CosineAnnealing

if TYPE_CHECKING:
    from collections.abc import Callable

T_MAX, LR_MIN = 10**6, 1e-5
# Of the cost of CosineAnnealingLR: four, five and six times cheaper; for tensors eight times.
MOST = {1: 1 / 4, 10: 1 / 5, 500: 1 / 6}
MOST_TENSORS = 1 / 8


def optimizer(groups: int, *, tensors: bool, alike: bool) -> torch.optim.Optimizer:
    """Return an optimizer of that many groups."""
    rates = [0.1 if alike else 0.1 + k / 1024 for k in range(groups)]
    return torch.optim.SGD(
        [
            {
                "params": [torch.nn.Parameter(torch.zeros(1))],
                "lr": torch.tensor(rate) if tensors else rate,
            }
            for rate in rates
        ]
    )


def stepped(scheduler: LRScheduler, updates: int) -> Callable[[], float]:
    """Return a timer of a step of a scheduler of torch, which wants to see an update."""
    scheduler.optimizer.step()

    def timed() -> float:
        start = perf_counter()
        for _ in range(updates):
            scheduler.step()
        return (perf_counter() - start) / updates

    return timed


def built_in(driven: torch.optim.Optimizer, updates: int) -> Callable[[], float]:
    """Return a timer of a step of torch's own scheduler."""
    return stepped(CosineAnnealingLR(driven, T_MAX, LR_MIN), updates)


def ours(groups: list[dict[str, Any]], updates: int) -> Callable[[], float]:
    """Return a timer of what the callback does at an update, over that many of them."""
    parameters = Parameters(lr_initial=None, t_max=T_MAX, lr_min=LR_MIN)
    rates = [float(group["lr"]) for group in groups]
    driver = ParamGroups(0, parameters, parameters.layout(), rates)
    driver.take_over(groups)

    def timed() -> float:
        start = perf_counter()
        for e in range(driver.position + 1, driver.position + 1 + updates):
            driver.write(groups, e)
        return (perf_counter() - start) / updates

    return timed


def loop(groups: list[dict[str, Any]], updates: int) -> Callable[[], float]:
    """Return a timer of a bare loop that notices a rate set by others, for what a target can mean.

    It computes the factor as textbooks do, compares each rate with the one it left, blends peak and
    floor, and stores the result twice.
    """
    peaks = [group["lr"] for group in groups]
    left = list(peaks)

    def timed() -> float:
        start = perf_counter()
        for e in range(updates):
            w = 0.5 * (1 + cos(pi * e / T_MAX))
            for k, group in enumerate(groups):
                if group["lr"] is not left[k]:
                    raise RuntimeError(f"the rate of group {k} was set by another")
                group["lr"] = left[k] = LR_MIN + (peaks[k] - LR_MIN) * w
        return (perf_counter() - start) / updates

    return timed


def by_lambda(driven: torch.optim.Optimizer, updates: int) -> Callable[[], float]:
    """Return a timer of what a loop without a trainer does: `LambdaLR` with our factor."""
    return stepped(
        LambdaLR(driven, CosineAnnealing(lr_initial=0.1, t_max=T_MAX, lr_min=LR_MIN).factor),
        updates,
    )


def part(name: str, times: Times) -> float:
    """Return this cost as a part of the built-in's."""
    return times[name] / times["built-in"]


def measure(*, quick: bool) -> list[Row]:
    """Return the cost of our update as a part of the built-in's."""
    rows = []
    for tensors, alike in ((False, True), (False, False), (True, False)):
        for groups, most in MOST.items():
            made = partial(optimizer, groups, tensors=tensors, alike=alike)
            loops = 1 if quick else max(1, (200 if tensors else 3000) // groups)
            # As often as the callback computes ahead, or the best pass would be one without it.
            whole = -(-loops // AHEAD) * AHEAD
            timers = {
                "built-in": built_in(made(), loops),
                "ours": ours(made().param_groups, whole),
            }
            if not tensors and not alike and groups > 1:
                timers["loop"] = loop(made().param_groups, loops)
            if not tensors and alike:
                timers["lambda"] = by_lambda(made(), loops)
            rounds = alternate(timers, *((3, 1) if quick else (15, 6)))
            kind = f"{'one' if alike else 'each its'} {'tensor' if tensors else 'float'} rate"
            what = f"one update, {groups} group{'s' * (groups > 1)}, {kind}"
            against = "`CosineAnnealingLR.step()`"
            target = MOST_TENSORS if tensors else most
            rows.append(row(what, against, rounds, partial(part, "ours"), target))
            if "lambda" in timers:
                name = f"`LambdaLR` with `schedule.factor`, {groups} group{'s' * (groups > 1)}"
                rows.append(row(name, against, rounds, partial(part, "lambda")))
            if "loop" in timers:
                rows.append(row(f"{what}, a bare loop", against, rounds, partial(part, "loop")))
    return rows
