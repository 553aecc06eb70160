"""What the documentation shows is made by the code that it documents.

The pictures and the output of the command are committed, for the pages are also read where they
lie: `tox run -e picture` makes them anew. The site draws its pictures itself, and has pages of
files from elsewhere.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

from cosine_callbacks import CosineAnnealing

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

mpl.use("Agg")
from matplotlib import pyplot as plt

DOCS = Path(__file__).parent
ROOT = DOCS.parent
# The same curve is the same file; no outlines of a font.
mpl.rcParams |= {"svg.hashsalt": "cosine-callbacks", "svg.fonttype": "none"}
mpl.rcParams |= {"figure.figsize": (7, 3.2), "font.size": 9}

CURVES: dict[str, dict[str, Any]] = {
    "cosine": {"lr_min": 0.001},
    "warmup": {"lr_min": 0.001, "warmup": 20},
    "restarts": {"lr_min": 0.001, "cycles": 3},
    "longer": {"lr_min": 0.001, "cycles": 3, "t_mult": 2, "peak_decay": 0.6},
    "floor": {"lr_min_ratio": 0.2, "warmup": 0.1},
}


def drawn(parameters: dict[str, Any]) -> str:
    """Return the picture of a curve of 100 positions, with its constructor as a title."""
    schedule = CosineAnnealing(lr_initial=0.1, t_max=100, **parameters)
    axes = schedule.plot()
    axes.set_title(repr(schedule), family="monospace", fontsize=8)
    svg = io.StringIO()
    axes.figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(axes.figure)
    return svg.getvalue()


def output(block: re.Match[str]) -> str:
    """Return a block that begins with a call of the command, with what that prints now."""
    arguments = shlex.split(block["arguments"])
    command = [sys.executable, "-m", "cosine_callbacks", *arguments]
    # Not in braille, which many fonts of browsers have not, or in another width.
    env = os.environ | {"COLUMNS": "80", "PYTHONIOENCODING": "ascii"}
    run = subprocess.run(
        command, capture_output=True, encoding="ascii", check=True, cwd=ROOT, env=env
    )
    return f"{block['call']}\n{run.stdout.rstrip()}\n```\n"


def main() -> None:
    """Write the pictures, and the output of the command into its page."""
    for name, parameters in CURVES.items():
        (DOCS / "pictures" / f"{name}.svg").write_text(drawn(parameters))
    page = DOCS / "command.md"
    call = r"(?P<call>```text\n\$ cosine-callbacks (?P<arguments>.*))\n(?s:.*?)```\n"
    page.write_text(re.sub(call, output, page.read_text()))


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Draw the pictures, and add the pages that are made of other files."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - the pictures need no mkdocs

    made = {f"pictures/{name}.svg": drawn(parameters) for name, parameters in CURVES.items()}
    for path in made:
        files.remove(files.src_uris[path])
    made |= {
        "changelog.md": (ROOT / "CHANGELOG.md").read_text(),
        "benchmarks.md": (ROOT / "benchmarks/results/latest.md").read_text(),
    }
    for path, content in made.items():
        files.append(File.generated(config, path, content=content))
    return files


if __name__ == "__main__":
    main()
