"""What the schedule means: the formula, and `CosineAnnealing`, the schedule as a value.

    LR(e) = floor + 1/2 (peak - floor) (1 + cos(pi e / t_max)),    e clamped to [0, t_max]

Every adapter takes its rates from here, and nothing here knows a framework. Source: SGDR,
Loshchilov & Hutter, arXiv:1608.03983, equation (5).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import lru_cache
from math import pi, sin
from typing import TYPE_CHECKING, Any, Self, cast, overload

from cosine_callbacks._schedule.cycles import Cycles, lay_out
from cosine_callbacks._schedule.keywords import explain_unknown_arguments
from cosine_callbacks._schedule.parameters import (
    GivenParameters,
    Parameters,
    ParametersDict,
    as_dict,
    floor_under,
)
from cosine_callbacks._schedule.validation import as_int, as_number, as_position

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.axes import Axes
    from numpy import float64, floating, integer  # noqa: TID251 - for type checkers only
    from numpy.typing import NDArray  # noqa: TID251 - likewise

    Number = float | integer[Any] | floating[Any]

HALF_PI = pi / 2


def height_at(cycles: Cycles, e: float) -> tuple[float, float]:
    """Return how high the rate stands between floor (0) and peak (1) at position e, a number >= 0.

    The second result scales the floor: 0 in the warmup, whose rates are fractions of the peak, and
    1 after it. `_schedule.arrays.heights` is the same for arrays and tensors.
    """
    if e < cycles.warmup:
        start = cycles.warmup_start
        return start + (1.0 - start) * (e / float(cycles.warmup)), 0.0
    left, span, top = cycles.find(e)
    # 1/2 (1 + cos(x)) = sin((pi - x) / 2)**2: `left` is exact, and nothing cancels near the floor.
    root = sin(HALF_PI * (left / span))
    return root * root * top, 1.0


def interpolate(floor: float, peak: float, height: float) -> float:
    """Return the rate at this height between floor and peak; both ends are exact."""
    # floor + (peak - floor) misses 1.7 % of all peaks by an ulp; no other sum exceeds the peak.
    return peak if height >= 1.0 else floor + (peak - floor) * height


def interpolate_all(
    curves: Iterable[tuple[float, float]], height: float, floor_scale: float
) -> list[float]:
    """Return the rate of each curve, a floor and a peak; a call for each would cost double."""
    if height >= 1.0:
        return [peak for _, peak in curves]
    if not floor_scale:
        return [peak * height for _, peak in curves]
    return [floor + (peak - floor) * height for floor, peak in curves]


def rate_at(cycles: Cycles, floor: float, peak: float, e: float) -> float:
    """Return the rate at position e, any number."""
    height, floor_scale = height_at(cycles, e if e > 0 else 0)  # noqa: FURB136 - max() is slower
    return interpolate(floor * floor_scale, peak, height)


def peak_through(parameters: Parameters, rate: float, height: float, floor_scale: float) -> float:
    """Return the peak of the curve that has this rate at this height, 0 if there is none."""
    floor = parameters.lr_min * floor_scale
    fraction = interpolate((parameters.lr_min_ratio or 0.0) * floor_scale, 1.0, height)
    return floor + (rate - floor) / fraction if fraction else 0.0


@explain_unknown_arguments
@dataclass(frozen=True, kw_only=True, repr=False)
class CosineAnnealing(Parameters):
    """The cosine-annealing learning rate as a value: `schedule(e)` is the rate at position e.

    LR(e) = floor + 1/2 (lr_initial - floor) (1 + cos(pi e / t_max)) for e finished epochs or
    updates, clamped to [0, t_max]. Both ends are exact. Source: SGDR, arXiv:1608.03983.

    Args:
        lr_initial: Peak rate, > 0.
        t_max: Position at which the rate has reached the floor, warmup included; with several
            cycles the length of the first. int in [1, 2**63 - 1].
        lr_min: The floor as a rate, in [0, lr_initial].
        lr_min_ratio: The floor as a fraction of lr_initial, in [0, 1]; instead of lr_min.
        warmup: Length of the linear warmup: an int in units, a float in (0, 1) as a fraction of
            the first cycle, rounded to the nearest unit.
        hold: Length of the constant rate lr_initial between the warmup and the cosine, likewise;
            at least one unit is left for the cosine.
        warmup_start_ratio: Rate at e=0 as a fraction of lr_initial, in [0, 1]; may lie below the
            floor. None is 1 / (warmup + 1), so that no unit is spent at rate 0.
        cycles: Number of cosine cycles (warm restarts), int >= 1; None restarts for ever. Cycles
            that would end beyond 2**63 - 1 are left out.
        t_mult: Each cycle is this many times as long as the one before, int >= 1.
        peak_decay: Cycle i starts at floor + (lr_initial - floor) * peak_decay**i, in (0, 1].

    Raises:
        TypeError: An argument is not a number (bool, str, None where a number is needed, list).
        ValueError: An argument is out of range, not finite, or contradicts another one.

    Examples:
        >>> schedule = CosineAnnealing(lr_initial=0.1, t_max=10, lr_min=0.001)
        >>> rates = [schedule(e) for e in (0, 5, 10, 99)]
        >>> [round(rate, 12) for rate in rates]
        [0.1, 0.0505, 0.001, 0.001]
    """

    # Without a trainer these two must be given.
    lr_initial: float = field()
    t_max: int = field()

    def __post_init__(self) -> None:
        """Check the arguments: lr_initial is required, and t_max must be an int."""
        as_number("lr_initial", self.lr_initial)
        object.__setattr__(self, "t_max", as_int("t_max", self.t_max))
        super().__post_init__()

    @overload
    def __call__(self, e: Number) -> float: ...
    @overload
    def __call__(self, e: NDArray[Any]) -> NDArray[float64]: ...
    def __call__(self, e: Any) -> Any:
        """Return the rate at position e.

        Args:
            e: Position, clamped to [0, the end of the last cycle]. A number gives a float; an
                integer or float array gives a float64 array of its shape, in which nan stays nan.

        Raises:
            TypeError: e is not a number, or an array of another kind.
            ValueError: e is nan, or infinite with cycles=None.
        """
        floor, cycles = _floor_and_cycles(self)
        if type(e) is not int:  # fast path: a plain int needs no validation
            np = sys.modules.get("numpy")
            if np is not None and isinstance(e, np.ndarray) and e.ndim:
                from cosine_callbacks._schedule import arrays  # noqa: PLC0415 - for arrays only

                e = arrays.positions(np.asarray(e), np, endless=self.cycles is None)
                return arrays.rates(cycles, floor, self.lr_initial, e, np)
            e = as_position(e, endless=self.cycles is None)
        return rate_at(cycles, floor, self.lr_initial, e)

    @overload
    def factor(self, e: Number) -> float: ...
    @overload
    def factor(self, e: NDArray[Any]) -> NDArray[float64]: ...
    def factor(self, e: Any) -> Any:
        """Return `self(e) / lr_initial`, floor included: for `LambdaLR` and the like.

        Args:
            e: As in `__call__`, with its errors; a compiled JAX function needs a table of factors.

        Examples:
            >>> CosineAnnealing(lr_initial=0.1, t_max=10).factor(0)
            1.0
        """
        return self(e) / self.lr_initial

    def plot(self, *, ax: Axes | None = None, until: int | None = None) -> Axes:
        """Draw the rate over its positions with matplotlib, and return the Axes.

        Args:
            ax: Where to draw; None makes a new figure.
            until: Last position drawn, an int >= 1; None is a little beyond the end of the last
                cycle, or with cycles=None the end of the third.

        Raises:
            ModuleNotFoundError: matplotlib, the extra `plot`, is not installed.
            TypeError: until is not a number.
            ValueError: until is out of its range.
        """
        from cosine_callbacks._schedule import plot  # noqa: PLC0415 - the core draws nothing

        _, cycles = _floor_and_cycles(self)
        horizon = cycles.horizon(endless=self.cycles is None)
        until = horizon if until is None else as_int("until", until)
        return plot.draw(self, cycles, until, ax)

    def to_dict(self) -> ParametersDict:
        """Return the constructor's arguments as given, in plain JSON types."""
        return cast("ParametersDict", as_dict(self))

    @classmethod
    def from_dict(cls, parameters: ParametersDict | GivenParameters) -> Self:
        """Return the schedule of `to_dict`; missing optional keys take their defaults.

        Raises:
            TypeError: A key is unknown or required and missing, or a value is of a wrong kind.
            ValueError: As in the constructor.
        """
        return cls(**cast("ParametersDict", parameters))


