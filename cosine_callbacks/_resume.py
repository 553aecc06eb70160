"""What the Lightning callback saves, and what a resumed run says of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cosine_callbacks._parameters import Parameters
from cosine_callbacks._values import show, whole
from cosine_callbacks.formula import mix, weight

if TYPE_CHECKING:
    from collections.abc import Callable

    from cosine_callbacks._param_groups import ParamGroups
    from cosine_callbacks._parameters import Cycles

_SHAPE = ("warmup", "warmup_start_ratio", "cycles", "t_mult", "peak_decay")


def state_of(
    interval: str,
    parameters: Parameters,
    cycles: Cycles,
    done: dict[str, Any],
    driven: list[ParamGroups],
) -> dict[str, Any]:
    """Return what a resumed run needs, in types that `torch.load(weights_only=True)` reads.

    The curve is the resolved one: t_max is the first cycle's length in units, and `planned` the
    length that several cycles fill, or 0. `done` holds the finished `epochs`, and whether the
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
        **done,
        "optimizers": [
            {
                "index": d.index,
                "bases": [base for _, base in d.curves],
                "floors": [floor for floor, _ in d.curves],
                "count": d.count,
            }
            for d in driven
        ],
    }


def check(state: dict[str, Any]) -> None:
    """Refuse a state that `state_of` has not made.

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
    """Say whether the state holds but what `state_of` writes: no tensors, no numbers of NumPy."""
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
        and type(state.get("counted", False)) is bool
        and state["interval"] in ("epoch", "step")
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


def counts(state: dict[str, Any]) -> dict[int, int]:
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
    old: dict[str, Any], new: dict[str, Any], cycles: Cycles, position: Callable[[str], int]
) -> str:
    """Say what differs between two states, and the old and new rate at this position.

    Args:
        old: The checkpoint's state.
        new: The current one.
        cycles: The current cycles.
        position: Gives the current position in an interval.

    Returns:
        One sentence, empty where nothing differs that sets a rate.
    """
    saved = {each["index"]: each for each in old["optimizers"]}
    groups = [
        (f"of param group {k} of optimizer {now['index']}", *rates)
        for now in new["optimizers"]
        if (was := saved.get(now["index"]))
        for k, rates in enumerate(
            zip(was["bases"], was["floors"], now["bases"], now["floors"], strict=False)
        )
    ]
    old_cycles = _cycles(old)
    unread = {"epochs", "counted", "optimizers"}
    if len(old_cycles.ends) == len(cycles.ends) and old_cycles.end == cycles.end:
        unread |= {"planned"}  # the same cycles, whether they fill the run or are counted
    differs = [
        f"{name} {old[name]} -> {new[name]}"
        for name in new
        if name not in unread and old[name] != new[name]
    ]
    shown = groups[:1]
    for group in groups:
        owner, old_base, old_floor, base, floor = group
        bases, floors = (old_base, base), (old_floor, floor)
        for name, (before, after) in (("lr_initial", bases), ("lr_min", floors)):
            if before != after:
                differs.append(f"{name} {owner} {before} -> {after}")
                shown = [group]
    if not (differs and shown):
        return ""
    owner, old_base, old_floor, base, floor = shown[0]
    w, on = weight(old_cycles, position(old["interval"]))
    before = mix(old_floor * on, old_base, w)
    w, on = weight(cycles, position(new["interval"]))
    after = mix(floor * on, base, w)
    return (
        f"the checkpoint has other parameters and the current ones are used: {', '.join(differs)}; "
        f"here the rate {owner} is {after} instead of {before}"
    )
