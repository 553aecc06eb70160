"""The command, run in this process or in a new one."""

import os
import subprocess
import sys

import pytest

from cosine_callbacks._command.main import main


@pytest.fixture
def command(capsys):
    """Run the command here; return its exit status, its output and its error output."""

    def run(*arguments):
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as end:  # --help
            status = end.code
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def process():
    """Run the command in a new process, with a pipe and no terminal as its output."""

    def run(*arguments, **environment):
        inherited = {name: os.environ[name] for name in os.environ if name != "COLUMNS"}
        return subprocess.run(
            [sys.executable, "-m", "cosine_callbacks", *map(str, arguments)],
            env=inherited | environment,
            capture_output=True,
            encoding=environment.get("PYTHONIOENCODING", "utf-8"),
            check=False,
            timeout=60,
        )

    return run


@pytest.fixture
def assert_refused(command, tmp_path):
    """Check that the command prints this one error line, exits with 2 and writes nothing."""

    def check(sentence, *arguments):
        before = sorted(tmp_path.rglob("*"))
        status, output, stderr = command(*arguments)
        assert (status, output) == (2, "")
        assert stderr.splitlines() == [f"error: {sentence}"]
        assert sorted(tmp_path.rglob("*")) == before

    return check
