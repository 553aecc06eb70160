"""README.md, block by block: each environment runs what its framework can."""

import math
import os
import re
import shlex
import shutil
import subprocess
import sys
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
TOKENS = MarkdownIt().parse((ROOT / "README.md").read_text())
DRIVERS = os.environ["COSINE_CALLBACKS_DRIVERS"].split()


def python(block, folder):
    variables = {}
    exec(block, variables)  # noqa: S102 - the page is our own
    if "schedule" in variables:
        peak = float(variables["schedule"](0))
        assert peak == pytest.approx(0.1 if driver(block) == "formula" else 1e-3, rel=1e-6)
    if "trainer" in variables:
        assert variables["cosine"] in variables["trainer"].callbacks
    if "model" in variables:
        last = 1e-5 + (1e-3 - 1e-5) * (1 + math.cos(0.9 * math.pi)) / 2
        assert float(variables["model"].optimizer.learning_rate) == pytest.approx(last, rel=1e-6)


def yaml(block, folder):
    cli = import_module("lightning.pytorch.cli")
    demos = import_module("lightning.pytorch.demos.boring_classes")
    config = folder / "config.yaml"
    config.write_text(block)
    made = cli.LightningCLI(demos.BoringModel, run=False, args=["--config", str(config)])
    assert made.trainer.max_epochs == 10
    ours = "CosineAnnealingCallback(lr_min=1e-05, warmup=0.05, interval='step')"
    assert ours in map(repr, made.trainer.callbacks)


def console(block, folder):
    (set_up if block.startswith("python3") else command)(block.strip(), folder)


def command(line, folder):
    shutil.copy(ROOT / "examples" / "lightning" / "config.yaml", folder)
    preview = "cosine-callbacks preview --config config.yaml --steps_per_epoch 34 --csv"
    log = run(preview, folder).replace("step,learning_rate\n", "step,lr-Adam\n", 1)
    (folder / "metrics.csv").write_text(log)
    assert run(line, folder)
    if "--save" in line:
        assert (folder / "curve.svg").stat().st_size


def run(line, folder):
    program = Path(sys.executable).with_name("cosine-callbacks")
    name, *arguments = shlex.split(line)
    assert name == program.name
    done = subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def set_up(line, folder):
    assert line.startswith("python3 -m venv .venv && .venv/bin/pip install tox && ")
    words = line.rpartition(".venv/bin/tox run")[2].split()
    tox = ConfigParser()
    tox.read(ROOT / "tox.ini")
    # Without words it is the default run; else one environment, which has commands of its own.
    assert not words or (words[0] == "-e" and f"{words[1]}-" in tox["testenv"]["commands"])


def driver(block):
    """Return the adapter that a block uses; the core's environment runs what uses none."""
    adapter = re.search(r"cosine_callbacks\.(\w+)", block)
    return adapter.group(1) if adapter else "formula"


BLOCKS = [
    pytest.param(globals()[token.info], token.content, id=f"{token.info} in line {token.map[0]}")
    for token in TOKENS
    if token.type == "fence" and driver(token.content) in DRIVERS
]


@pytest.mark.parametrize(("runs", "block"), BLOCKS)
def test_the_readme(runs, block, tmp_path):
    runs(block, tmp_path)
