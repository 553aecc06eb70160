"""The command, run in this process or in a new one; its arguments are texts of words, and paths."""

import subprocess
import sys

import pytest

from cosine_callbacks._command.main import main

COMMAND = "import sys; from cosine_callbacks._command.main import main; sys.exit(main())"


def words(arguments):
    """Return the words of texts, and paths as they are."""
    parts = ([str(each)] if hasattr(each, "parent") else str(each).split() for each in arguments)
    return [word for part in parts for word in part]


@pytest.fixture
def command(capsys):
    """Run the command here; return its exit status, its output and its error output."""

    def run(*arguments):
        try:
            status = main(words(arguments))
        except SystemExit as end:  # --help
            status = end.code
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def output_of(command):
    """Run the command here, which must succeed; return its output."""

    def run(*arguments):
        status, output, stderr = command(*arguments)
        assert (status, stderr) == (0, "")
        return output

    return run


@pytest.fixture
def assert_refused(command, tmp_path):
    """Check that the command prints one error line that begins so, exits with 2, writes nothing."""

    def check(sentence, *arguments):
        before = sorted(tmp_path.rglob("*"))
        status, output, stderr = command(*arguments)
        assert (status, output, stderr.count("\n")) == (2, "", 1)
        assert stderr.startswith(f"error: {sentence}")
        assert sorted(tmp_path.rglob("*")) == before

    return check


@pytest.fixture
def process():
    """Run the command or another program in a new process, with pipes and no terminal."""

    def run(*arguments, program=COMMAND, given=None):
        line = [sys.executable, "-c", program, *words(arguments)]
        return subprocess.run(
            line, input=given, capture_output=True, text=True, check=False, timeout=60
        )

    return run
