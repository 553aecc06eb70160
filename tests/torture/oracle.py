"""The rates that are right for a ledger; nothing here knows the package.

Where Lightning trains what it need not, or leaves out what it should train, a ledger may be read
in several ways: the oracle keeps every reading that the rates so far allow.
"""

import math
from collections import Counter
from itertools import pairwise
from typing import NamedTuple

# What the length of a run depends on.
LENGTH = {"batches", "sized", "max_epochs", "max_steps", "accumulate"}


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
    fit: str = ""  # "resumed", "again" or "anew" until the first epoch of a fit has ended
    saved: bool = False  # in on_train_epoch_start
    kind: str = ""  # what Lightning did otherwise than planned

    def next_pass(self):
        finished = self.finished + self.opened
        return self._replace(finished=finished, opened=True, trained=0, cut=False)

    def left(self):
        return self._replace(opened=False, trained=0, cut=False)


def follow(reading, event):
    """Yield the readings after this event."""
    name, *rest = event
    reading = reading._replace(kind="")
    if name == "on_train_start":
        if rest[3] == "anew":  # nothing was updated: all of it begins
            reading = Reading(plan=reading.plan)
        for plan in [reading.plan] if rest[0] is None else rest[0]:
            yield reading._replace(saved=reading.began, fit=rest[3], plan=plan)
    elif name == "on_train_epoch_start":
        over = reading.cut and not reading.fit
        yield (reading.next_pass() if over else reading)._replace(began=True)
    elif name == "on_train_batch_start":
        yield from _begin_batch(reading, reading._replace(began=False, saved=False), *rest)
    elif name == "on_train_batch_end" and reading.opened:
        ended = {"finished": reading.finished + 1, "opened": False, "trained": 0}
        yield reading._replace(**(ended if rest[1] else {"trained": rest[0] + 1}))
    elif name == "on_train_epoch_end":
        ended = reading._replace(cut=reading.opened, fit="", began=False, saved=False)
        yield ended
        if reading.began and reading.opened:
            yield ended.left()._replace(kind="the batch that was begun when saved is left out")
    else:
        yield reading


def _begin_batch(before, reading, index, batches):
    """Yield the readings: does this batch go on with a pass, begin one, or belong to none?"""
    again = before.began and before.fit == "again"
    if reading.opened and (index > 0 or (reading.trained <= 1 and not reading.cut)):
        repeats = "the batch at which it was saved is trained again" * (index < reading.trained)
        yield reading._replace(cut=False, kind=repeats)
        if before.saved:
            kind = "saved in on_train_epoch_start: the epoch before"
            ways = [reading.left(), reading.next_pass()] if before.cut else [reading.left()]
            yield from (way._replace(kind=kind) for way in ways)
        if again and reading.cut:
            yield reading.next_pass()._replace(kind="a second fit begins in mid-epoch")
    elif reading.opened:
        yield reading.next_pass()
        if not reading.cut:  # Lightning has not ended it
            yield reading._replace(trained=0, kind="a pass is begun again from its first batch")
    elif index == 0 or batches is None:
        yield reading.next_pass()._replace(kind="a whole pass is trained again" * (index > 0))
    else:
        lone = index >= batches - 1
        kind = "a batch of a finished epoch" if lone else "what a longer loader has behind an epoch"
        if again or before.saved:
            kind += ", " + ("second fit" if again else "saved in on_train_epoch_start")
        yield reading._replace(kind=kind)
        if again or before.saved or batches == 1 or not lone:
            yield reading.next_pass()._replace(kind=kind)


def readings(events):
    """Return the readings of a whole ledger, whatever its rates."""
    found = {Reading()}
    for event in events:
        found = {after for each in found for after in follow(each, event)}
    return found


def by_settings(run, batches, now, updates):
    """Return the (epochs, updates) that the settings promise with so much done."""
    epoch, first = now.finished, now.trained
    batches = batches or first + 1
    table = run["accumulate"] if isinstance(run["accumulate"], dict) else {"0": run["accumulate"]}
    steps = math.inf if run["max_steps"] == -1 else run["max_steps"]
    while epoch < (run["max_epochs"] or math.inf) and updates < steps:
        factor = max((int(start), each) for start, each in table.items() if int(start) <= epoch)[1]
        for batch in range(min(first, batches - 1), batches):
            updates += updates < steps and ((batch + 1) % factor == 0 or batch + 1 == batches)
        epoch, first = epoch + 1, 0
    return epoch, updates


def _length(run):
    """Return the settings with the batches that an epoch really has."""
    sizes = run["batches"] if run["sized"] else [math.inf]
    return run | {"batches": [min(each, run["limit"] or each) for each in sizes]}


