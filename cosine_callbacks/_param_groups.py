"""The rates of one torch optimizer's param groups: bases, floors, and writing them in place."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

from torch import Tensor

from cosine_callbacks.formula import mix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cosine_callbacks._parameters import Parameters


class ParamGroups:
    """What we know of one optimizer's groups; the groups themselves are passed in at each call.

    `load_state_dict` replaces an optimizer's groups, so none of them is ever kept here.

    Attributes:
        index: Index of the optimizer in `trainer.optimizers`.
        bases: The peak rate of each group.
        floors: The floor of each group.
        count: Updates this optimizer has done, where we count them ourselves.
        position: The position whose rates were written last.
    """

    def __init__(
        self,
        index: int,
        parameters: Parameters,
        bases: list[float],
        saved_floors: Sequence[float] = (),
        count: int = 0,
    ) -> None:
        """Check every floor; ValueError naming the group if one lies above its base."""
        self.index = index
        self.bases = bases
        self.count = count
        self.position = -1
        self._parameters = parameters
        # Where the resumed run held a group at its rate, `_adopt` had found it below the floor.
        held = [base == floor for base, floor in zip(bases, saved_floors, strict=False)]
        held += [False] * (len(bases) - len(held))
        self.floors = [
            base
            if held[k]
            else self._floor(base, f"the rate of param group {k} of optimizer {index}")
            for k, base in enumerate(bases)
        ]
        self._weight = (1.0, 1.0)
        self._written: list[Any] = []  # what `_mark` said of each rate after our last write

    def _floor(self, base: float, owner: str) -> float:
        # A group at rate 0 is frozen, on purpose: it has no curve and so no floor above it.
        return self._parameters.floor(base, owner) if base else 0.0

    def take_over(self, groups: list[dict[str, Any]]) -> None:
        """Note the base in each group as torch's schedulers do; whatever the rates are now is ours.

        A rate that is a tensor is often one object for all groups and the caller: clone it.
        """
        self._written = []
        for group, base in zip(groups, self.bases, strict=True):
            group["initial_lr"] = base
            if isinstance(group["lr"], Tensor):
                group["lr"] = group["lr"].detach().clone()
            self._written.append(_mark(group["lr"]))

    def write(self, groups: list[dict[str, Any]], weight: tuple[float, float], at: int) -> None:
        """Write the rates of this weight, which stands for position `at`, into the groups."""
        w, on = weight
        if len(groups) != len(self.bases):
            self._resize(len(groups))
        for k, group in enumerate(groups):
            if _mark(group["lr"]) != self._written[k]:
                self._adopt(k, group)
        # Only now: an owner may have set a group to the tensor of another one.
        for k, group in enumerate(groups):
            rate = mix(self.floors[k] * on, self.bases[k], w)
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
            self._written[k] = _mark(group["lr"])
        self._weight = weight
        self.position = at

    def _resize(self, length: int) -> None:
        new = max(0, length - len(self.bases))
        self.bases[length:] = self.floors[length:] = [0.0] * new
        self._written[length:] = [None] * new

    def _adopt(self, k: int, group: dict[str, Any]) -> None:
        """Take a group that is new, or whose owner has set its rate, at the rate it has now.

        That was its rate at the position written last, so the base follows from the weight there.
        """
        if isinstance(group["lr"], Tensor):
            group["lr"] = group["lr"].detach().clone()
        rate = float(group["lr"])
        w, on = self._weight
        low = self._parameters.lr_min * on
        factor = mix((self._parameters.lr_min_ratio or 0.0) * on, 1.0, w)
        base = low + (rate - low) / factor if rate and factor else rate
        base = base if math.isfinite(base) else rate
        if rate > 0 and base < self._parameters.lr_min:
            warnings.warn(
                f"param group {k} of optimizer {self.index} has rate {rate} below the curve's "
                f"lr_min={self._parameters.lr_min} and is held there; give lr_min_ratio= instead",
                stacklevel=2,
            )
            base = rate if on else base
            self.floors[k] = base
        else:
            self.floors[k] = self._floor(base, "its rate")
        self.bases[k] = group["initial_lr"] = base


def _mark(rate: Any) -> Any:
    """Return what tells a rate that we wrote from one that somebody wrote since.

    A tensor is told by its identity and its count of in-place writes: reading its value would wait
    for the device.
    """
    return (id(rate), rate._version) if isinstance(rate, Tensor) else rate  # noqa: SLF001
