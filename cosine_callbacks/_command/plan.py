"""The planned curve of a run, as config files and flags describe it."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from cosine_callbacks._command import config as _config_file
from cosine_callbacks._schedule.parameters import Cycles, Parameters, optional
from cosine_callbacks._command.trainer_config import TrainerConfig
from cosine_callbacks._schedule.validation import CHECKS, checked_interval, read, show
from cosine_callbacks._command.yaml_file import NULLS
from cosine_callbacks.formula import rate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Plan(NamedTuple):
    """A curve over the epochs or steps of a run; its parameters have a peak.

    `source` says where the peak comes from. `length` is how many epochs or steps are planned, None
    where unknown; `updates_per_epoch` likewise, also None where it changes during the run.
    `configured` says whether a config file tells of the run.
    """

    parameters: Parameters
    source: str
    cycles: Cycles
    interval: str
    length: int | None
    updates_per_epoch: int | None
    configured: bool

    @property
    def peak(self) -> float:
        """The peak rate."""
        return cast("float", self.parameters.lr_initial)

    def rate(self, e: int) -> float:
        """Return the planned rate at position e."""
        return rate(self.cycles, self.parameters.floor(self.peak), self.peak, e)

    @property
    def until(self) -> int:
        """The position by which everything is seen."""
        return self.length or self.cycles.horizon(endless=self.parameters.cycles is None)

    def title(self) -> str:
        """Return the parameters that are not at their defaults, and what they count."""
        peak, comma, others = self.parameters.given().partition(", ")
        source = f" from {self.source}" if self.configured else ""
        planned = f"{self.length} " if self.length else ""
        return f"{peak}{source}{comma}{others}; {planned}{self.interval}s"


def make(configs: Sequence[str], flags: Mapping[str, str]) -> Plan:
    """Return the plan of these config files; what a flag gives wins over what the files say.

    Raises:
        OSError: A file cannot be read.
        TypeError: A value is not a number.
        ValueError: A file is not a config with our callback, a value is out of its range or
            contradicts another one, or something is missing.
    """
    arguments, trainer, rates = _config_file.find(configs) if configs else ({}, {}, {})
    given = {name: None if text in NULLS else text for name, text in flags.items()}
    run = TrainerConfig(trainer, given.pop("steps_per_epoch", None))
    arguments |= given
    source = "--lr_initial" if "lr_initial" in given else "the callback's init_args"
    if arguments.get("lr_initial") is None:
        source, arguments["lr_initial"] = _rate(rates)
    interval = checked_interval(arguments.pop("interval", "epoch"))
    arguments.pop("optimizers", None)
    parameters = _parameters(arguments)
    length = run.length(interval)
    if not isinstance(parameters.t_max, int) and length is None:
        raise ValueError(run.missing(parameters.t_max))
    return Plan(
        parameters=parameters,
        source=source,
        cycles=parameters.layout(length or 0),
        interval=interval,
        length=length,
        updates_per_epoch=run.updates_per_epoch,
        configured=bool(configs),
    )


def _rate(rates: Mapping[str, Any]) -> tuple[str, float]:
    """Return where the optimizer's rate stands, and the rate."""
    found = [(place, read(CHECKS["lr_initial"], place, rates[place])) for place in rates]
    if len({rate for _, rate in found}) == 1:
        return found[0]
    if rates:
        shown = " and ".join(f"{place}={rate}" for place, rate in found)
        raise ValueError(
            f"lr_initial must be given where a config has several rates, got {shown}; give "
            "--lr_initial"
        )
    raise ValueError(
        "lr_initial must be given where no config tells the optimizer's lr, got none; give "
        "--lr_initial"
    )


def _parameters(arguments: Mapping[str, Any]) -> Parameters:
    for name in arguments:
        if name not in CHECKS:
            raise ValueError(
                f"init_args must hold parameters of the callback, got {show(name)}; "
                f"give {', '.join(CHECKS)}, interval or optimizers"
            )
    unset = {field.name for field in fields(Parameters) if optional(field)}
    values: dict[str, Any] = {
        name: None if value is None and name in unset else read(CHECKS[name], name, value)
        for name, value in arguments.items()
    }
    return Parameters(**values)
