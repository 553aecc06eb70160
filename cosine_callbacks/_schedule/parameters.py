"""The parameters of the schedule: one table of what is known of each, and the rules across them."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import partial
from inspect import signature
from typing import Any, NamedTuple, Required, TypedDict

from cosine_callbacks._schedule.cycles import MAX_FILLED, lay_out
from cosine_callbacks._schedule.validation import (
    NON_NEGATIVE,
    POSITIVE,
    UNIT,
    UNIT_WITHOUT_0,
    UNIT_WITHOUT_1,
    as_float,
    as_int,
    as_int_or_fraction,
)


class Parameter(NamedTuple):
    """What is known of a parameter besides its type and default.

    Attributes:
        check: Returns a value as a plain number, or refuses it by the name that it is given.
        help: What the command says of it.
        optional: Whether None is one of its values.
        saved: Whether a checkpoint holds it as given.
        aliases: Its names in other libraries.
    """

    check: Callable[[str, Any], int | float]
    help: str
    optional: bool = False
    saved: bool = False
    aliases: str = ""


PARAMETERS = {
    "lr_initial": Parameter(
        partial(as_float, within=POSITIVE),
        "peak rate, > 0; by default the lr of the config's optimizer, or the lr or learning_rate "
        "of its model where it has no optimizer",
        optional=True,
        aliases="lr learning_rate base_lr max_lr lr_max initial_lr peak_lr initial_learning_rate "
        "warmup_target peak_value",
    ),
    "t_max": Parameter(
        partial(as_int_or_fraction, low=1, fractions=UNIT_WITHOUT_0),
        "position at which the floor is reached, warmup included: an int, or with a config a "
        "fraction of the planned run in (0, 1], or null for the whole of it",
        optional=True,
        aliases="T_max T_0 t_initial decay_steps first_decay_steps total_steps max_steps "
        "max_epochs num_training_steps max_iters",
    ),
    "lr_min": Parameter(
        partial(as_float, within=NON_NEGATIVE),
        "floor as a rate, at most lr_initial (default: 0)",
        aliases="eta_min min_lr end_lr lr_end end_value minimum_lr",
    ),
    "lr_min_ratio": Parameter(
        partial(as_float, within=UNIT),
        "floor as a fraction of lr_initial, in [0, 1]; instead of --lr_min",
        optional=True,
        aliases="alpha min_lr_rate min_lr_ratio eta_min_ratio alpha_f",
    ),
    "warmup": Parameter(
        partial(as_int_or_fraction, low=0, fractions=UNIT_WITHOUT_1),
        "linear warmup: an int, or a fraction of the first cycle in (0, 1) (default: 0)",
        saved=True,
        aliases="warmup_steps warmup_epochs warmup_t warmup_iters warmup_ratio num_warmup_steps "
        "t_warmup",
    ),
    "hold": Parameter(
        partial(as_int_or_fraction, low=0, fractions=UNIT_WITHOUT_1),
        "units at the peak after the warmup: an int, or a fraction of the first cycle in (0, 1) "
        "(default: 0)",
        saved=True,
        aliases="hold_steps hold_epochs num_stable_steps",
    ),
    "warmup_start_ratio": Parameter(
        partial(as_float, within=UNIT),
        "first rate as a fraction of lr_initial (default: 1 / (warmup + 1))",
        optional=True,
        saved=True,
        aliases="start_factor",
    ),
    "cycles": Parameter(
        as_int,
        "number of cosine cycles; null restarts for ever (default: 1)",
        optional=True,
        saved=True,
        aliases="cycle_limit n_cycles",
    ),
    "t_mult": Parameter(
        as_int,
        "each cycle is this many times as long as the one before (default: 1)",
        saved=True,
        aliases="T_mult t_mul cycle_mul cycle_mult",
    ),
    "peak_decay": Parameter(
        partial(as_float, within=UNIT_WITHOUT_0),
        "height of each cycle as a fraction of that of the one before, in (0, 1] (default: 1)",
        saved=True,
        aliases="m_mul cycle_decay",
    ),
}
SAVED = [name for name, parameter in PARAMETERS.items() if parameter.saved]


class ParametersDict(TypedDict):
    """The parameters of `CosineAnnealing` by name, all of them, as `to_dict` returns them."""

    lr_initial: float
    t_max: int
    lr_min: float
    lr_min_ratio: float | None
    warmup: int | float
    hold: int | float
    warmup_start_ratio: float | None
    cycles: int | None
    t_mult: int
    peak_decay: float


class GivenParameters(TypedDict, total=False):
    """The same, where only two are needed, as `from_dict` takes them."""

    lr_initial: Required[float]
    t_max: Required[int]
    lr_min: float
    lr_min_ratio: float | None
    warmup: int | float
    hold: int | float
    warmup_start_ratio: float | None
    cycles: int | None
    t_mult: int
    peak_decay: float


# Defaults are part of the format of checkpoints: changing one needs a new VERSION there.
# Each method that `dataclass` writes costs import time: write only what is used.
@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Parameters:
    """All parameters as a callback takes them; None means: take it from the trainer.

    `lr_initial=None` is each param group's own rate, `t_max=None` the whole planned run and a float
    in (0, 1] that fraction of it. `CosineAnnealing` documents the others.
    """

    lr_initial: float | None = None
    t_max: int | float | None = None
    lr_min: float = 0.0
    lr_min_ratio: float | None = None
    warmup: int | float = 0
    hold: int | float = 0
    warmup_start_ratio: float | None = None
    cycles: int | None = 1
    t_mult: int = 1
    peak_decay: float = 1.0

    def __post_init__(self) -> None:
        """Check each value and the rules across them, and store plain ints and floats."""
        for name, parameter in PARAMETERS.items():
            value = getattr(self, name)
            if value is not None or not parameter.optional:
                object.__setattr__(self, name, parameter.check(name, value))
        if self.lr_min and self.lr_min_ratio is not None:
            raise ValueError(
                f"lr_min and lr_min_ratio both set the floor, got lr_min={self.lr_min} and "
                f"lr_min_ratio={self.lr_min_ratio}; give only one of them"
            )
        if self.warmup_start_ratio is not None and not self.warmup:
            raise ValueError(
                "warmup_start_ratio needs a warmup, got warmup_start_ratio="
                f"{self.warmup_start_ratio} with warmup=0; give warmup= or leave it out"
            )
        if self.t_max is None:
            if self.cycles is None:
                raise ValueError("t_max must be given with cycles=None, got None; give t_max=")
            if self.cycles > MAX_FILLED:
                raise ValueError(
                    f"cycles must be at most {MAX_FILLED} where they fill the planned run, got "
                    f"{self.cycles}; give fewer cycles or t_max="
                )
        if self.lr_initial is not None:
            floor_under(self, self.lr_initial)
        if isinstance(self.t_max, int):
            lay_out(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Unpickle from any version: missing parameters get defaults, other entries are dropped."""
        for field in fields(self):
            required = field.default is MISSING
            value = state[field.name] if required else state.get(field.name, field.default)
            object.__setattr__(self, field.name, value)

    def __repr__(self) -> str:
        """Return the call that builds an equal object, defaults left out."""
        return call_text(self, as_dict(self))


