"""Programs of the tests, run in a process of their own."""

import json
import os
import subprocess
import sys


def run_program(program, *arguments, expect=0, timeout=300, **environment):
    """Run a program in a new process, and return the JSON of the last line that it printed.

    It finds the modules in its own folder. Like the tests, it imports the installed package and
    not the checkout.
    """
    path = filter(None, [str(program.parent), os.environ.get("PYTHONPATH")])
    done = subprocess.run(
        [sys.executable, program, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert done.returncode == expect, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout else None
