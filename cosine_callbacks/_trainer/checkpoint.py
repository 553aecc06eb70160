"""What the Lightning callback saves, and what a resumed run says of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cosine_callbacks._schedule.parameters import Parameters
from cosine_callbacks._schedule.validation import INTERVALS, show, whole
from cosine_callbacks.formula import rate

if TYPE_CHECKING:
    from cosine_callbacks._trainer.param_groups import ParamGroups
    from cosine_callbacks._schedule.parameters import Cycles

_SHAPE = ("warmup", "warmup_start_ratio", "cycles", "t_mult", "peak_decay")


def state_of(
    interval: str, parameters: Parameters, cycles: Cycles, driven: list[ParamGroups]
) -> dict[str, Any]:
    """Return the curve and what it drives, in types that `torch.load(weights_only=True)` reads.

    The curve is the resolved one: t_max is the first cycle's length in units, and `planned` the
    length that several cycles fill, or 0. The callback adds the finished `epochs`, and whether the
    updates were `counted`: automatic optimization and epochs leave each optimizer's count at 0.
    """
    filled = parameters.t_max is None and len(cycles.ends) > 1
    shape = {name: getattr(parameters, name) for name in _SHAPE}
    return {
        "interval": interval,
        "t_max": cycles.first,
        "planned": cycles.end if filled else 0,
        **shape,
        "warmup": cycles.warmup,
        "optimizers": [
            {
                "index": d.index,
                "bases": [curve.base for curve in d.curves],
                "floors": [curve.floor for curve in d.curves],
                "count": d.count,
            }
            for d in driven
        ],
    }


def check(state: dict[str, Any]) -> None:
    """Refuse a state that the callback has not saved.

    Raises:
        ValueError: The checkpoint is of another callback of this name, or damaged.
    """
    try:
        sound = _plain(state) and _sound(state)
    except Exception:  # noqa: BLE001 - what a damaged file holds may raise anything
        sound = False
    if not sound:
        raise ValueError(
            "the checkpoint's state for CosineAnnealingCallback must be one that it saved, got "
            f"{show(state)}; resume from another checkpoint"
        )


def _plain(value: Any) -> bool:
    """Say whether the state holds but what the callback saves: no tensors, no numbers of NumPy."""
    if type(value) is dict:
        return all(type(key) is str and _plain(each) for key, each in value.items())
    if type(value) is list:
        return all(map(_plain, value))
    return value is None or type(value) in (bool, int, float, str)


def _sound(state: dict[str, Any]) -> bool:
    """Say whether each number of the state is one that a run can have reached."""
    _cycles(state)
    lengths = [state[name] for name in ("t_max", "warmup", "planned", "epochs")]
    counts = [each[name] for each in state["optimizers"] for name in ("index", "count")]
    for count in (*lengths, *counts):
        whole("each count", count, 0)
    return (
        type(state["optimizers"]) is list
        and type(state["counted"]) is bool
        and state["interval"] in INTERVALS
        and all(
            type(floor) is type(base) is float and 0 <= floor <= base < math.inf
            for each in state["optimizers"]
            for floor, base in zip(each["floors"], each["bases"], strict=True)
        )
    )


def _cycles(state: dict[str, Any]) -> Cycles:
    shape = {name: state[name] for name in _SHAPE}
    if not state["warmup"]:
        shape["warmup_start_ratio"] = None
    planned = state["planned"]
    return Parameters(t_max=None if planned else state["t_max"], **shape).layout(planned)


def saved_counts(state: dict[str, Any]) -> dict[int, int]:
    """Return the updates that each optimizer had done, by its index, where they were counted."""
    counted = state["optimizers"] if state.get("counted") else []
    return {each["index"]: each["count"] for each in counted}


def uncounted(indices: list[int], callback: object) -> str:
    """Say that these optimizers' counts start at 0 in a run that has begun before, if any do."""
    if not indices:
        return ""
    return (
        f"the updates that optimizers {indices} have done were not counted in the checkpoint or "
        f"the fit before: {callback!r} counts the updates from 0"
    )


def changes(
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
    old_cycles = _cycles(old)
    differs, changed = _other_shapes(old, new, same=_alike(old_cycles, cycles)), []
    for was, now, k in groups:
        for name, key in (("lr_initial", "bases"), ("lr_min", "floors")):
            before, after = was[key][k], now[key][k]
            if before != after:
                differs.append(f"{name} {_owner(now, k)} {before} -> {after}")
                changed.append((was, now, k))
    if not (differs and groups):
        return ""
    was, now, k = (changed or groups)[0]
    at = positions[now["index"]]
    old_at = was["count"] if old["counted"] else at[old["interval"]]
    before = rate(old_cycles, was["floors"][k], was["bases"][k], old_at)
    after = rate(cycles, now["floors"][k], now["bases"][k], at[new["interval"]])
    return (
        f"the checkpoint has other parameters and the current ones are used: {', '.join(differs)}; "
        f"at this position the rate {_owner(now, k)} is {after} instead of {before}"
    )


def _owner(optimizer: dict[str, Any], k: int) -> str:
    return f"of param group {k} of optimizer {optimizer['index']}"


def _alike(old: Cycles, new: Cycles) -> bool:
    """Say whether the cycles end alike, whether they fill the run or are counted."""
    return len(old.ends) == len(new.ends) and old.end == new.end


def _other_shapes(old: dict[str, Any], new: dict[str, Any], *, same: bool) -> list[str]:
    unread = {"epochs", "counted", "optimizers"} | ({"planned"} if same else set())
    return [
        f"{name} {old[name]} -> {new[name]}"
        for name in new
        if name not in unread and old[name] != new[name]
    ]
