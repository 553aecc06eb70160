"""A training step in Lightning, with our callback, an empty one, the built-in, or none."""

from __future__ import annotations

import gc
import itertools
import logging
import math
import warnings
from functools import partial
from statistics import mean, quantiles
from threading import Semaphore, Thread
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch
from harness import Row, Times, row
from torch.optim.lr_scheduler import CosineAnnealingLR

from cosine_callbacks._trainer.param_groups import AHEAD
from cosine_callbacks.lightning import CosineAnnealingCallback

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T_MAX, LR_MIN = 10**6, 1e-5
# Of the built-in's cost: below it, and for many groups five times cheaper.
MOST = {1: 1.0, 10: 1.0, 500: 1 / 5}
CASES = [(10, True), (500, True), (500, False)]
# Our own part, in units of what any callback in the list costs.
MOST_OWN = 3 / 13
# Steps of a turn: as many as the callback computes ahead at once, so that each turn pays for it.
BLOCK = AHEAD
COPIES = 10
# What Lightning calls on every callback between one `training_step` and the next. What ours did in
# any other hook would not be counted.
HOOKS = (
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
    "on_train_batch_start",
)


class Still(torch.optim.SGD):
    """An optimizer that computes the loss and moves nothing: its work is not what we measure."""

    def step(self, closure: Any = None) -> Any:
        """Compute the loss."""
        return closure()


class Module(pl.LightningModule):
    """A model whose training goes on for some steps whenever it is asked, and times each."""

    def __init__(self, groups: int, *, alike: bool, scheduled: bool) -> None:
        """Take the number of param groups, and whether they are alike and have a scheduler."""
        super().__init__()
        self.spread = 0.0 if alike else 1 / 1024
        self.weights = torch.nn.ParameterList(torch.zeros(1) for _ in range(groups))
        self.scheduled = scheduled
        self.go, self.done = Semaphore(0), Semaphore(0)
        self.began = [0.0] * BLOCK  # its first turn ends in its first step

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """Note the time; after a block of steps let another training have its turn."""
        self.began.append(thread_time())
        if len(self.began) > BLOCK:
            self.done.release()
            self.go.acquire()
            self.began = [thread_time()]
        return self.weights[0].sum()

    def configure_optimizers(self) -> Any:
        """Return the optimizer, with the scheduler if that is wanted."""
        groups = [
            {"params": [weight], "lr": 0.1 + k * self.spread}
            for k, weight in enumerate(self.weights)
        ]
        optimizer = Still(groups)
        if not self.scheduled:
            return optimizer
        scheduler = CosineAnnealingLR(optimizer, T_MAX, LR_MIN)
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]


class Line(pl.Callback):
    """The schedule as a user would write it, for one group that nobody else sets.

    It looks at nothing, but `global_step` alone makes six calls.
    """

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        """Write the rate."""
        rate = LR_MIN + 0.05 * (1 + math.cos(math.pi * trainer.global_step / T_MAX))
        trainer.optimizers[0].param_groups[0]["lr"] = rate


class Clock(pl.Callback):
    """Notes the time at each hook of a step."""

    def __init__(self) -> None:
        """Start without any."""
        self.noted: list[float] = []
        for hook in HOOKS:
            setattr(self, hook, self.note)

    def note(self, *_: Any) -> None:
        """Note it."""
        self.noted.append(perf_counter())


