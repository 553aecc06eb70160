"""Run the code blocks of README.md and docs, in each environment those of its framework."""

import doctest
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
# tests/peers runs the cheatsheet, together with its packages.
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("examples/*.md"))]
PAGES += sorted(ROOT.glob("docs/**/*.md"))
PAGES.remove(ROOT / "docs" / "cheatsheet.md")
DRIVERS = os.environ["COSINE_CALLBACKS_DRIVERS"].split()


def python(block, folder):
    variables = {}
    if block.startswith(">>>"):
        examples = doctest.DocTestParser().get_doctest(block, variables, "block", None, None)
        assert doctest.DocTestRunner().run(examples).failed == 0
        return
    exec(block, variables)  # noqa: S102 - the page is our own
    if "schedule" in variables:
        peak = float(variables["schedule"](0))
        assert peak == pytest.approx(0.1 if driver(block) == "formula" else 1e-3, rel=1e-6)
    if "trainer" in variables:
        trainer = variables["trainer"]
        assert variables["cosine"] in trainer.callbacks
        if "trainer.fit(" in block:
            # Lightning's next update, and that of torch's scheduler, would be at the floor.
            assert trainer.global_step == 100
            assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(1e-5, rel=1e-12)
    elif "scheduler" in variables:
        assert variables["scheduler"].get_last_lr() == pytest.approx([1e-5], rel=1e-12)
    elif "model" in variables:
        last = 1e-5 + (1e-3 - 1e-5) * (1 + math.cos(0.9 * math.pi)) / 2
        # A callback leaves the last rate; a schedule returns that of the next update.
        right = last if "CosineAnnealingCallback" in block else 1e-5
        assert float(variables["model"].optimizer.learning_rate) == pytest.approx(right, rel=1e-6)


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
    for line in block.splitlines():
        {"python3": set_up, "cosine-callbacks": command, "pip": install}[line.split()[0]](
            line, folder
        )


def install(line, folder):
    names = re.fullmatch(r"pip install 'cosine-callbacks\[([a-z,-]+)\]'", line).group(1).split(",")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {*names} <= {*project["optional-dependencies"]}


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
    start = "python3 -m venv .venv && .venv/bin/pip install tox"
    assert line.startswith(start)
    _, runs, words = line.partition(" && .venv/bin/tox run")
    tox = ConfigParser()
    tox.read(ROOT / "tox.ini")
    # Without arguments it is the default run; otherwise one environment, with its own commands.
    option, name = words.split() or ("-e", "lint")
    assert option == "-e"
    assert f"testenv:{name}" in tox or f"{name}-" in tox["testenv"]["commands"]
    assert runs or line == f"{start} pre-commit && .venv/bin/pre-commit install"


def driver(block):
    """Return the adapter that a block uses, and Lightning for plain torch, installed with it.

    The core environment runs the blocks that need no framework.
    """
    adapter = re.search(r"cosine_callbacks\.(\w+)", block)
    if adapter:
        return adapter.group(1)
    return "lightning" if "import torch" in block else "formula"


BLOCKS = [
    pytest.param(globals()[token.info], token.content, id=f"{page.name} line {token.map[0] + 1}")
    for page in PAGES
    for token in MarkdownIt().parse(page.read_text())
    if token.type == "fence" and token.info != "text" and driver(token.content) in DRIVERS
]


@pytest.mark.parametrize(("runs", "block"), BLOCKS)
def test_every_block(runs, block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a Trainer writes its log there
    runs(block, tmp_path)


def test_every_link():
    """mkdocs checks the links of the site; these pages are also read in the repository."""
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
            assert "://" in link or (page.parent / link).exists(), (page, link)


def test_the_readme_can_be_read_elsewhere():
    """A package index shows no file of the repository and renders no formula."""
    page = (ROOT / "README.md").read_text()
    assert len(page.split()) <= 1200
    assert re.findall(r"(?<!!)\[[^\]]*\]\((?!https://)|\$\$", page) == []
    named = re.findall(r"`((?:docs|examples)/[^`]*|\w+\.md)`", page)
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_citation_is_of_this_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {project['version']}\nlicense: {project['license']}\n" in citation


def test_every_example():
    page = (ROOT / "examples" / "README.md").read_text()
    listed = set(re.findall(r"^\| `.*python (examples/\S+)` \|", page, re.MULTILINE))
    assert listed == {str(file.relative_to(ROOT)) for file in ROOT.glob("examples/**/*.py")}
