"""Time several calls in turn, in one process or several, and tell their costs as ratios."""

from __future__ import annotations

import gc
import os
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from statistics import median, quantiles
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Times = dict[str, float]


@dataclass(frozen=True)
class Row:
    """One cost, as each round found it."""

    what: str
    against: str
    figures: list[float]
    most: float | None = None  # the target; None where the figure is for information
    unit: str = "x"

    @property
    def figure(self) -> float:
        """The median of the rounds."""
        return median(self.figures)

    @property
    def met(self) -> bool | None:
        """Whether the median is within the target."""
        return None if self.most is None else self.figure <= self.most

    def to_dict(self) -> dict[str, Any]:
        """Return it in JSON types."""
        return {**asdict(self), "figure": self.figure, "met": self.met}

    def to_markdown(self) -> str:
        """Return it as a line of a table."""
        target = "" if self.most is None else f"at most {self.most:.3g}"
        verdict = {None: "", True: "yes", False: "**no**"}[self.met]
        low, _, high = quantiles(self.figures, n=4)
        spread = f"{low:.3g} to {high:.3g}"
        cells = (self.what, self.against, target, f"{self.figure:.3g} {self.unit}", spread, verdict)
        return f"| {' | '.join(cells)} |"


HEAD = "| what | against | target | median | quartiles | met |\n|---|---|---|---|---|---|"


def per_call(call: Callable[[], Any], loops: int) -> Callable[[], float]:
    """Return a function that times that many calls and returns the seconds of one."""

    def timed() -> float:
        repeats = range(loops)
        start = perf_counter()
        for _ in repeats:
            call()
        return (perf_counter() - start) / loops

    return timed


def alternate(
    timers: Mapping[str, Callable[[], float]], rounds: int, passes: int = 1
) -> list[Times]:
    """Call the timers in turn, in every second pass backwards.

    Returns:
        For each round each timer's best pass, in seconds: others may be using the machine.
    """
    names = list(timers)
    for name in names:
        timers[name]()  # caches and compilers warm up
    result = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            times: dict[str, list[float]] = {name: [] for name in names}
            for i in range(passes):
                for name in names[:: -1 if i % 2 else 1]:
                    times[name].append(timers[name]())
            result.append({name: min(found) for name, found in times.items()})
            gc.collect(0)
    finally:
        gc.enable()
    return result


def row(  # noqa: PLR0913, PLR0917 - the columns in their order
    what: str,
    against: str,
    rounds: list[Times],
    figure: Callable[[Times], float],
    most: float | None = None,
    unit: str = "x",
) -> Row:
    """Return the row of a figure that each round gives."""
    return Row(what, against, [figure(times) for times in rounds], most, unit)


def together(rows: Iterable[Row]) -> Row:
    """Return the row over the rounds of several processes."""
    first, *others = rows
    return replace(first, figures=first.figures + [f for row in others for f in row.figures])


def measured(modules: Iterable[str], backend: str, *, quick: bool) -> list[Row]:
    """Measure one family, in a process of its own: only so Keras can change its backend."""
    os.environ |= {"KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1"}
    # Else two threads meet on one processor or on two by chance, and the same step on jax costs
    # 0.6 to 1.5 of itself. TensorFlow spreads the operations of a step over its threads.
    if backend != "tensorflow" and hasattr(os, "sched_setaffinity"):  # on Linux
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return [row for module in modules for row in import_module(module).measure(quick=quick)]