class Training:
    """A fit in a thread of its own, that runs a block of steps at each call and else stands."""

    def __init__(self, module: Module, *callbacks: pl.Callback) -> None:
        """Start, and stand in the first step."""
        self.module = module
        self.trainer = pl.Trainer(
            max_epochs=1,
            callbacks=[*callbacks],
            accelerator="cpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        self.thread = Thread(target=self.trainer.fit, args=(self.module, range(10**9)), daemon=True)
        self.thread.start()
        self.module.done.acquire()

    def block(self) -> list[float]:
        """Return the time of each step of one block."""
        self.module.go.release()
        self.module.done.acquire()
        return [after - before for before, after in itertools.pairwise(self.module.began)]

    def stop(self) -> None:
        """End the fit after its present block."""
        self.trainer.should_stop = True
        self.module.go.release()
        self.thread.join()


class Clocked(Training):
    """A fit that times of each step only what lies between two clocks, with a callback there.

    What we look for is a hundredth of a step, and whole steps scatter by more. What the callback
    costs the rest of the step, by what it drives out of the caches, is left out.
    """

    def __init__(self, module: Module, callback: pl.Callback) -> None:
        """Start, and stand in the first step."""
        self.clocks = Clock(), Clock()
        super().__init__(module, self.clocks[0], callback, self.clocks[1])

    def block(self) -> list[float]:
        """Return the time between the clocks in each step of one block."""
        for clock in self.clocks:
            clock.noted.clear()
        super().block()
        first, second = (clock.noted for clock in self.clocks)
        between = [after - before for before, after in zip(first, second, strict=True)]
        return [sum(step) for step in zip(*[iter(between)] * len(HOOKS), strict=True)]


def alternate(trainings: Mapping[str, list[Training]], rounds: int, passes: int) -> list[Times]:
    """Let the trainings of each name have their blocks in turn, in every second pass backwards.

    Returns:
        For each round the mean of each name's steps of a turn, each the lower quartile of all its
        turns: what we look for is a hundredth of a step, less than the best of two trainings differ
        by, and all of its parts count, also what is done once in a turn.
    """
    names = list(trainings)
    result = []
    gc.collect()
    gc.disable()
    for _ in range(rounds):
        turns: dict[str, list[list[float]]] = {name: [] for name in names}
        for i in range(passes):
            for name in names[:: -1 if i % 2 else 1]:
                turns[name].append(trainings[name][i % len(trainings[name])].block())
        result.append({name: mean(map(quarter, zip(*turns[name], strict=True))) for name in names})
        gc.collect(0)
    gc.enable()
    return result


def our_callback() -> pl.Callback:
    """Return our callback."""
    return CosineAnnealingCallback(t_max=T_MAX, lr_min=LR_MIN, interval="step")


def started(module: Callable[..., Module], copies: int, *, own: bool) -> dict[str, list[Training]]:
    """Return several trainings of each kind, each begun in turn: one stands in better memory."""
    kinds: dict[str, Callable[[], Training]] = {
        "bare": lambda: Training(module(scheduled=False)),
        "empty": lambda: Training(module(scheduled=False), pl.Callback()),
        "ours": lambda: Training(module(scheduled=False), our_callback()),
        "built-in": lambda: Training(module(scheduled=True)),
    }
    if own:
        by_epoch = partial(CosineAnnealingCallback, t_max=T_MAX, lr_min=LR_MIN)
        each = {"empty": pl.Callback, "line": Line, "ours": our_callback, "by epoch": by_epoch}
        for name, made in each.items():
            kinds[f"{name} clocked"] = lambda made=made: Clocked(module(scheduled=False), made())
    names = list(kinds)
    trainings: dict[str, list[Training]] = {name: [] for name in names}
    for i in range(copies):
        turn = i % len(names)
        for name in names[turn:] + names[:turn]:
            trainings[name].append(kinds[name]())
    return trainings


def quarter(times: Sequence[float]) -> float:
    """Return the lower quartile."""
    return quantiles(times, n=4)[0]


def over_empty(times: Times) -> float:
    """Return what our callback adds over an empty one, as a part of what the built-in adds."""
    return (times["ours"] - times["empty"]) / (times["built-in"] - times["bare"])


def over_nothing(times: Times) -> float:
    """Return what our callback adds over none, likewise."""
    return (times["ours"] - times["bare"]) / (times["built-in"] - times["bare"])


def clocked(name: str, times: Times) -> float:
    """Return the time of this callback over that of an empty one, both between two clocks."""
    return times[f"{name} clocked"] - times["empty clocked"]


def own_part(name: str, times: Times) -> float:
    """Return this callback's own time, as a part of what an empty one adds to a whole step.

    That is more than lies between two clocks, the first of which has warmed the caches.
    """
    return clocked(name, times) / (times["empty"] - times["bare"])


def over_line(times: Times) -> float:
    """Return our own time, as a part of that of a callback of one line."""
    return clocked("ours", times) / clocked("line", times)


def case(groups: int, rounds: int, passes: int, *, alike: bool) -> list[Row]:
    """Return what a step costs more, as a part of what the built-in scheduler adds to it.

    With one group also our own part of it.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    module = partial(Module, groups, alike=alike)
    trainings = started(module, min(COPIES, passes), own=groups == 1)
    times = alternate(trainings, rounds, passes)
    for training in itertools.chain(*trainings.values()):
        training.stop()
    kind = "" if alike else ", each its rate"
    what = f"Lightning step, {groups} group{'s' * (groups > 1)}{kind}"
    built_in = "`CosineAnnealingLR` over no scheduler"
    rows = [
        row(f"{what}, over an empty callback", built_in, times, over_empty, MOST[groups]),
        row(f"{what}, over no callback", built_in, times, over_nothing),
    ]
    if groups == 1:
        against = "an empty callback over none"
        own, by_epoch, line = (partial(own_part, name) for name in ("ours", "by epoch", "line"))
        rows += [
            row(f"{what}, our own part", against, times, own, MOST_OWN),
            row(f"{what}, our own part with a rate for each epoch", against, times, by_epoch),
            row(f"{what}, own part of a callback of one line", against, times, line),
            row(f"{what}, our own part", "that of a callback of one line", times, over_line),
        ]
    return rows


def measure(*, quick: bool) -> list[Row]:
    """Return the costs with several groups."""
    size = (2, 2) if quick else (3, COPIES)
    return [row for groups, alike in CASES for row in case(groups, *size, alike=alike)]
