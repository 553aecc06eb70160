"""What the command imports, and the errors for extras that are not installed."""

import pytest

from tests.preview.conftest import COMMAND
from tests.preview.logs import write_events

WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, *_):
        if name == "{}":
            raise ModuleNotFoundError(name=name)

sys.meta_path.insert(0, Absent())
{}
"""
FLAGS = "--lr_initial 0.1 --t_max 3"
SCHEDULE = "from cosine_callbacks import CosineAnnealing\nCosineAnnealing(lr_initial=1, t_max=3)"


@pytest.mark.parametrize(
    ("package", "arguments", "extra"),
    [
        ("jsonargparse", "preview", "preview"),
        ("plotext", "preview", "preview"),
        ("matplotlib", "preview --save curve.svg", "plot"),
        ("tensorboard", "check a.tfevents", "tensorboard"),
    ],
)
def test_the_extra_is_named(process, package, arguments, extra):
    done = process(arguments, FLAGS, program=WITHOUT.format(package, COMMAND))
    sentence = f"{package} is not installed; run: pip install 'cosine-callbacks[{extra}]'"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {sentence}\n")


def test_plot_names_its_extra(process):
    done = process(program=WITHOUT.format("matplotlib", f"{SCHEDULE}.plot()"))
    sentence = "matplotlib is not installed; run: pip install 'cosine-callbacks[plot]'"
    assert done.stderr.splitlines()[-1] == f"ModuleNotFoundError: {sentence}"


RUN = "from cosine_callbacks._command.main import main; assert main() == 0"
PLANNED = """
from cosine_callbacks._command.plan import make_plans
make_plans(None, {"lr_initial": ["1"], "t_max": "8.0"})
"""
FRAMEWORKS = "jax keras lightning pytorch_lightning tensorflow tf_keras torch"
CONFIG = "preview --config examples/lightning/config.yaml --steps_per_epoch 34"


@pytest.mark.parametrize(
    ("program", "arguments", "names"),
    [
        (RUN, CONFIG, f"{FRAMEWORKS} matplotlib numpy tensorboard"),
        (RUN, f"preview --csv {FLAGS}", f"{FRAMEWORKS} matplotlib numpy plotext"),
        (RUN, f"check --interval step {FLAGS}", f"{FRAMEWORKS} matplotlib"),
        (PLANNED, "", "jsonargparse cosine_callbacks._trainer.cli_types"),
        (f"{SCHEDULE}(3)", "", "matplotlib numpy"),
    ],
    ids=["preview", "numbers", "check", "a plan", "a rate"],
)
def test_what_is_not_imported(process, tmp_path, program, arguments, names):
    log = [write_events(tmp_path, [0.1])] if "check" in arguments else []
    show = f"\nimport sys; print({{*{names.split()}}} & {{*sys.modules}})"
    done = process(arguments, *log, program=program + show)
    assert (done.stdout.splitlines()[-1:], done.stderr) == (["set()"], "")
