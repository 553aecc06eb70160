"""The planned curves of a run, as a config and flags describe them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Self, cast

from cosine_callbacks._command.config import plan_run, read_config
from cosine_callbacks._schedule import parameters, validation
from cosine_callbacks._schedule.cycles import Cycles, lay_out
from cosine_callbacks._schedule.parameters import PARAMETERS, Parameters
from cosine_callbacks._schedule.validation import parse_argument, short_repr
from cosine_callbacks.formula import rate_at

NULLS = "null", "Null", "NULL", "~", ""


@dataclass(eq=False)
class Plan:
    """A curve over the epochs or steps of a run; its parameters have a peak.

    The length and the updates per epoch are None where unknown, the latter 0 where they change.
    `optimizers` is the callback's argument, None where it is the only one of ours.
    """

    parameters: Parameters
    interval: str
    length: int | None
    updates_per_epoch: int | None
    lr_initial_from: str
    configured: bool
    optimizers: Any

    def __post_init__(self) -> None:
        """Lay the curve out."""
        self.peak = cast("float", self.parameters.lr_initial)
        self.floor = parameters.floor_under(self.parameters, self.peak)
        self.cycles: Cycles = lay_out(self.parameters, self.length or 0)
        # The planned rate at a position; a method would cost a call more.
        self.rate = partial(rate_at, self.cycles, self.floor, self.peak)

    def changed(self, **changes: Any) -> Self:
        """Return the plan with other parameters; ValueError if these contradict the rest."""
        return replace(self, parameters=replace(self.parameters, **changes))

    @property
    def units(self) -> dict[str, int]:
        """The lengths that may be given as fractions, in whole units."""
        cycles = self.cycles
        return {"t_max": cycles.first, "warmup": cycles.warmup, "hold": cycles.hold}

    @cached_property
    def until(self) -> int:
        """The position by which everything is seen."""
        return self.length or self.cycles.horizon(endless=self.parameters.cycles is None)

    def title(self, peaks: str) -> str:
        """Return the parameters that are not at their defaults, with the peaks of some curves."""
        start = "" if self.optimizers is None else f"optimizers={self.optimizers}: "
        source = f" from {self.lr_initial_from}" if self.configured else ""
        shown = [f"{start}lr_initial={peaks}{source}"]
        given = parameters.as_dict(self.parameters)
        for text in parameters.non_defaults(self.parameters, given)[1:]:
            name = text.partition("=")[0]
            rounded = name in self.units and isinstance(given[name], float)
            shown.append(f"{text} ({self.units[name]} {self.interval}s)" if rounded else text)
        return f"{', '.join(shown)}; {self.length or ''} {self.interval}s".replace(";  ", "; ")


def make_plans(config: str | None, flags: Mapping[str, Any]) -> list[list[Plan]]:
    """Return the curves of each of our callbacks: one for each peak, of which flags may give many.

    What a flag gives wins over what the config says.
    """
    callbacks, trainer, rates = read_config(config) if config else ([{}], {}, {})
    flagged = {name: None if text in NULLS else text for name, text in flags.items()}
    length_in, updates = plan_run(trainer, flagged.pop("steps_per_epoch", None))
    peaks = [("--lr_initial", peak) for peak in flags.get("lr_initial", []) if peak not in NULLS]
    for each in callbacks:
        if (which := each.get("optimizers")) is not None:
            each["optimizers"] = parse_argument(validation.as_indices, "optimizers", which)
    plans = []
    for arguments in _chosen(callbacks, flagged.pop("optimizers", None)):
        given = arguments | flagged
        optimizers = given.pop("optimizers", None)
        own = None if "lr_initial" in flagged else given.get("lr_initial")
        sources = peaks or [_rate(rates) if own is None else ("the callback's init_args", own)]
        interval = validation.as_interval(given.pop("interval", "epoch"))
        length = length_in(interval)
        for source, given["lr_initial"] in sources:
            made = _parameters(given)
            if length is None and not isinstance(made.t_max, int):
                raise ValueError(
                    "t_max must be an int where the run's length is unknown, got "
                    f"{made.t_max}; give --t_max, or --steps_per_epoch and a config with "
                    "trainer.max_epochs or max_steps"
                )
            which = optimizers if len(callbacks) > 1 else None
            plans.append(Plan(made, interval, length, updates, source, config is not None, which))
    size = len(peaks) or 1
    return [plans[i : i + size] for i in range(0, len(plans), size)]


def _chosen(callbacks: list[dict[str, Any]], wanted: str | None) -> list[dict[str, Any]]:
    """Return those of our callbacks that drive these optimizers, all if none are named."""
    if wanted is None:
        return callbacks
    found = {str(each.get("optimizers")): each for each in callbacks}
    indices = re.findall(r"\d+", wanted)
    if chosen := [found[name] for name in found if re.findall(r"\d+", name) == indices]:
        return chosen
    raise ValueError(f"optimizers must be a callback's, got {wanted}; give {' or '.join(found)}")


def _rate(rates: Mapping[str, Any]) -> tuple[str, float]:
    """Return where the optimizer's rate stands, and the rate."""
    check = PARAMETERS["lr_initial"].check
    found = [(place, parse_argument(check, place, rates[place])) for place in rates]
    if len({rate for _, rate in found}) == 1:
        return found[0]
    shown = " and ".join(f"{place}={rate}" for place, rate in found) or "none"
    raise ValueError(
        "lr_initial must be given where the config has no single rate of the optimizer, got "
        f"{shown}; give --lr_initial"
    )


def _parameters(arguments: Mapping[str, Any]) -> Parameters:
    parsed: dict[str, Any] = {}
    for name, value in arguments.items():
        if (known := PARAMETERS.get(name)) is None:
            raise ValueError(
                f"init_args must hold parameters of the callback, got {short_repr(name)}; give "
                f"{', '.join(PARAMETERS)}, interval or optimizers"
            )
        unset = value is None and known.optional
        parsed[name] = None if unset else parse_argument(known.check, name, value)
    return Parameters(**parsed)