def select(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters among a constructor's `locals()`, before it binds any other."""
    return {name: arguments[name] for name in PARAMETERS}


def as_dict(parameters: Parameters) -> dict[str, Any]:
    """Return the parameters by name, in the order of the constructor."""
    return {field.name: getattr(parameters, field.name) for field in fields(parameters)}


def non_defaults(instance: object, arguments: Mapping[str, Any]) -> list[str]:
    """Return the arguments as in a call of the instance's class, defaults left out."""
    known = signature(type(instance)).parameters
    return [f"{k}={v!r}" for k, v in arguments.items() if k not in known or v != known[k].default]


def call_text(instance: object, arguments: Mapping[str, Any]) -> str:
    """Return the call that builds an equal instance, defaults left out."""
    return f"{type(instance).__name__}({', '.join(non_defaults(instance, arguments))})"


def floor_under(parameters: Parameters, peak: float, owner: str = "lr_initial") -> float:
    """Return the floor under this peak rate.

    Raises:
        ValueError: The floor lies above the peak, whose owner the sentence names.
    """
    ratio = parameters.lr_min_ratio
    floor = parameters.lr_min if ratio is None else ratio * peak
    if floor > peak:
        raise ValueError(
            f"lr_min must be <= {owner} ({peak}), got {floor}; lower lr_min or give the floor as "
            "lr_min_ratio="
        )
    return floor
