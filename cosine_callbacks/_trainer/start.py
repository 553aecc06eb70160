"""What is worked out once, when training starts: bases, param groups, and warnings."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from cosine_callbacks._trainer import checkpoint
from cosine_callbacks._trainer.param_groups import ParamGroups, group_floors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cosine_callbacks._schedule.cycles import Cycles
    from cosine_callbacks._schedule.parameters import Parameters


def configured_rates(trainer: Any, index: int, parameters: Parameters) -> list[float]:
    """Return the rates that the optimizer has before training; ValueError for a floor above one."""
    groups = trainer.optimizers[index].param_groups
    rates = [float(group.get("initial_lr", group["lr"])) for group in groups]
    if trainer.ckpt_path is None:  # else the base rates are the checkpoint's
        group_floors(_bases(groups, parameters, rates, []), parameters, index)
    return rates


def restore_groups(  # noqa: PLR0913, PLR0917 - all that a resumed run depends on
    trainer: Any,
    parameters: Parameters,
    cycles: Cycles,
    configured: Mapping[int, list[float]],
    saved: Mapping[str, Any],
    counts: Mapping[int, int],
) -> list[ParamGroups]:
    """Return the param groups of each optimizer whose rates were configured."""
    before = {each["index"]: each for each in saved.get("optimizers", [])}
    result = []
    for index, rates in configured.items():
        was = before.get(index, {"bases": [], "floors": []})
        bases = _bases(trainer.optimizers[index].param_groups, parameters, rates, was["bases"])
        groups = ParamGroups(index, parameters, cycles, bases, was["floors"])
        groups.count = counts.get(index, 0)
        result.append(groups)
    return result


def _bases(
    groups: list[Any], parameters: Parameters, configured: list[float], saved: list[float]
) -> list[float]:
    """Return each group's base: as given, else saved by us or by torch, else as configured."""
    if parameters.lr_initial is not None:
        return [parameters.lr_initial] * len(groups)
    own = (*configured, *(group["lr"] for group in groups[len(configured) :]))
    noted = [float(g.get("initial_lr", rate)) for g, rate in zip(groups, own, strict=False)]
    return [*saved, *noted[len(saved) :]][: len(groups)]


def warn_of_uncounted(
    trainer: Any, configured: Mapping[int, Any], counts: Mapping[int, int], callback: object
) -> None:
    """Warn that counts start at 0 in a run that has begun before, if any do."""
    # Not `global_step`, which restarts at 0 when manual optimization resumes an automatic run.
    begun = trainer.fit_loop.epoch_loop.batch_progress.total.ready
    uncounted = [index for index in configured if begun and index not in counts]
    if uncounted and trainer.is_global_zero:
        warnings.warn(
            f"the updates that optimizers {uncounted} have done were not counted in the checkpoint "
            f"or the fit before: {callback!r} counts the updates from 0",
            stacklevel=2,
        )


def warn_of_changes(
    trainer: Any, old: dict[str, Any], new: dict[str, Any], cycles: Cycles, at: dict[str, int]
) -> None:
    """Warn of what differs from the checkpoint, if it changes a rate."""
    positions = {
        each["index"]: {**at, "step": each["count"]} if new["counted"] else at
        for each in new["optimizers"]
    }
    sentence = checkpoint.change_warning(old, new, cycles, positions)
    if sentence and trainer.is_global_zero:
        warnings.warn(sentence, stacklevel=2)
