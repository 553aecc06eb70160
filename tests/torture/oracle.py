"""The rates that are right for a ledger; nothing here knows the package.

A lineage may be read in several ways where Lightning trains what it need not: the oracle keeps
every reading that the rates so far allow.
"""

import math
from itertools import count
from typing import NamedTuple


class Refused(Exception):  # noqa: N818 - no error: the right outcome
    """The run must be refused."""


class Reading(NamedTuple):
    """One way to read the ledger so far."""

    plan: int | None = None
    finished: int = 0  # whole passes over the data
    opened: bool = False  # a pass is begun and not whole
    trained: int = 0  # its batches up to this one are trained
    cut: bool = False  # Lightning ended its epoch
    began: bool = False  # Lightning began an epoch, and no batch since
    fit: str = ""  # "resumed" or "again" until the first epoch of a fit has ended
    saved: bool = False  # in on_train_epoch_start


def follow(reading, event):
    """Return the readings after this event."""
    name, *rest = event
    if name == "on_train_start":
        plans = [reading.plan] if rest[0] is None else rest[0]
        reading = reading._replace(saved=reading.began, fit=rest[3])
        return [reading._replace(plan=plan) for plan in plans]
    if name == "on_train_epoch_start":
        if reading.cut and not reading.fit:
            reading = _next_pass(reading)
        return [reading._replace(began=True)]
    if name == "on_train_epoch_end":
        ended = reading._replace(cut=reading.opened, fit="", began=False, saved=False)
        # A batch was begun before the resume, and Lightning leaves it out.
        return [ended, _leave(ended)] if reading.began and reading.opened else [ended]
    if name == "on_train_batch_start":
        after = reading._replace(began=False, saved=False)
        return list(_begin_batch(reading, after, *rest))
    if name == "on_train_batch_end" and reading.opened:
        index, whole = rest
        ended = {"finished": reading.finished + 1, "opened": False, "trained": 0}
        reading = reading._replace(**(ended if whole else {"trained": index + 1}))
    return [reading]


def _next_pass(reading):
    finished = reading.finished + reading.opened
    return reading._replace(finished=finished, opened=True, trained=0, cut=False)


def _leave(reading):
    return reading._replace(opened=False, trained=0, cut=False)


def _begin_batch(before, reading, index, batches):
    """Yield the readings: does this batch go on with a pass, begin one, or belong to none?"""
    again = before.began and before.fit == "again"
    if reading.opened:
        # Lightning may train the batch at which the checkpoint was saved once more.
        if index > 0 or (reading.trained <= 1 and not reading.cut):
            yield reading._replace(cut=False)
            if before.saved:  # Lightning trains the rest of the epoch before
                yield _leave(reading)
            if again and reading.cut:
                yield _next_pass(reading)
            return
        yield _next_pass(reading)
        if not reading.cut:  # left by an exception or in a checkpoint, and begun again
            yield reading._replace(trained=0)
    elif index == 0 or batches is None:
        yield _next_pass(reading)
    else:
        # The last batch of a finished epoch again, or what a longer loader has behind it.
        if not again or index >= batches:
            yield reading
        if again or before.saved or batches == 1 or index < batches - 1:
            yield _next_pass(reading)


def readings(events):
    """Return the readings of a whole ledger, whatever its rates."""
    found = {Reading()}
    for event in events:
        found = {after for each in found for after in follow(each, event)}
    return found


def updates(events):
    return sum(event[0] == "update" for event in events)


def by_settings(run, batches, now, done):
    """Return the (epochs, updates) that the settings promise with so much done."""
    epoch, first = now.finished, now.trained
    batches = batches or first + 1
    table = run["accumulate"]
    table = table if isinstance(table, dict) else {"0": table}
    epochs = math.inf if run["max_epochs"] in (None, -1) else run["max_epochs"]
    steps = math.inf if run["max_steps"] == -1 else run["max_steps"]
    while epoch < epochs and done < steps:
        factor = [table[start] for start in sorted(table, key=int) if int(start) <= epoch][-1]
        for batch in range(min(first, batches - 1), batches):
            done += done < steps and ((batch + 1) % factor == 0 or batch + 1 == batches)
        epoch, first = epoch + 1, 0
    return epoch, done


LENGTH = ("batches", "sized", "limit", "max_epochs", "max_steps", "accumulate")


