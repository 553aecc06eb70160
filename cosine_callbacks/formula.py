"""What the schedule means: the formula, its parameters, their validation, and the cycles.

Every adapter imports this module and nothing here knows a framework. The source of the schedule is
SGDR, Loshchilov & Hutter, arXiv:1608.03983, equation (5).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, fields
from functools import lru_cache
from math import inf, pi, sin
from typing import TYPE_CHECKING, Any, ClassVar, Self, overload

from cosine_callbacks._schedule.parameters import Cycles, Parameters
from cosine_callbacks._schedule.validation import number, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from numpy import float64  # noqa: TID251 - for type checkers only, never imported at run time
    from numpy.typing import NDArray  # noqa: TID251 - likewise


HALF_PI = pi / 2


def weight(cycles: Cycles, e: float) -> tuple[float, float]:
    """Return (w, on) for position e, a number: the rate there is `mix(floor * on, peak, w)`.

    Every rate of every adapter comes from here, or for arrays and graph tensors from the same
    steps in `_arrays.weights`. w in [0, 1] is how far the rate stands above the floor;
    `on` is 0 during the warmup, whose rates are parts of the peak alone, and 1 afterwards.
    """
    # The half-angle form: what is left is exact and nothing cancels near the floor. In the first
    # cycle, where most trainings stay, nothing is looked up.
    if cycles.warmup <= e < cycles.first:
        root = sin(HALF_PI * ((cycles.first - e) / cycles.rest))
        return root * root, 1.0
    e = max(0, min(e, cycles.end))
    if e < cycles.warmup:
        start = cycles.warmup_start
        return start + (1.0 - start) * (e / float(cycles.warmup)), 0.0
    i, left, span = cycles.find(e)
    root = sin(HALF_PI * (left / span))
    return root * root * cycles.peak_decay**i, 1.0


def mix(floor: float, peak: float, w: float) -> float:
    """Return the rate that stands the part w above the floor; both ends are exact."""
    # floor + (peak - floor) misses the peak by an ulp, either way, for 1.7 % of all pairs. For any
    # w < 1 the sum is at least half an ulp smaller before it is rounded: never above the peak.
    return peak if w >= 1.0 else floor + (peak - floor) * w


def rate(cycles: Cycles, floor: float, peak: float, e: float) -> float:
    """Return the rate at position e."""
    w, on = weight(cycles, e)
    return mix(floor * on, peak, w)


def peak_through(parameters: Parameters, rate: float, w: float, on: float) -> float:
    """Return the peak from which the curve falls to this rate at this weight, 0 where none does."""
    floor = parameters.lr_min * on
    part = mix((parameters.lr_min_ratio or 0.0) * on, 1.0, w)
    return floor + (rate - floor) / part if part else 0.0


@dataclass(frozen=True, repr=False)
class CosineAnnealing(Parameters):
    """The cosine-annealing learning rate as a value: `schedule(e)` is the rate at position e.

    LR(e) = floor + 1/2 (lr_initial - floor) (1 + cos(pi e / t_max)), e clamped to [0, t_max]; it is
    computed in the equal half-angle form, which keeps the tail exact. e counts finished units,
    epochs or optimizer updates as the caller likes. Both ends are exact; after the last cycle the
    floor holds for ever. Source: SGDR, Loshchilov & Hutter, arXiv:1608.03983.

    Args:
        lr_initial: Peak rate, > 0.
        t_max: Position at which the rate has reached the floor, warmup included; with several
            cycles the length of the first. int in [1, 2**63 - 1].
        lr_min: The floor as a rate, in [0, lr_initial].
        lr_min_ratio: The floor as a part of lr_initial, in [0, 1]; instead of lr_min.
        warmup: Length of the linear warmup: an int in units, a float in (0, 1) as a part of the
            first cycle, rounded to the nearest unit. At least one unit is left for the cosine.
        warmup_start_ratio: Rate at e=0 as a part of lr_initial, in [0, 1]; may lie below the floor.
            None is 1 / (warmup + 1), so that no unit is spent at rate 0.
        cycles: Number of cosine cycles (warm restarts), int >= 1; None restarts for ever.
        t_mult: Each cycle is this many times as long as the one before, int >= 1.
        peak_decay: Cycle i starts at floor + (lr_initial - floor) * peak_decay**i, in (0, 1].

    Raises:
        TypeError: An argument is not a number (bool, str, None where a number is needed, list).
        ValueError: An argument is out of its range, not finite, or contradicts another one.

    Cycles that would end beyond 2**63 - 1 are left out.

    Examples:
        >>> schedule = CosineAnnealing(0.1, 10, 0.001)
        >>> schedule(0), round(schedule(5), 12), schedule(10), schedule(99)
        (0.1, 0.0505, 0.001, 0.001)
        >>> CosineAnnealing(0.1, 10, cycles=2)
        CosineAnnealing(lr_initial=0.1, t_max=10, cycles=2)
    """

    # Without a trainer, these two must be given. A bare `field()` would pass for a default in the
    # documentation.
    lr_initial: float = field(kw_only=False)
    t_max: int = field(kw_only=False)
    # No field: it follows from them. An attribute of the object is found faster than a property.
    _floor_and_cycles: ClassVar[tuple[float, Cycles]]

    def __post_init__(self) -> None:
        """Validate; without a trainer, t_max must be an int."""
        object.__setattr__(self, "t_max", whole("t_max", self.t_max))
        super().__post_init__()
        made = self.floor(self.lr_initial), self.layout()
        object.__setattr__(self, "_floor_and_cycles", made)

    @overload
    def __call__(self, e: float) -> float: ...
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
        if type(e) is not int:  # the kind that loops count in needs no check
            np = sys.modules.get("numpy")
            if np is not None and isinstance(e, np.ndarray) and e.ndim:
                return self._rates(np.asarray(e), np)
            e = number("e", e)
            if e != e:  # noqa: PLR0124 - math.isnan overflows on large ints
                raise ValueError(
                    "e must be a position, got nan; give the finished epochs or updates"
                )
            self._refuse_endless(e == inf)
        floor, cycles = self._floor_and_cycles
        w, on = weight(cycles, e)
        return mix(floor * on, self.lr_initial, w)

    def _rates(self, e: Any, np: Any) -> Any:
        from cosine_callbacks._schedule import arrays as _arrays  # noqa: PLC0415 - numbers need none of it

        e = _arrays.positions(e, np)
        self._refuse_endless(e.dtype.kind == "f" and (e == inf).any())
        floor, cycles = self._floor_and_cycles
        return _arrays.rates(cycles, floor, self.lr_initial, e, np)

    def _refuse_endless(self, endless: bool) -> None:  # noqa: FBT001 - it is all that it is told
        if endless and self.cycles is None:
            raise ValueError("e must be finite with cycles=None, got inf; give a number of cycles")

    @overload
    def factor(self, e: float) -> float: ...
    @overload
    def factor(self, e: NDArray[Any]) -> NDArray[float64]: ...
    def factor(self, e: Any) -> Any:
        """Return `self(e) / lr_initial`, floor included: for `LambdaLR`, optax and the like.

        Args:
            e: As in `__call__`, and with the same errors.

        Examples:
            >>> CosineAnnealing(0.1, 10).factor(0)
            1.0
        """
        return self(e) / self.lr_initial

    def plot(self, ax: Axes | None = None, until: int | None = None) -> Axes:
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
        from cosine_callbacks._schedule import plot as _plot  # noqa: PLC0415 - the core draws nothing

        cycles = self._floor_and_cycles[1]
        if until is None:
            until = cycles.horizon(endless=self.cycles is None)
        else:
            until = whole("until", until)
        return _plot.draw(self, cycles, until, ax)

    def to_dict(self) -> dict[str, int | float | None]:
        """Return the constructor's arguments as given, in plain JSON types."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_dict(cls, parameters: Mapping[str, Any]) -> Self:
        """Return the schedule of `to_dict`; missing optional keys take their defaults.

        Raises:
            TypeError: A key is unknown or required and missing, or a value is of a wrong kind.
            ValueError: As in the constructor.
        """
        return cls(**parameters)


