"""Random Lightning runs, resumed from random checkpoints, held against the oracle.

`python -m tests.torture.runs --seed 7 --cases 1` shows what is wrong in the case of seed 7: the
settings of each fit on the way there, the ledger, the rates used, and for each reading the right
ones.
"""

import argparse
import json
import logging
import random
import sys
import warnings
from collections import Counter

import torch

from .ledger import HOOKS, WITHIN, Memory, Session
from .oracle import Refused, check, layout, plans

# How many checkpoints of a fit are resumed, by generation.
RESUMED = (2, 1, 1)


def seeded(*parts):
    return random.Random("/".join(map(str, parts)))


def random_case(rng):
    """Return the optimizers and the arguments of the callback: the same in all fits of a case."""
    count = rng.choice([1, 2]) if rng.random() < 0.25 else 0
    manual, interval = count > 0, rng.choice(["epoch", "step"])
    counted = [rng.randint(2, 16)]
    lengths = counted if manual and interval == "step" else [None, None, 0.37, 1.0, *counted]
    curve = {"interval": interval, "t_max": rng.choice(lengths)}
    optional = {
        "lr_initial": [0.3],
        "cycles": [2, 3] if curve["t_max"] is None else [2, 3, None],
        "t_mult": [2],
        "peak_decay": [0.5],
        "warmup": [1, 0.21] if isinstance(curve["t_max"], int) else [1, 2, 0.21],
        "hold": [1, 0.3],
        "optimizers": [[0], [1], [0, 1]] if count > 1 else [[0]],
        rng.choice(["lr_min", "lr_min_ratio"]): [0.001, 0.01],
    }
    curve |= {name: rng.choice(each) for name, each in optional.items() if rng.random() < 0.3}
    if "warmup" in curve and rng.random() < 0.5:
        curve["warmup_start_ratio"] = rng.choice([0.0, 0.25, 1.0])
    return {
        # Manual optimization: each optimizer is updated at every such batch.
        "every": [rng.choice([1, 2]) for _ in range(count)] or None,
        # The rates of the param groups of each optimizer.
        "bases": [[0.1, 0.05][: rng.choice([1, 1, 2])] for _ in range(count or 1)],
        # Whether the recorder, which saves the checkpoints, comes before our callback.
        "first": rng.choice([0, 1]),
        "curve": curve,
    }


def random_run(rng, case):
    """Return the settings of a first fit."""
    batches, sized, limits = rng.randint(1, 7), rng.random() < 0.75, rng.choice("eesb")
    table = {"0": rng.randint(1, 3), str(rng.randint(1, 3)): rng.randint(1, 4)}
    run = {
        "batches": [batches],
        "sized": sized,
        "limit": rng.choice([None] * 4 + [rng.randint(1, batches)]),
        "max_epochs": None if limits == "s" else rng.randint(1, 5),
        "max_steps": -1 if limits == "e" else rng.randint(1, 4 * batches),
        "accumulate": 1 if case["every"] else rng.choice([1, 1, 2, 3, 4, table]),
    }
    if sized and run["limit"] is None and rng.random() < 0.1:  # reloaded every epoch
        run["batches"] = [rng.randint(1, 7) for _ in range(5)]
    return run | random_surroundings(rng, run)


def changed_run(rng, run, case):
    """Return the settings of a later fit."""
    change = rng.choice(["nothing", "nothing", "longer", "longer", "batches", "accumulate"])
    after = {**run}
    if len(run["batches"]) > 1:
        pass  # nobody knows what is left
    elif change == "longer":
        after["max_epochs"] = run["max_epochs"] and run["max_epochs"] + rng.randint(1, 3)
        after["max_steps"] += run["max_steps"] > 0 and rng.randint(1, 9)
    elif change == "batches":
        after |= {"batches": [rng.randint(1, 7)], "limit": None}
    elif change == "accumulate" and not case["every"] and not isinstance(run["accumulate"], dict):
        after["accumulate"] = rng.randint(1, 4)
    return after | random_surroundings(rng, after)


def random_surroundings(rng, run):
    """Return the settings that do not change the length: validation, the end, what is saved."""
    interval = rng.choice([1.0, 1.0, rng.randint(1, min([*run["batches"], run["limit"] or 9]))])
    validation = {"val_check_interval": interval, "check_val_every_n_epoch": rng.choice([1, 2])}
    stops = [["raise", rng.choice(WITHIN)], ["should_stop", WITHIN[3]]]
    checkpoints = [
        None,
        {"every_n_train_steps": rng.randint(1, 4)},
        {"every_n_train_steps": run["batches"][0], "save_on_train_epoch_end": False},
        {"every_n_epochs": 1, "save_on_train_epoch_end": rng.choice([True, False])},
    ]
    return {
        "validation": {"limit_val_batches": rng.choice([0, 1]), **validation},
        "stop": [*rng.choice(stops), rng.randint(1, 9)] if rng.random() < 0.4 else [],
        "checkpoint": rng.choice(checkpoints),
        "saves": rng.choice([0.1, 0.3]),  # the part of all hooks
    }


