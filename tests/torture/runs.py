"""Random Lightning runs, resumed from random checkpoints, held against the oracle.

    python -m tests.torture.runs --seed 7 --cases 1

prints the case of seed 7: the first wrong rate, and how to get there.
"""

import argparse
import json
import logging
import random
import sys
import warnings
from collections import Counter

import torch

from .ledger import HOOKS, Memory, Session
from .oracle import Refused, check, layout, plans

# How many checkpoints are resumed in each generation, from each fit.
RESUMED = (2, 1, 1)


def random_curve(rng, case):
    """Return the arguments of the callback."""
    interval = rng.choice(["epoch", "step"])
    counted = interval == "step" and case["every"] is not None
    lengths = [rng.randint(2, 16)] if counted else [None, None, 0.37, 1.0, rng.randint(2, 16)]
    curve = {"interval": interval, "t_max": rng.choice(lengths)}
    optional = {
        "lr_initial": [0.3],
        "cycles": [2, 3] if curve["t_max"] is None else [2, 3, None],
        "t_mult": [2],
        "peak_decay": [0.5],
        "warmup": [1, 0.21] if isinstance(curve["t_max"], int) else [1, 2, 0.21],
    }
    for name, values in optional.items():
        if rng.random() < 0.3:
            curve[name] = rng.choice(values)
    if curve.get("warmup") and rng.random() < 0.5:
        curve["warmup_start_ratio"] = rng.choice([0.0, 0.25, 1.0])
    if rng.random() < 0.5:
        curve |= rng.choice([{"lr_min": 0.001}, {"lr_min_ratio": 0.1}])
    if len(case["bases"]) > 1 and rng.random() < 0.5:
        curve["optimizers"] = rng.choice([0, [1], [0, 1]])
    return curve


def random_case(rng):
    """Return what all fits of a case have in common."""
    manual = rng.random() < 0.25
    optimizers = rng.choice([1, 2]) if manual else 1
    case = {
        "every": [rng.choice([1, 2]) for _ in range(optimizers)] if manual else None,
        "bases": [[0.1, 0.05][: rng.choice([1, 1, 2])] for _ in range(optimizers)],
        "first": rng.choice([0, 1]),
    }
    case["curve"] = random_curve(rng, case)
    return case


def random_run(rng, case):
    """Return the settings of a first fit."""
    batches, sized = rng.randint(1, 7), rng.random() < 0.75
    limits = rng.choice(["epochs", "epochs", "steps", "both"])
    steps = rng.randint(1, 4 * batches)
    run = {
        "batches": [batches],
        "sized": sized,
        "limit": rng.choice([None] * 4 + [rng.randint(1, batches)]),
        "max_epochs": None if limits == "steps" else rng.randint(1, 5),
        "max_steps": -1 if limits == "epochs" else steps,
        "accumulate": 1,
    }
    if case["every"] is None:
        table = {"0": rng.randint(1, 3), str(rng.randint(1, 3)): rng.randint(1, 4)}
        run["accumulate"] = rng.choice([1, 1, 2, 3, 4, table])
    if sized and run["limit"] is None and rng.random() < 0.1:
        run["batches"] = [rng.randint(1, 7) for _ in range(5)]
    return run | around(rng, run)


def around(rng, run):
    """Return the settings that do not change the length: validation, how it ends, what is saved."""
    fewest = min([*run["batches"], run["limit"] or 9])
    # limit_val_batches, val_check_interval, check_val_every_n_epoch
    validation = rng.choice([[0, 1.0, 1], [1, 1.0, 1], [1, rng.randint(1, fewest), 1], [1, 1.0, 2]])
    stop = None
    if rng.random() < 0.4:
        kind = rng.choice(["raise", "should_stop", "skip"])
        hook = {"raise": rng.choice(HOOKS[1:7]), "skip": "on_train_batch_start"}
        stop = [kind, hook.get(kind, "on_train_batch_end"), rng.randint(1, 9)]
    checkpoint = rng.choice(
        [
            None,
            {"every_n_train_steps": rng.randint(1, 4)},
            {"every_n_train_steps": run["batches"][0], "save_on_train_epoch_end": False},
            {"every_n_epochs": 1, "save_on_train_epoch_end": rng.choice([True, False])},
        ]
    )
    saves = rng.choice([0.1, 0.3])
    return {"validation": validation, "stop": stop, "checkpoint": checkpoint, "saves": saves}


def changed_run(rng, run, case):
    """Return the settings of a later fit."""
    after = {**run}
    change = rng.choice(["nothing", "nothing", "longer", "longer", "batches", "accumulate"])
    if len(run["batches"]) > 1:
        pass  # nobody knows what is left
    elif change == "longer":
        after["max_epochs"] = run["max_epochs"] and run["max_epochs"] + rng.randint(1, 3)
        after["max_steps"] += run["max_steps"] > 0 and rng.randint(1, 9)
    elif change == "batches":
        after |= {"batches": [rng.randint(1, 7)], "limit": None}
    elif change == "accumulate" and case["every"] is None and run["accumulate"] in (1, 2, 3, 4):
        after["accumulate"] = rng.randint(1, 4)
    return after | around(rng, after)


