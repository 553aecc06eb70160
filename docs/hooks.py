"""What the documentation shows is made when it is built, by the code that it documents."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from mkdocs.structure.files import File

from cosine_callbacks import CosineAnnealing

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

mpl.use("Agg")
from matplotlib import pyplot as plt

ROOT = Path(__file__).parents[1]
# The same input gives the same file.
mpl.rcParams |= {"svg.hashsalt": "", "figure.figsize": (7, 3.2), "font.size": 9}

CURVES: dict[str, dict[str, Any]] = {
    "cosine": {"lr_min": 0.001},
    "warmup": {"lr_min": 0.001, "warmup": 20},
    "restarts": {"lr_min": 0.001, "cycles": 3},
    "longer": {"lr_min": 0.001, "cycles": 3, "t_mult": 2, "peak_decay": 0.6},
    "floor": {"lr_min_ratio": 0.2, "warmup": 0.1},
}


def picture(parameters: dict[str, Any]) -> str:
    """Return the SVG of a curve of 100 positions, with its constructor as a title."""
    schedule = CosineAnnealing(0.1, 100, **parameters)
    axes = schedule.plot()
    axes.set_title(repr(schedule), family="monospace", fontsize=8)
    file = io.StringIO()
    axes.figure.savefig(file, format="svg", metadata={"Date": None})
    plt.close(axes.figure)
    return file.getvalue()


def output(*arguments: str) -> str:
    """Return what the command prints, as a block of text."""
    command = [sys.executable, "-m", "cosine_callbacks", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    shown = " ".join(["cosine-callbacks", *arguments])
    return f"```text\n$ {shown}\n{run.stdout.rstrip()}\n```\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pictures and the pages that are made of other files."""
    demo = "examples/lightning/config.yaml"
    pages = {f"pictures/{name}.svg": picture(curve) for name, curve in CURVES.items()}
    pages["changelog.md"] = (ROOT / "CHANGELOG.md").read_text()
    pages["benchmarks.md"] = (ROOT / "benchmarks/results/latest.md").read_text()
    pages["command.md"] = (ROOT / "docs/command.md").read_text()
    for place, arguments in {
        "PREVIEW": ("preview", "--config", demo, "--steps_per_epoch", "34"),
        "PREVIEW HELP": ("preview", "--help"),
        "CHECK HELP": ("check", "--help"),
    }.items():
        pages["command.md"] = pages["command.md"].replace(f"<!-- {place} -->", output(*arguments))
    for path, content in pages.items():
        if path in files.src_uris:
            files.remove(files.src_uris[path])
        files.append(File.generated(config, path, content=content))
    return files
