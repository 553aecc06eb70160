"""The rates of one torch optimizer's param groups: bases, floors, and writing them in place."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from torch import Tensor, fill_

from cosine_callbacks._schedule.validation import real
from cosine_callbacks.formula import mix, peak_through, weight

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cosine_callbacks._schedule.parameters import Cycles, Parameters


# Between two steps of a training everything of ours has left the processor's caches, and to fetch
# the formula costs more than to use it: it is fetched once for this many positions.
AHEAD = 64


def floors_under(
    bases: list[float], parameters: Parameters, index: int, saved: Sequence[float] = ()
) -> list[float]:
    """Return the floor of each group of the optimizer with this index.

    Args:
        bases: The groups' peak rates.
        parameters: Of the curve.
        index: Index of the optimizer in `trainer.optimizers`.
        saved: The groups' floors in the run that is resumed.

    Raises:
        ValueError: A base, named by its group, is no rate, or the floor lies above it.
    """
    floors = []
    for k, (base, was) in enumerate(zip_longest(bases, saved[: len(bases)])):
        real(_called(k, index), base, "[0, inf)")
        # Where the resumed run held a group at its rate, `_adopt` had found it below the floor.
        floors.append(base if base == was else _floor(parameters, base, _called(k, index)))
    return floors


def _called(k: int, index: int) -> str:
    return f"the rate of param group {k} of optimizer {index}"


def _floor(parameters: Parameters, base: float, owner: str) -> float:
    # A group at rate 0 is frozen, on purpose: it has no curve and so no floor above it.
    return parameters.floor(base, owner) if base else 0.0


@dataclass(slots=True)
class Curve:
    """The curve of a group, and the rate at which we left it."""

    floor: float
    base: float
    rate: Any = None


class ParamGroups:
    """What we know of one optimizer's groups; the groups themselves are passed in at each call.

    `load_state_dict` replaces an optimizer's groups, so none of them is ever kept here.

    Attributes:
        index: Index of the optimizer in `trainer.optimizers`.
        curves: The curve of each group; neighbours that are alike have one object in common.
        count: Updates this optimizer has done, where we count them ourselves.
        position: The position whose rates were written last, -1 before the first.
    """

    def __init__(
        self,
        index: int,
        parameters: Parameters,
        cycles: Cycles,
        bases: list[float],
        saved_floors: Sequence[float] = (),
    ) -> None:
        """Check every floor, with the errors of `floors_under`."""
        self.index = index
        self.count = 0
        self.position = -1
        self._parameters = parameters
        self._cycles = cycles
        self._weights: list[tuple[float, float]] = []
        self._from = -AHEAD
        floors = floors_under(bases, parameters, index, saved_floors)
        self.curves = [Curve(floor, base) for floor, base in zip(floors, bases, strict=True)]
        # Of each rate that is a tensor torch's count of in-place writes (which has no public name),
        # as we left it.
        self._versions: dict[int, int] = {}

    def take_over(self, groups: list[dict[str, Any]]) -> None:
        """Note the base in each group as torch's schedulers do; their present rates are ours."""
        for k, (group, curve) in enumerate(zip(groups, self.curves, strict=True)):
            group["initial_lr"] = curve.base
            self._note(k, group)
        self.share()

    def share(self) -> None:
        """Let neighbours with the same curve and rate have one in common: `write` blends it once.

        Two such rows, with another group between them, must not: `write` looks at the curve before
        alone, and would take the second row's rates for an owner's.
        """
        shared: list[Curve] = []
        for k, curve in enumerate(self.curves):
            tensors = {k - 1, k} & self._versions.keys()
            alike = k and not tensors and curve == shared[-1]
            shared.append(shared[-1] if alike else curve)
        self.curves[:] = shared

    def write(self, groups: list[dict[str, Any]], at: int) -> None:
        """Write the rates of position `at` into the groups."""
        curves, versions = self.curves, self._versions
        if len(groups) != len(curves):
            self._resize(len(groups))
        # Before any is written: an owner may have set a group to the tensor of another one, where
        # there is another one.
        if versions and (len(groups) > 1 or curves[0].rate._version != versions[0]):
            self._look(groups)
        i = at - self._from
        if not 0 <= i < AHEAD:
            self._compute_from(at)
            i = 0
        w, on = self._weights[i]
        curve: Any = None
        k = 0
        for group in groups:
            if curves[k] is not curve:
                curve = curves[k]
                left = curve.rate
                rate: Any = mix(curve.floor * on, curve.base, w)
                if versions and k in versions and group["lr"] is left:
                    rate = fill_(left, rate)
                    versions[k] = rate._version
                curve.rate = rate
            if group["lr"] is not left:
                self._write_again(groups, at, k, left)
                return
            group["lr"] = rate
            k += 1  # noqa: SIM113 - to make an enumerate costs one group as much as its blend
        self.position = at

    def _write_again(self, groups: list[dict[str, Any]], at: int, k: int, left: Any) -> None:
        """Write from the start, now that group k, left at another rate, turns out to be set.

        The row that is half written is taken back: `_look` would take our rate for an owner's.
        """
        curve = self.curves[k]
        curve.rate = left
        for written, other in zip(groups[:k], self.curves, strict=False):
            if other is curve:
                written["lr"] = left
        self._look(groups)
        self.write(groups, at)

    def _compute_from(self, at: int) -> None:
        """Compute the weights from position `at` on."""
        cycles = self._cycles
        self._weights = [weight(cycles, e) for e in range(at, at + AHEAD)]
        self._from = at

    def _look(self, groups: list[dict[str, Any]]) -> None:
        """Adopt every group whose rate is not as we left it.

        A tensor is told by its identity and its count of in-place writes: reading its value would
        wait for the device.
        """
        versions, adopted = self._versions, False
        for k, (group, curve) in enumerate(zip(groups, self.curves, strict=True)):
            rate, ours = group["lr"], curve.rate
            if rate is ours and (k not in versions or rate._version == versions[k]):
                continue
            if isinstance(rate, Tensor) or isinstance(ours, Tensor) or rate != ours:
                if not adopted:
                    # `_adopt` may refuse a later group, and no row may then have a gap.
                    self.curves[:] = map(replace, self.curves)
                    adopted = True
                self._adopt(k, group)
            group["lr"] = self.curves[k].rate
        if adopted:
            self.share()

    def _note(self, k: int, group: dict[str, Any]) -> None:
        """Take the rate of a group, whose curve must be its own, for one that we have written."""
        self._versions.pop(k, None)
        if isinstance(group["lr"], Tensor):
            # Often one object for all groups and the caller.
            group["lr"] = group["lr"].detach().clone()
            self._versions[k] = group["lr"]._version
        self.curves[k].rate = group["lr"]

    def _resize(self, length: int) -> None:
        new = max(0, length - len(self.curves))
        self.curves[length:] = [Curve(0.0, 0.0) for _ in range(new)]
        for k in [k for k in self._versions if k >= length]:
            del self._versions[k]  # `write` takes each key for a group that exists

    def _adopt(self, k: int, group: dict[str, Any]) -> None:
        """Take a group that is new, or whose owner has set its rate, at the rate it has now.

        That was its rate at the position written last, so the base follows from the weight there;
        where nothing has been written yet, the rate is the base.
        """
        rate = float(group["lr"])
        w, on = weight(self._cycles, self.position) if self.position >= 0 else (1.0, 1.0)
        base = peak_through(self._parameters, rate, w, on) if rate else rate
        base = base if base and math.isfinite(base) else rate
        if rate > 0 and base < self._parameters.lr_min:
            warnings.warn(
                f"param group {k} of optimizer {self.index} has rate {rate} below the curve's "
                f"lr_min={self._parameters.lr_min} and is held there; give lr_min_ratio= instead",
                stacklevel=2,
            )
            floor = base = rate if on else base
        else:
            floor = _floor(self._parameters, base, _called(k, self.index))
        self.curves[k] = Curve(floor, base)
        group["initial_lr"] = base
        self._note(k, group)