@lru_cache
def _floor_and_cycles(schedule: CosineAnnealing) -> tuple[float, Cycles]:
    # Not an attribute: LambdaLR saves and restores a schedule by its `__dict__`.
    return floor_under(schedule, schedule.lr_initial), lay_out(schedule)


@lru_cache
def _cycles_of(lr_initial: float, lr_min: float, t_max: int) -> Cycles:
    return lay_out(CosineAnnealing(lr_initial=lr_initial, t_max=t_max, lr_min=lr_min))


@overload
def cosine_annealing(e: Number, *, lr_initial: float, lr_min: float = 0.0, t_max: int) -> float: ...
@overload
def cosine_annealing(
    e: NDArray[Any], *, lr_initial: float, lr_min: float = 0.0, t_max: int
) -> NDArray[float64]: ...
def cosine_annealing(e: Any, *, lr_initial: float, lr_min: float = 0.0, t_max: int) -> Any:
    """Return lr_min + 1/2 (lr_initial - lr_min) (1 + cos(pi e / t_max)), e clamped to [0, t_max].

    Source: SGDR, Loshchilov & Hutter, arXiv:1608.03983, equation (5).

    Args:
        e: Position in the unit of t_max: a number, or an integer or float NumPy array.
        lr_initial: Rate at e = 0, > 0.
        lr_min: Rate at e = t_max and after, in [0, lr_initial].
        t_max: Position at which lr_min is reached, int in [1, 2**63 - 1].

    Returns:
        A float for a number; a float64 array of e's shape for an array, nan where e is nan.

    Raises:
        TypeError: An argument is not a number.
        ValueError: An argument is out of range, or a number e is nan.

    Examples:
        >>> round(cosine_annealing(5, lr_initial=0.1, lr_min=0.001, t_max=10), 12)
        0.0505
    """
    # Cache plain numbers only: True and 1 are one key, and arrays are unhashable.
    if type(e) is type(t_max) is int and type(lr_initial) is type(lr_min) is float:
        return rate_at(_cycles_of(lr_initial, lr_min, t_max), lr_min, lr_initial, e)
    return CosineAnnealing(lr_initial=lr_initial, t_max=t_max, lr_min=lr_min)(e)