# Of plain numbers alone: True would be the same key as 1, and an array has no hash.
_known = lru_cache(CosineAnnealing)


@overload
def cosine_annealing(e: float, *, lr_initial: float, lr_min: float = 0.0, t_max: int) -> float: ...
@overload
def cosine_annealing(
    e: NDArray[Any], *, lr_initial: float, lr_min: float = 0.0, t_max: int
) -> NDArray[float64]: ...
def cosine_annealing(e: Any, *, lr_initial: float, lr_min: float = 0.0, t_max: int) -> Any:
    """Return LR_min + 1/2 (LR_initial - LR_min) (1 + cos(pi e / T_max)), e clamped to [0, T_max].

    Args:
        e: 0-based position, in the unit of t_max: a number, or an integer or float NumPy array.
        lr_initial: Rate at e = 0, > 0.
        lr_min: Rate at e = t_max and after, in [0, lr_initial].
        t_max: Position at which lr_min is reached, int in [1, 2**63 - 1].

    Returns:
        A float for a number; a float64 array of e's shape for an array, nan where e is nan.

    Raises:
        TypeError: An argument is not a number.
        ValueError: An argument is out of its range, or a number e is nan.

    Source: SGDR, Loshchilov & Hutter, arXiv:1608.03983, equation (5).

    Examples:
        >>> round(cosine_annealing(5, lr_initial=0.1, lr_min=0.001, t_max=10), 12)
        0.0505
    """
    usual = type(lr_initial) is type(lr_min) is float and type(t_max) is int
    return (_known if usual else CosineAnnealing)(lr_initial, t_max, lr_min)(e)
