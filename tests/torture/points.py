"""Kill a training run at seeded points, resume it from the files on disk, and compare its rates.

The programs next to this module define how each framework trains; every attempt is a forked
process, so that the framework is imported only once.
"""

import json
import os
import random
import shutil
import signal
import sys
import traceback
from pathlib import Path

COMPLETED, REFUSED = 0, 3
HALF = "half a file"
# Between the two files of a backup: Keras then restores a mixture of two epochs, so that the
# weights differ; the rates must not.
BETWEEN = "between two files"
END = "the weight at the end"


class Disk:
    """The folder where an attempt records its rates and events."""

    def __init__(self, folder, dies_at=None):
        self.folder, self.dies_at, self.events = folder, dies_at, []

    def event(self, name, *files):
        """Record an event, or die there with the given files half written."""
        self.events.append(name)
        if len(self.events) - 1 == self.dies_at:
            for file in files:
                data = file.read_bytes()
                file.write_bytes(data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)

    def used(self, place, rate):
        """Record the rate that is used at this place of the run."""
        with (self.folder / "used.jsonl").open("a") as file:
            file.write(json.dumps([place, rate]) + "\n")

    def rates(self):
        """Return all (place, rate) recorded; a place that was trained twice is there twice."""
        lines = (self.folder / "used.jsonl").read_text().splitlines()
        return [(json.dumps(place), rate) for place, rate in map(json.loads, lines)]


def attempt(train, disk, *arguments):
    """Train in a forked process; return its exit status."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = train(disk, *arguments)
        except Exception:  # noqa: BLE001 - the test shows what the program wrote
            traceback.print_exc()
        else:
            (disk.folder / "events.json").write_text(json.dumps(disk.events))
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run_matrix(train, cases, points):
    """Kill each case at a number of points, resume it, and print the counts as JSON.

    Args:
        train: Called with a Disk, a case and whether to delete the newest checkpoint; returns
            COMPLETED, or REFUSED where the framework cannot read the files on disk.
        cases: Name to arguments of the curve.
        points: At how many points to kill each case.

    The JSON has the numbers of points, compared rates, differences and refusals, the events at
    which a run was killed, and the rates of each uninterrupted case.
    """
    result = {"killed": 0, "compared": 0, "differences": 0, "refused": 0, "events": {}, "runs": {}}
    root = Path(sys.argv[1])
    for name, case in cases.items():
        folder = root / name
        folder.mkdir()
        disk = Disk(folder)
        assert attempt(train, disk, case, False) == COMPLETED  # noqa: FBT003
        right = dict(disk.rates())
        result["runs"][name] = list(right.values())
        events = json.loads((folder / "events.json").read_text())
        rng = random.Random(name)
        # Half a file is the worst case: include at least one.
        halves = [at for at, event in enumerate(events) if event == HALF]
        chosen = {rng.choice(halves), *rng.sample(range(len(events)), min(points, len(events)))}
        for at in sorted(chosen):
            place = root / f"{name}-{at}"
            place.mkdir()
            status = attempt(train, Disk(place, at), case, False)  # noqa: FBT003
            assert status == -signal.SIGKILL, f"{name}: {events[at]} ended with {status}"
            status = attempt(train, Disk(place), case, False)  # noqa: FBT003
            if status == REFUSED:
                assert events[at] == HALF, f"{name}, refused after {events[at]}"
                result["refused"] += 1
                status = attempt(train, Disk(place), case, True)  # noqa: FBT003
            assert status == COMPLETED, f"{name}, resumed after {events[at]}, ended with {status}"
            found = Disk(place).rates()
            if events[at] == BETWEEN:
                found[-1] = (found[-1][0], right[found[-1][0]])
            assert dict(found).keys() == right.keys(), f"{name}, resumed after {events[at]}"
            result["killed"] += 1
            result["compared"] += len(found)
            result["differences"] += sum(rate != right[where] for where, rate in found)
            result["events"][events[at]] = result["events"].get(events[at], 0) + 1
            shutil.rmtree(place)
    print(json.dumps(result))
