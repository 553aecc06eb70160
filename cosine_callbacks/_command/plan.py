"""The planned curve of a run, as config files and flags describe it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from cosine_callbacks._command.config import read_config
from cosine_callbacks._command.trainer_config import TrainerConfig
from cosine_callbacks._command.yaml_file import NULLS
from cosine_callbacks._schedule.cycles import Cycles, lay_out
from cosine_callbacks._schedule.parameters import (
    PARAMETERS,
    Parameters,
    as_dict,
    floor_under,
    non_defaults,
)
from cosine_callbacks._schedule.validation import as_interval, parse_argument, short_repr
from cosine_callbacks.formula import rate_at

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
        return rate_at(self.cycles, floor_under(self.parameters, self.peak), self.peak, e)

    @property
    def until(self) -> int:
        """The position by which everything is seen."""
        return self.length or self.cycles.horizon(endless=self.parameters.cycles is None)

    def title(self) -> str:
        """Return the parameters that are not at their defaults, and what they count."""
        warmup, unit = self.parameters.warmup, f"{self.interval}s"
        shown = non_defaults(self.parameters, as_dict(self.parameters))
        if self.configured:
            shown[0] += f" from {self.source}"
        title = f"{', '.join(shown)}; {f'{self.length} ' if self.length else ''}{unit}"
        if isinstance(warmup, float):
            title = title.replace(
                f"warmup={warmup}", f"warmup={warmup} ({self.cycles.warmup} {unit})"
            )
        return title


def make_plan(configs: Sequence[str], flags: Mapping[str, str]) -> Plan:
    """Return the plan of these config files; what a flag gives wins over what the files say.

    Raises:
        OSError: A file cannot be read.
        TypeError: A value is not a number.
        ValueError: A file is not a config with our callback, a value is out of its range or
            contradicts another one, or something is missing.
    """
    arguments, trainer, rates = read_config(configs) if configs else ({}, {}, {})
    flagged = {name: None if text in NULLS else text for name, text in flags.items()}
    run = TrainerConfig(trainer, flagged.pop("steps_per_epoch", None))
    arguments |= flagged
    source = "--lr_initial" if "lr_initial" in flagged else "the callback's init_args"
    if arguments.get("lr_initial") is None:
        source, arguments["lr_initial"] = _rate(rates)
    interval = as_interval(arguments.pop("interval", "epoch"))
    arguments.pop("optimizers", None)
    parameters = _parameters(arguments)
    length = run.length(interval)
    if not isinstance(parameters.t_max, int) and length is None:
        raise ValueError(run.missing(parameters.t_max))
    return Plan(
        parameters=parameters,
        source=source,
        cycles=lay_out(parameters, length or 0),
        interval=interval,
        length=length,
        updates_per_epoch=run.updates_per_epoch,
        configured=bool(configs),
    )


def _rate(rates: Mapping[str, Any]) -> tuple[str, float]:
    """Return where the optimizer's rate stands, and the rate."""
    check = PARAMETERS["lr_initial"].check
    found = [(place, parse_argument(check, place, rates[place])) for place in rates]
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
        if name not in PARAMETERS:
            raise ValueError(
                f"init_args must hold parameters of the callback, got {short_repr(name)}; "
                f"give {', '.join(PARAMETERS)}, interval or optimizers"
            )
    values: dict[str, Any] = {}
    for name, value in arguments.items():
        unset = value is None and PARAMETERS[name].optional
        values[name] = None if unset else parse_argument(PARAMETERS[name].check, name, value)
    return Parameters(**values)