class Explorer:
    """A case: a first fit, resumes from its checkpoints, resumes from theirs."""

    def __init__(self, seed):
        rng = seeded(seed)
        self.seed, self.memory, self.case = seed, Memory(), random_case(rng)
        self.kinds, self.faults = Counter(), []
        self.explore("fit", [], random_run(rng, self.case), None, [])

    def explore(self, path, before, run, file, history):
        """Train a fit, perhaps another on the same Trainer, and what resumes from both."""
        rng, fits = seeded(self.seed, path), []
        self.kinds["trainers"] += 1
        folder = f"/memory/{self.seed}-{self.kinds['trainers']}"
        session = Session(self.case, run, self.memory, folder)
        for again in (False, True):
            fits.append((run, file))
            reference = lambda: self.reference(fits)  # noqa: E731 - not each fit needs one
            right = plans(self.case, before, run, reference, again=again)
            history = [*history, {"fit": path, "settings": run, "plans": right}]
            error = session.fit(run, right, file)
            if not self.judge(session.recorder.events, len(before), error, right, history):
                return
            self.resume(path, folder, run, history)
            # Lightning refuses a second fit with GradientAccumulationScheduler.
            refused = isinstance(run["accumulate"], dict) or len(run["batches"]) > 1
            if refused or rng.random() < 0.7:
                return
            before, path = session.recorder.events[:], f"{path}/again"
            run, file = changed_run(rng, run, self.case), None

    def reference(self, fits):
        """Return the ledger of these fits on one Trainer without our callback."""
        session = Session(self.case, fits[0][0], self.memory)
        for number, (run, file) in enumerate(fits, 1):
            error = session.fit(run | ({"stop": []} if number == len(fits) else {}), file=file)
            assert error is None, error
        return session.recorder.events

    def judge(self, events, begin, error, right, history):
        """Note a fault; return whether the fit went on to its end."""
        refused = [_refuses(self.case, plan) for plan in right or []]
        fault, wrong = {}, None
        if error is not None and not any(refused):
            fault = {"refused": str(error)}
        elif error is None and refused and all(refused):
            fault = {"not refused": right}
        elif error is None:
            wrong, after = check(self.case, events)
            self.kinds += after - check(self.case, events[:begin])[1]
            self.kinds["fits"] += 1
            self.kinds["updates"] += sum(event[0] == "update" for event in events[begin:])
            self.kinds["length: by the settings or as it really is"] += len(right or []) > 1
        else:
            self.kinds["refused, rightly"] += 1
        if wrong:
            fault = {"ledger": events[: wrong[0] + 1], "used": wrong[1], "right": wrong[2]}
        if fault:
            self.faults.append([{"seed": self.seed, **self.case}, *history, fault])
        return error is None and not fault

    def resume(self, path, folder, run, history):
        """Resume from some of the checkpoints of this fit."""
        generation, by_hook = path.count("resume"), {}
        rng = seeded(self.seed, path, "resume")
        for file in self.memory.saved:
            if file.startswith(f"{folder}/"):
                hook = file.split("/")[-1].split("-")[0]
                by_hook.setdefault(hook if hook in HOOKS else "ModelCheckpoint", []).append(file)
        for _ in range(RESUMED[generation] if by_hook and generation < len(RESUMED) else 0):
            hook = rng.choice(sorted(by_hook))
            file = rng.choice(by_hook[hook])
            self.kinds[f"resumed from {hook}"] += 1
            before = json.loads(self.memory.saved[file]["ledger"])
            after = changed_run(rng, run, self.case)
            self.explore(f"{path}/resume {file.split('/')[-1]}", before, after, file, history)


def _refuses(case, plan):
    try:
        layout(case["curve"], plan)
    except Refused:
        return True
    return False


def explore(seed):
    """Return the kinds of what happened in the case of this seed, and its faults."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("lightning", "lightning.pytorch", "pytorch_lightning"):
            logging.getLogger(name).setLevel(logging.ERROR)
        explorer = Explorer(seed)
    return explorer.kinds, explorer.faults


def shown(fault):
    """Return the lines that show a fault."""
    *history, last = fault
    return "\n   ".join(map(json.dumps, [*history, *last.pop("ledger", []), last]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    total, faults = Counter(), []
    for seed in range(arguments.seed, arguments.seed + arguments.cases):
        kinds, found = explore(seed)
        total += kinds
        faults += found
        print(
            *map(shown, found[:1] if arguments.cases > 1 else found),
            sep="\n",
            end="\n" if found else "",
        )
    print(f"{len(faults)} faults", *(f"{total[kind]} {kind}" for kind in sorted(total)), sep="\n")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