def seeded(*parts):
    return random.Random("/".join(map(str, parts)))


class Explorer:
    """A case: a first fit, resumes from its checkpoints, resumes from theirs."""

    def __init__(self, seed):
        self.seed, self.memory = seed, Memory()
        rng = seeded(seed)
        self.case, self.kinds, self.faults = random_case(rng), Counter(), []
        self.run = random_run(rng, self.case)

    def explore(self):
        self.node(["fit"], [], self.run, None, [])
        return self

    def node(self, path, before, run, file, history):
        """Train a fit, perhaps another on the same Trainer, and what resumes from both."""
        rng = seeded(self.seed, *path)
        self.kinds["sessions"] += 1
        folder = f"/memory/{self.seed}-{self.kinds['sessions']}"
        session = Session(self.case, run, self.memory, folder, ours=True)
        fits = [(run, file)]
        while True:
            run = fits[-1][0]
            again = len(fits) > 1
            right = plans(self.case, before, run, lambda: self.reference(fits), again=again)
            history = [*history, {"path": "/".join(path), "run": run, "plans": right}]
            error = session.fit(run, right, fits[-1][1])
            if not self.judge(session.recorder.events, len(before), error, right, history):
                return
            self.resume(path, folder, run, history)
            # Lightning refuses a second fit with GradientAccumulationScheduler.
            refused = isinstance(run["accumulate"], dict) or len(run["batches"]) > 1
            if len(fits) == 2 or rng.random() < 0.7 or refused:
                return
            before, path = session.recorder.events[:], [*path, "again"]
            fits.append((changed_run(rng, run, self.case), None))

    def reference(self, fits):
        """Return the ledger of these fits on one Trainer without our callback."""
        session = Session(self.case, fits[0][0], self.memory)
        for run, file in fits:
            last = run is fits[-1][0]
            error = session.fit({**run, "stop": None} if last else run, file=file)
            assert error is None, error
        return session.recorder.events

    def judge(self, events, begin, error, right, history):
        """Note a wrong rate; return whether the fit may be resumed."""
        refused = [right is not None and _refuses(self.case, plan) for plan in right or [None]]
        if right == [] and error is None:
            self.kinds["nothing to train"] += 1
        elif error is not None and not any(refused):
            self.faults.append([*history, {"refused": str(error)}])
        elif error is None and all(refused):
            self.faults.append([*history, {"not refused": right}])
        elif error is not None:
            self.kinds["refused"] += 1
        elif wrong := check(self.case, events):
            place, used, expected = wrong
            expected = [[each._asdict(), rates] for each, rates in expected.items()]
            self.faults.append(
                [*history, {"ledger": events[: place + 1], "used": used, "right": expected}]
            )
        else:
            self.kinds["fits"] += 1
            self.kinds["updates"] += sum(event[0] == "update" for event in events[begin:])
            return True
        return False

    def resume(self, path, folder, run, history):
        """Resume from some of the checkpoints of this fit."""
        generation = sum(step.startswith("resume") for step in path)
        rng = seeded(self.seed, *path, "resume")
        by_hook = {}
        for file in self.memory.saved:
            if file.startswith(f"{folder}/"):
                by_hook.setdefault(hook_of(file), []).append(file)
        if generation == len(RESUMED) or not by_hook:
            return
        for _ in range(RESUMED[generation]):
            file = rng.choice(by_hook[rng.choice(sorted(by_hook))])
            self.kinds[f"resumed from {hook_of(file)}"] += 1
            before = json.loads(self.memory.saved[file]["ledger"])
            after = changed_run(rng, run, self.case)
            self.node([*path, f"resume {file.split('/')[-1]}"], before, after, file, history)


def hook_of(file):
    name = file.split("/")[-1].split("-")[0]
    return "ModelCheckpoint" if "=" in name else name


def _refuses(case, plan):
    try:
        layout(case["curve"], plan)
    except Refused:
        return True
    return False


def explore(seed):
    """Run the case of this seed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("lightning", "lightning.pytorch", "pytorch_lightning"):
            logging.getLogger(name).setLevel(logging.ERROR)
        return Explorer(seed).explore()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    kinds, faults = Counter(), 0
    for seed in range(arguments.seed, arguments.seed + arguments.cases):
        explorer = explore(seed)
        kinds += explorer.kinds
        faults += len(explorer.faults)
        for *history, fault in explorer.faults[: 1 if arguments.cases > 1 else None]:
            print(f"seed {seed}:", json.dumps(explorer.case))
            for step in history:
                print("  ", json.dumps(step))
            for event in fault.pop("ledger", []):
                print("     ", json.dumps(event))
            print("  ", json.dumps(fault))
    print(f"{faults} faults", *(f"{kinds[kind]} {kind}" for kind in sorted(kinds)), sep="\n")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
