"""The rates of one torch optimizer's param groups: bases, floors, and writing them in place."""

import math
import warnings
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from torch import Tensor

from cosine_callbacks._schedule.cycles import Cycles
from cosine_callbacks._schedule.parameters import Parameters, floor_under
from cosine_callbacks._schedule.validation import NON_NEGATIVE, as_float
from cosine_callbacks.formula import height_at, interpolate_all, peak_through


def group_floors(
    bases: list[float], parameters: Parameters, index: int, saved: Sequence[float] = ()
) -> list[float]:
    """Return the floor of each group of the optimizer with this index.

    Args:
        bases: The groups' peak rates.
        parameters: Of the schedule.
        index: Index of the optimizer in `trainer.optimizers`.
        saved: The groups' floors in the run that is resumed.

    Raises:
        ValueError: A base, named by its group, is no rate, or the floor lies above it.
    """
    floors = []
    for k, (base, was) in enumerate(zip_longest(bases, saved[: len(bases)])):
        as_float(rate_name(k, index), base, NON_NEGATIVE)
        # base == saved floor: `_adopt` held this group below lr_min.
        floors.append(base if base == was else _floor(parameters, base, k, index))
    return floors


def rate_name(k: int, index: int) -> str:
    """Return what a sentence calls the rate of this group."""
    return f"the rate of param group {k} of optimizer {index}"


def configured_rate(group: Mapping[str, Any], name: str) -> float:
    """Return the group's rate before training; some optimizers leave it None or out."""
    rate = group.get("initial_lr", group.get("lr"))
    if rate is None:
        raise ValueError(f"{name} must be a number, got {rate}; give the optimizer an lr")
    return float(rate)


def _floor(parameters: Parameters, base: float, k: int, index: int) -> float:
    # A rate of 0 freezes the group: it has no curve and so no floor above it.
    return floor_under(parameters, base, rate_name(k, index)) if base else 0.0


def version_of(groups: list[dict[str, Any]]) -> int:
    """Return a number that each write in place to one of the groups' weights changes."""
    return sum(weight._version for group in groups for weight in group["params"])


class ParamGroups:
    """The curve of each param group of one optimizer; the groups are passed in at each call.

    `load_state_dict` replaces an optimizer's groups, so none of them is kept here.

    Attributes:
        index: Index of the optimizer in `trainer.optimizers`.
        curves: Floor and peak of each group.
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
        """Check every floor, with the errors of `group_floors`."""
        self.index = index
        floors = group_floors(bases, parameters, index, saved_floors)
        self.curves = [*zip(floors, bases, strict=True)]
        self.count = 0
        self.position = -1
        self._parameters = parameters
        self._cycles = cycles
        # The rates written last. Of a tensor also torch's count of in-place writes, because reading
        # its value would wait for the device.
        self._written: list[Any] = []
        self._versions: dict[int, int] = {}

    def start(self, groups: list[dict[str, Any]]) -> None:
        """Note the base in each group as torch's schedulers do; their present rates are ours."""
        self._written = [None] * len(groups)
        for k, (group, (_, base)) in enumerate(zip(groups, self.curves, strict=True)):
            group["initial_lr"] = base
            self._note(k, group)

    def write(self, groups: list[dict[str, Any]], at: int) -> None:
        """Write the rates of position `at` into the groups."""
        written = self._written
        if self._versions or len(groups) != len(written):
            # Look at all groups before writing any: two may share a tensor.
            self._adopt_changed(groups)
        height, floor_scale = height_at(self._cycles, at)
        new: list[Any] = interpolate_all(self.curves, height, floor_scale)
        for k in self._versions:
            new[k] = written[k].fill_(new[k])
            self._versions[k] = new[k]._version
        for k, group in enumerate(groups):
            if group["lr"] is not written[k]:
                # Its rate may be refused: leave none half of the groups at new rates.
                for begun, rate in zip(groups[:k], written, strict=False):
                    begun["lr"] = rate
                self._adopt_changed(groups)
                self.write(groups, at)
                return
            group["lr"] = new[k]
        self._written, self.position = new, at

    def _adopt_changed(self, groups: list[dict[str, Any]]) -> None:
        """Adopt every group that is new or whose rate is another one than was written."""
        if len(groups) != len(self._written):
            self._resize(len(groups))
        for k, group in enumerate(groups):
            rate, written = group["lr"], self._written[k]
            if isinstance(rate, Tensor) or isinstance(written, Tensor):
                same = rate is written and rate._version == self._versions[k]
            else:
                same = rate is written or rate == written
            if not same:
                self._adopt(k, group)
            group["lr"] = self._written[k]

    def _resize(self, length: int) -> None:
        new = max(0, length - len(self._written))
        self.curves[length:] = [(0.0, 0.0)] * new
        self._written[length:] = [None] * new
        self._versions = {k: count for k, count in self._versions.items() if k < length}

    def _adopt(self, k: int, group: dict[str, Any]) -> None:
        """Take a group that is new, or whose owner has set its rate, at the rate it has now.

        That was its rate at the position written last, so the base follows from the height there;
        where nothing has been written yet, the rate is the base.
        """
        rate = float(group["lr"])
        begun = self.position >= 0
        height, floor_scale = height_at(self._cycles, self.position) if begun else (1.0, 1.0)
        base = peak_through(self._parameters, rate, height, floor_scale) if rate else rate
        base = base if base and math.isfinite(base) else rate
        if rate > 0 and base < self._parameters.lr_min:
            warnings.warn(
                f"param group {k} of optimizer {self.index} has rate {rate} below the curve's "
                f"lr_min={self._parameters.lr_min} and is held there; give lr_min_ratio= instead",
                stacklevel=2,
            )
            base = rate if floor_scale else base
            floor = base
        else:
            floor = _floor(self._parameters, base, k, self.index)
        self.curves[k] = floor, base
        group["initial_lr"] = base
        self._note(k, group)

    def _note(self, k: int, group: dict[str, Any]) -> None:
        """Record the group's rate as one that was written here; clone a tensor first."""
        self._versions.pop(k, None)
        if isinstance(group["lr"], Tensor):
            # One tensor is often shared by all groups and the caller.
            group["lr"] = group["lr"].detach().clone()
            self._versions[k] = group["lr"]._version
        self._written[k] = group["lr"]
