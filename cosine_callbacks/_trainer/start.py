"""What is worked out once, when training starts: bases, param groups, and warnings."""

import math
import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from cosine_callbacks._schedule.cycles import Cycles, lay_out, lost_warmup
from cosine_callbacks._schedule.parameters import Parameters
from cosine_callbacks._trainer import checkpoint
from cosine_callbacks._trainer.param_groups import (
    ParamGroups,
    configured_rate,
    group_floors,
    rate_name,
    version_of,
)
from cosine_callbacks._trainer.run_length import counts_batches


def refuse_rivals(trainer: Any, index: int, callback: object, others: list[str]) -> None:
    """Raise ValueError where another callback of ours, or a scheduler, drives the optimizer."""
    own = [f"{name} from configure_optimizers" for name in schedulers(trainer, index)]
    rivals = others + own
    if rivals:
        raise ValueError(
            f"optimizers must have one schedule each, got {callback!r} and {rivals[0]} for "
            f"optimizer {index}; remove one of the two or give optimizers="
        )


def configured_rates(trainer: Any, index: int, parameters: Parameters) -> list[float]:
    """Return the rates that the optimizer has before training; ValueError for a floor above one."""
    groups = trainer.optimizers[index].param_groups
    rates = [configured_rate(group, rate_name(k, index)) for k, group in enumerate(groups)]
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


def is_smoke_test(trainer: Any) -> bool:
    """Say whether the run is shorter than the one that is meant, to see that it works."""
    return bool(trainer.fast_dev_run or trainer.overfit_batches)


def lay_out_run(trainer: Any, parameters: Parameters, planned: int, interval: str) -> Cycles:
    """Return the cycles of the run; of a smoke test those of a run that is long enough for them.

    Warns where a fraction of a warmup is rounded to nothing.

    Raises:
        ValueError: The run is shorter than its warmup, or than one unit a cycle.
    """
    # A smoke test: twice the length until the plan fits.
    for doublings in range(63 if is_smoke_test(trainer) else 0):
        with suppress(ValueError):
            return lay_out(parameters, planned << doublings)
    cycles = lay_out(parameters, planned)
    lost = lost_warmup(parameters, cycles, interval)
    if lost and trainer.is_global_zero:
        warnings.warn(lost, stacklevel=2)
    return cycles


def warn_of_batches(trainer: Any, plan: Mapping[str, Any]) -> bool:
    """Warn of reloaded data with another number of batches than was planned; say whether."""
    batches = trainer.num_training_batches
    # Only these: StochasticWeightAveraging ends with an epoch of its own number of batches.
    reloaded = bool(plan and trainer.reload_dataloaders_every_n_epochs and counts_batches(plan))
    differs = reloaded and batches != plan["batches"]
    if differs and trainer.is_global_zero:
        warnings.warn(
            f"t_max was planned for {plan['batches']:g} batches in each epoch, and epoch "
            f"{trainer.current_epoch} has {batches}: the curve does not end with the run; give "
            "t_max=",
            stacklevel=2,
        )
    return differs


def weights_of(trainer: Any, optimizers: list[ParamGroups]) -> dict[int, int]:
    """Return by index a number that changes with an optimizer's weights, for those not updated."""
    return {
        each.index: version_of(trainer.optimizers[each.index].param_groups)
        for each in optimizers
        if not each.count
    }


def warn_of_unmoved(trainer: Any, optimizers: list[ParamGroups], before: Mapping[int, int]) -> None:
    """Warn of optimizers whose weights have changed without an update that was counted."""
    now = weights_of(trainer, optimizers) if before else {}
    for index, version in now.items():
        if version != before.get(index, version) and trainer.is_global_zero:
            warnings.warn(
                f"optimizer {index} ({type(trainer.optimizers[index]).__name__}) must be updated "
                "by its step method, got weights that changed without it in the first epoch, so "
                "that its rate did not move; call step, give interval='epoch', or leave it out of "
                "optimizers=",
                stacklevel=2,
            )


def warn_of_configured(
    trainer: Any,
    configured: Mapping[int, list[float]],
    optimizers: list[ParamGroups],
    saved: Mapping[str, Any],
) -> None:
    """Warn where `configure_optimizers` gives another rate than in the checkpoint's run."""
    before = {each["index"]: each["configured"] for each in saved.get("optimizers", [])}
    for each in optimizers:
        bases = [base for _, base in each.curves]
        then = before.get(each.index, bases)
        for k, (rate, was) in enumerate(zip(configured[each.index], then, strict=False)):
            if not math.isclose(rate, was, rel_tol=1e-6) and trainer.is_global_zero:
                warnings.warn(
                    f"{rate_name(k, each.index)} is configured as {rate}, and the run goes on with "
                    f"the checkpoint's {bases[k]}; give lr_initial= to change it",
                    stacklevel=2,
                )
                return


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


def schedulers(trainer: Any, index: int) -> list[str]:
    """Return the names of the schedulers of this optimizer, which DeepSpeed wraps."""
    configs = trainer.lr_scheduler_configs
    if not configs:
        return []
    optimizer = trainer.optimizers[index]
    same = (optimizer, getattr(optimizer, "optimizer", optimizer))
    schedulers = [config.scheduler for config in configs]
    return [type(s).__name__ for s in schedulers if any(s.optimizer is each for each in same)]