def plans(case, before, run, reference, *, again):
    """Return the planned lengths that are right for a fit; None where the saved one stands.

    Args:
        case: What is tested.
        before: The ledger when the fit begins.
        run: Its settings.
        reference: Called for the ledger of the same fit without our callback.
        again: Whether the Trainer has had a fit, instead of a checkpoint.
    """
    if isinstance(case["curve"].get("t_max"), int):
        return [0]
    started = [event[2] for event in before if event[0] == "on_train_start"]
    keys = [key for key in LENGTH if run["sized"] or key != "batches"]
    stands = started and all(started[-1][key] == run[key] for key in keys)
    if stands and not again:
        return None
    after = reference()
    began = [event for event in after[len(before) :] if event[0] == "on_train_start"]
    batches = began[0][3] if began else 1
    epochs, steps = _by_epoch(case), run["max_steps"]
    if (case["every"] and not epochs) or (batches is None and epochs == (steps != -1)):
        return [None]
    if batches is None and not epochs:
        return [steps]
    now = {_next_pass(each) if again else each for each in readings(before)}
    done = updates(before)
    wanted = {by_settings(run, batches, each, done)[not epochs] for each in now}
    really = {each.finished + each.opened for each in readings(after)}
    # A dataloader that is reloaded may come with another length; Lightning may stop too early.
    reloaded = len(run["batches"]) > 1
    really = set() if reloaded else really if epochs else {updates(after)}
    return sorted(wanted | really | {each.plan for each in readings(before) if stands})


def layout(curve, plan):
    """Return the ends of the cycles, as an iterator, and the warmup; Refused if there are none."""
    t_max, cycles, ratio = curve.get("t_max"), curve.get("cycles", 1), curve.get("t_mult", 1)
    if not isinstance(t_max, int) and plan is None:
        raise Refused
    if t_max is None and cycles > 1:
        parts = [sum(ratio**i for i in range(k + 1)) for k in range(cycles)]
        ends = [(2 * plan * part + parts[-1]) // (2 * parts[-1]) for part in parts]
    else:
        first = t_max if isinstance(t_max, int) else plan
        if isinstance(t_max, float):
            first = max(1, round(t_max * plan))
        sums = (first * sum(ratio**i for i in range(k + 1)) for k in count())
        ends = [next(sums) for _ in range(cycles or 400)]
    if any(end <= start for start, end in zip([0, *ends], ends, strict=False)):
        raise Refused
    warmup = curve.get("warmup", 0)
    warmup = warmup if isinstance(warmup, int) else round(warmup * ends[0])
    if warmup >= ends[0]:
        raise Refused
    return ends, warmup


def rate(curve, plan, base, e):
    """Return LR(e) of a param group with this rate of its own."""
    ends, warmup = layout(curve, plan)
    peak = curve.get("lr_initial") or base
    ratio = curve.get("lr_min_ratio")
    floor = curve.get("lr_min", 0.0) if ratio is None else ratio * peak
    start = curve.get("warmup_start_ratio")
    start = 1 / (warmup + 1) if start is None else start
    if e < warmup:
        return peak * (start + (1 - start) * e / warmup)
    cycle = next((i for i, end in enumerate(ends) if e < end), None)
    if cycle is None:
        return floor
    begin = ends[cycle - 1] if cycle else warmup
    height = (peak - floor) * curve.get("peak_decay", 1.0) ** cycle
    return floor + height * math.cos(math.pi / 2 * (e - begin) / (ends[cycle] - begin)) ** 2


def check(case, events):
    """Return the first wrong update of a ledger: its place, rates and the right ones; or None."""
    found, done = {Reading()}, [0] * len(case["bases"])
    for place, event in enumerate(events):
        if event[0] != "update":
            found = {after for each in found for after in follow(each, event)}
            continue
        _, index, step, used = event
        e = step if case["every"] is None else done[index]
        done[index] += 1
        right = {
            each: _right(case, each, index, each.finished if _by_epoch(case) else e)
            for each in found
        }
        found = {each for each in found if _same(used, right[each])}
        if not found:
            return place, used, right
    return None


def _by_epoch(case):
    return case["curve"]["interval"] == "epoch"


def _right(case, reading, index, e):
    driven = case["curve"].get("optimizers")
    driven = [driven] if isinstance(driven, int) else driven
    bases = case["bases"][index]
    if driven is not None and index not in driven:
        return bases
    try:
        return [rate(case["curve"], reading.plan, base, e) for base in bases]
    except Refused:
        return []


def _same(used, right):
    return len(used) == len(right) and all(
        abs(a - b) <= 1e-12 * b for a, b in zip(used, right, strict=True)
    )
