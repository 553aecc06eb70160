"""The errors for extras that are not installed."""

import subprocess
import sys

import pytest

WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "{0}":
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
{1}
"""
COMMAND = "from cosine_callbacks._command.main import main; sys.exit(main(sys.argv[1:]))"
FLAGS = ["--lr_initial", "0.1", "--t_max", "3"]


def run_without(package, program, *arguments):
    command = [sys.executable, "-c", WITHOUT.format(package, program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("package", "arguments", "extra"),
    [
        ("jsonargparse", ["preview", *FLAGS], "preview"),
        ("plotext", ["preview", *FLAGS], "preview"),
        ("matplotlib", ["preview", *FLAGS, "--save", "curve.svg"], "plot"),
        ("tensorboard", ["check", "a.tfevents", *FLAGS], "tensorboard"),
    ],
)
def test_the_extra_is_named(package, arguments, extra):
    done = run_without(package, COMMAND, *arguments)
    sentence = f"{package} is not installed; run: pip install 'cosine-callbacks[{extra}]'"
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {sentence}\n"


def test_numbers_need_no_plotext():
    done = run_without("plotext", COMMAND, "preview", *FLAGS, "--csv")
    assert (done.returncode, done.stderr) == (0, "")


def test_plot_names_its_extra():
    program = """
from cosine_callbacks import CosineAnnealing
CosineAnnealing(lr_initial=1, t_max=3).plot()
"""
    done = run_without("matplotlib", program)
    sentence = "matplotlib is not installed; run: pip install 'cosine-callbacks[plot]'"
    assert done.stderr.splitlines()[-1] == f"ModuleNotFoundError: {sentence}"