def plans(case, before, run, reference, *, again):
    """Return the planned lengths that are right for a fit; None where the saved one stands.

    Args:
        case: What is tested.
        before: The ledger when the fit begins.
        run: Its settings.
        reference: Called for the ledger of the same fit without our callback.
        again: Whether the Trainer has had a fit before, and no checkpoint is loaded.
    """
    if isinstance(case["curve"]["t_max"], int):
        return [0]
    started = [event[2] for event in before if event[0] == "on_train_start"]
    stands = bool(started) and all(_length(started[-1])[key] == _length(run)[key] for key in LENGTH)
    # A callback before ours saves in this hook before the new plan is made.
    if stands and not again and before[-1][0] != "on_train_start":
        return None
    after = reference()
    began = [event for event in after[len(before) :] if event[0] == "on_train_start"]
    batches = began[0][3] if began else 1
    epochs, steps = case["curve"]["interval"] == "epoch", run["max_steps"]
    if (case["every"] and (not epochs or steps != -1)) or (
        batches is None and epochs == (steps != -1)
    ):
        return [None]
    if batches is None and not epochs:
        return [steps]
    done, end = (sum(event[0] == "update" for event in events) for events in (before, after))
    now = readings(before) if done or not again else {Reading()}
    if (
        again and done
    ):  # it begins an epoch: the next one, or again the one that an exception has left
        restarted = {each._replace(trained=0) for each in now if not each.cut}
        now = restarted | {each.next_pass() for each in now}
    # Saved as one began: the next one, or again the one that the checkpoint before had left.
    now |= {
        each.next_pass() if each.cut else each._replace(trained=0) for each in now if each.began
    }
    # An epoch that is shorter by now is begun again, or has a batch left.
    now |= {each._replace(trained=0) for each in now if batches and each.trained >= batches}
    right = {by_settings(run, batches, each, done)[not epochs] for each in now}
    if len(run["batches"]) == 1:  # else nobody knows the sizes to come: the first one counts
        right |= {each.finished + each.opened for each in readings(after)} if epochs else {end}
    return sorted(right | {each.plan for each in readings(before) if stands})


def layout(curve, plan):
    """Return where each cycle begins and ends, warmup and hold; Refused if that cannot be."""
    t_max, cycles, ratio = curve["t_max"], curve.get("cycles", 1), curve.get("t_mult", 1)
    if not isinstance(t_max, int) and plan is None:
        raise Refused
    parts = [sum(ratio**i for i in range(k + 1)) for k in range(cycles or 300)]
    if t_max is None:
        ends = [(2 * plan * part + parts[-1]) // (2 * parts[-1]) for part in parts]
    else:
        first = t_max if isinstance(t_max, int) else max(1, round(t_max * plan))
        ends = [first * part for part in parts]
    warmup = curve.get("warmup", 0)
    warmup = warmup if isinstance(warmup, int) else round(warmup * ends[0])
    hold = curve.get("hold", 0)
    hold = hold if isinstance(hold, int) else round(hold * ends[0])
    if warmup + hold >= ends[0] or any(end <= start for start, end in pairwise(ends)):
        raise Refused
    return [*pairwise([0, *ends])], warmup, hold


def rate(curve, plan, base, e):
    """Return LR(e) of a param group with this rate of its own."""
    cycles, warmup, hold = layout(curve, plan)
    peak = curve.get("lr_initial", base)
    floor = curve.get("lr_min", curve.get("lr_min_ratio", 0) * peak)
    if e < warmup:
        start = curve.get("warmup_start_ratio", 1 / (warmup + 1))
        return peak * (start + (1 - start) * e / warmup)
    if e < warmup + hold:
        return peak
    for index, (start, end) in enumerate(cycles):
        if e < end:
            begin = start or warmup + hold
            part = (e - begin) / (end - begin)
            height = (peak - floor) * curve.get("peak_decay", 1) ** index
            return floor + height * math.cos(math.pi / 2 * part) ** 2
    return floor


def check(case, events):
    """Return the first wrong update of a ledger, and how often Lightning did what.

    The update is its place, the rates used, and for each reading the right ones; or None.
    """
    found, done, kinds = {Reading()}, [0] * len(case["bases"]), Counter()
    for place, event in enumerate(events):
        if event[0] != "update":
            found = {after for each in found for after in follow(each, event)}
            kinds.update({each.kind for each in found if each.kind})
            continue
        _, index, step, used = event
        right = {each: _right(case, each, index, (step, done[index])) for each in found}
        done[index] += 1
        found = {each for each in found if _same(used, right[each])}
        if not found:
            return (place, used, [[each._asdict(), rates] for each, rates in right.items()]), kinds
    return None, kinds


def _right(case, reading, index, counts):
    curve, bases = case["curve"], case["bases"][index]
    if index not in curve.get("optimizers", [0, 1]):
        return bases
    step = counts[case["every"] is not None]
    e = reading.finished if curve["interval"] == "epoch" else step
    try:
        return [rate(curve, reading.plan, base, e) for base in bases]
    except Refused:  # of several plans this is not the one
        return [math.nan] * len(bases)


def _same(used, right):
    return all(abs(a - b) <= 1e-12 * b for a, b in zip(used, right, strict=True))
