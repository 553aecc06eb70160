"""What the Lightning callback saves, and what a resumed run says of it."""

import math
from contextlib import suppress
from dataclasses import fields
from types import NoneType
from typing import Any

from cosine_callbacks._schedule.cycles import Cycles, lay_out
from cosine_callbacks._schedule.parameters import SAVED, Parameters
from cosine_callbacks._schedule.validation import INTERVALS, as_int, short_repr
from cosine_callbacks._trainer.param_groups import ParamGroups
from cosine_callbacks.formula import rate_at

# States of version 0 have no such key.
VERSION = 1
# What a key means in a state that lacks it.
DEFAULTS: dict[str, Any] = {
    "planned": 0,
    "epochs": 0,
    "open": None,
    "cut": False,
    "batches": 0,
    "ends": 0,
    "plan": {},
    "counted": False,
    **{field.name: field.default for field in fields(Parameters) if field.name in SAVED},
}


def state_of(
    interval: str, parameters: Parameters, cycles: Cycles, optimizers: list[ParamGroups]
) -> dict[str, Any]:
    """Return the curve and what it drives, in types that `torch.load(weights_only=True)` reads.

    The curve is the resolved one: t_max is the first cycle's length in units, and `planned` the
    length that several cycles fill, or 0. The caller adds each optimizer's `configured` rates, the
    count of epochs, the `plan` of the run, and whether the updates were `counted`: automatic
    optimization and epochs leave each optimizer's count at 0.
    """
    filled = parameters.t_max is None and len(cycles.ends) > 1
    return {
        "version": VERSION,
        "interval": interval,
        "t_max": cycles.first,
        "planned": cycles.end if filled else 0,
        # As the cycles have resolved them: a fraction is saved in units.
        **{name: getattr(cycles, name, getattr(parameters, name)) for name in SAVED},
        "optimizers": [
            {
                "index": each.index,
                "bases": [base for _, base in each.curves],
                "floors": [floor for floor, _ in each.curves],
                "count": each.count,
            }
            for each in optimizers
        ],
    }


def read_state(state: Any) -> dict[str, Any]:
    """Return a state of this or an older version, with a default for each key that it lacks.

    Raises:
        ValueError: It is of a newer version, of another callback of this name, or damaged.
    """
    version = state.get("version", 0) if isinstance(state, dict) else 0
    if type(version) is int and version > VERSION:
        raise ValueError(
            f"the checkpoint's state for CosineAnnealingCallback must be of version {VERSION} or "
            f"older, got {version}; update cosine-callbacks to resume from it"
        )
    with suppress(KeyError, TypeError, ValueError):
        if type(version) is int and _is_plain(state) and type(state["optimizers"]) is list:
            optimizers = [{"count": 0, "configured": [], **each} for each in state["optimizers"]]
            complete = {**DEFAULTS, **state, "version": VERSION, "optimizers": optimizers}
            if _is_sound(complete):
                return complete
    raise ValueError(
        "the checkpoint's state for CosineAnnealingCallback must be one that it saved, got "
        f"{short_repr(state)}; resume from another checkpoint"
    )


def _is_plain(value: Any) -> bool:
    """Say whether the state holds only the types that the callback saves, so no tensors."""
    if type(value) is dict:
        return all(type(key) is str and _is_plain(each) for key, each in value.items())
    if type(value) is list:
        return all(map(_is_plain, value))
    return value is None or type(value) in (bool, int, float, str)


def _is_sound(state: dict[str, Any]) -> bool:
    """Say whether each number of the state is one that a run can have reached."""
    cycles = _saved_cycles(state)  # raises where the parameters contradict each other
    resolved = all(state[name] == getattr(cycles, name, state[name]) for name in SAVED)
    lengths = [state[name] for name in ("t_max", "planned", "epochs", "batches", "ends")]
    counts = [each[name] for each in state["optimizers"] for name in ("index", "count")]
    planned = [state["plan"]["length"]] if state["plan"] else []
    for count in (*lengths, *counts, *planned):
        as_int("each count", count, 0)
    return (
        resolved
        and all(type(state[name]) is bool for name in ("counted", "cut"))
        and type(state["open"]) in (bool, NoneType)
        and state["interval"] in INTERVALS
        and all(
            type(floor) is type(base) is float and 0 <= floor <= base < math.inf
            for each in state["optimizers"]
            for floor, base in zip(each["floors"], each["bases"], strict=True)
        )
        and all(type(rate) is float for each in state["optimizers"] for rate in each["configured"])
    )


def _saved_cycles(state: dict[str, Any]) -> Cycles:
    shape = {name: state[name] for name in SAVED}
    if not state["warmup"]:
        shape["warmup_start_ratio"] = None
    planned = state["planned"]
    return lay_out(Parameters(t_max=None if planned else state["t_max"], **shape), planned)


def saved_counts(state: dict[str, Any]) -> dict[int, int]:
    """Return the updates that each optimizer had done, by its index, where they were counted."""
    counted = state["optimizers"] if state.get("counted") else []
    return {each["index"]: each["count"] for each in counted}


def change_warning(
    old: dict[str, Any], new: dict[str, Any], cycles: Cycles, positions: dict[int, dict[str, int]]
) -> str:
    """Say what differs between two states, and for one param group the old and the new rate.

    Args:
        old: The checkpoint's state.
        new: The current one.
        cycles: The current cycles.
        positions: Of each optimizer the current position in each interval.

    Returns:
        One sentence, empty where nothing differs that sets a rate.
    """
    saved = {each["index"]: each for each in old["optimizers"]}
    groups = [
        (saved[now["index"]], now, k)
        for now in new["optimizers"]
        if now["index"] in saved
        for k, _ in enumerate(zip(now["bases"], saved[now["index"]]["bases"], strict=False))
    ]
    old_cycles = _saved_cycles(old)
    differs, changed = _changed_shape(old, new, same_ends=_same_ends(old_cycles, cycles)), []
    for was, now, k in groups:
        for name, key in (("lr_initial", "bases"), ("lr_min", "floors")):
            before, after = was[key][k], now[key][k]
            if before != after:
                differs.append(f"{name} {_group_name(now, k)} {before} -> {after}")
                changed.append((was, now, k))
    constant = all(now["bases"][k] == now["floors"][k] for _, now, k in groups)
    constant = constant and not (old_cycles.warmup or cycles.warmup or changed)
    if constant or not (differs and groups):
        return ""
    was, now, k = (changed or groups)[0]
    at = positions[now["index"]]
    old_at = was["count"] if old["counted"] else at[old["interval"]]
    before = rate_at(old_cycles, was["floors"][k], was["bases"][k], old_at)
    after = rate_at(cycles, now["floors"][k], now["bases"][k], at[new["interval"]])
    return (
        f"the checkpoint has other parameters and the current ones are used: {', '.join(differs)}; "
        f"at this position the rate {_group_name(now, k)} is {after} instead of {before}"
    )


def _group_name(optimizer: dict[str, Any], k: int) -> str:
    return f"of param group {k} of optimizer {optimizer['index']}"


def _same_ends(old: Cycles, new: Cycles) -> bool:
    """Say whether the cycles end alike, whether they fill the run or are counted."""
    return len(old.ends) == len(new.ends) and old.end == new.end


def _changed_shape(old: dict[str, Any], new: dict[str, Any], *, same_ends: bool) -> list[str]:
    shape = ["interval", "t_max", *([] if same_ends else ["planned"]), *SAVED]
    return [f"{name} {old[name]} -> {new[name]}" for name in shape if old[name] != new[name]]
