"""Time several calls in turn, and state the cost of one as a fraction of the cost of another."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from statistics import median, quantiles
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Timer = Callable[[], float]
HEAD = "| what | against | target | median | quartiles | met |\n|---|---|---|---|---|---|"


@dataclass(frozen=True)
class Row:
    """One cost, as each round found it."""

    what: str
    against: str
    figures: list[float]
    most: float | None = None  # the target; None where the figure is for information
    unit: str = "x"

    def to_dict(self) -> dict[str, Any]:
        """Return it in JSON types, with the median and whether that is within the target."""
        figure = median(self.figures)
        met = None if self.most is None else figure <= self.most
        return {**asdict(self), "figure": figure, "met": met}

    def to_markdown(self) -> str:
        """Return it as a line of a table."""
        known = self.to_dict()
        target = "" if self.most is None else f"at most {self.most:.3g}"
        low, middle, high = (f"{figure:.3g}" for figure in quantiles(self.figures, n=4))
        verdict = {None: "", True: "yes", False: "**no**"}[known["met"]]
        cells = (self.what, self.against, target, f"{middle} {self.unit}", f"{low} to {high}")
        return f"| {' | '.join((*cells, verdict))} |"


def per_call(call: Callable[[], Any], loops: int) -> Timer:
    """Return a timer of one call, which makes that many of them."""

    def timed() -> float:
        repeats = range(loops)
        start = perf_counter()
        for _ in repeats:
            call()
        return (perf_counter() - start) / loops

    return timed


def lower_quartile(times: Sequence[float]) -> float:
    """Return the time that a quarter of them stay below."""
    return quantiles(times, n=4)[0]


def alternate(
    timers: Sequence[Timer],
    rounds: int,
    passes: int = 1,
    best: Callable[[list[float]], float] = min,
) -> list[list[float]]:
    """Call the timers in turn, in every second pass backwards.

    Returns:
        For each round the best of each timer's passes: others may be using the machine.
    """
    for timer in timers:
        timer()  # caches and compilers warm up
    result = []
    gc.collect()
    gc.disable()
    for _ in range(rounds):
        turns: list[tuple[Timer, list[float]]] = [(timer, []) for timer in timers]
        for i in range(passes):
            for timer, times in turns[:: -1 if i % 2 else 1]:
                times.append(timer())
            gc.collect(0)
        result.append([best(times) for _, times in turns])
    gc.enable()
    return result


def ratios(ours: Timer, theirs: Timer, rounds: int, passes: int) -> list[float]:
    """Return our time as a fraction of theirs, for each round."""
    return [mine / other for mine, other in alternate([ours, theirs], rounds, passes)]


def measured(modules: Iterable[str], backend: str, *, quick: bool) -> list[Row]:
    """Measure one family, in a process of its own: only so Keras can change its backend."""
    os.environ |= {"KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1"}
    # Else two threads meet on one processor or on two by chance, and the same step on jax costs
    # 0.6 to 1.5 of itself. TensorFlow spreads the operations of a step over its threads.
    if backend != "tensorflow" and hasattr(os, "sched_setaffinity"):  # on Linux
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return [row for module in modules for row in import_module(module).measure(quick=quick)]
