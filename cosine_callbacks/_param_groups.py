"""The rates of one torch optimizer's param groups: bases, floors, and writing them in place."""

from __future__ import annotations

import math
import warnings
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from torch import Tensor, fill_

from cosine_callbacks._values import real
from cosine_callbacks.formula import mix, peak_through, weight

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cosine_callbacks._parameters import Cycles, Parameters


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


class ParamGroups:
    """What we know of one optimizer's groups; the groups themselves are passed in at each call.

    `load_state_dict` replaces an optimizer's groups, so none of them is ever kept here.

    Attributes:
        index: Index of the optimizer in `trainer.optimizers`.
        curves: The floor and the peak rate of each group.
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
        # Groups with the same curve share the tuple: `write` computes one rate for a row of them.
        shared: dict[tuple[float, float], tuple[float, float]] = {}
        curves = zip(floors, bases, strict=True)
        self.curves = [shared.setdefault(curve, curve) for curve in curves]
        # Each rate as we left it, and of those that are tensors torch's count of in-place writes,
        # which has no public name.
        self._written: list[Any] = []
        self._versions: dict[int, int] = {}

    def take_over(self, groups: list[dict[str, Any]]) -> None:
        """Note the base in each group as torch's schedulers do; their present rates are ours."""
        self._written = [None] * len(groups)
        for k, (group, (_, base)) in enumerate(zip(groups, self.curves, strict=True)):
            group["initial_lr"] = base
            self._note(k, group)

    def write(self, groups: list[dict[str, Any]], at: int) -> None:
        """Write the rates of position `at` into the groups."""
        if len(groups) != len(self.curves):
            self._resize(len(groups))
        curves, written, versions = self.curves, self._written, self._versions
        # Before any is written: an owner may have set a group to the tensor of another one, where
        # there is another one.
        if versions and (len(groups) > 1 or written[0]._version != versions[0]):
            self._look(groups)
        i = at - self._from
        if not 0 <= i < AHEAD:
            self._compute_from(at)
            i = 0
        w, on = self._weights[i]
        curve, rate, k = None, 0.0, 0
        for group in groups:
            if group["lr"] is not written[k]:
                self._look(groups)
            if curves[k] is not curve:
                floor, base = curve = curves[k]
                rate = mix(floor * on, base, w)
            if versions and k in versions:
                versions[k] = fill_(group["lr"], rate)._version
            else:
                group["lr"] = written[k] = rate
            k += 1  # noqa: SIM113 - to make an enumerate costs one group as much as its blend
        self.position = at

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
        written, versions = self._written, self._versions
        for k, group in enumerate(groups):
            rate, ours = group["lr"], written[k]
            if rate is ours and (k not in versions or rate._version == versions[k]):
                continue
            if isinstance(rate, Tensor) or isinstance(ours, Tensor) or rate != ours:
                self._adopt(k, group)
            self._note(k, group)

    def _note(self, k: int, group: dict[str, Any]) -> None:
        """Take the group's present rate for one that we have written."""
        self._versions.pop(k, None)
        if isinstance(group["lr"], Tensor):
            # Often one object for all groups and the caller.
            group["lr"] = group["lr"].detach().clone()
            self._versions[k] = group["lr"]._version
        self._written[k] = group["lr"]

    def _resize(self, length: int) -> None:
        new = max(0, length - len(self.curves))
        self.curves[length:] = [(0.0, 0.0)] * new
        self._written[length:] = [None] * new
        for k in [k for k in self._versions if k >= length]:
            del self._versions[k]  # `write` takes what is left for groups that exist

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
        self.curves[k] = floor, base
        group["initial_lr"] = base
