"""What the documentation shows is made by the code that it documents.

The pictures and the output of the command are committed, because the pages are also read in the
repository: `tox run -e picture` makes them again. The site draws its own pictures, renders the
formula, and has a page made of a file from elsewhere.
"""

from __future__ import annotations

import io
import json
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
    from mkdocs.structure.pages import Page

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

# The rates in these pictures were measured: `python -m tests.peers.make_why` writes the file.
COMPARED = {
    "end": ("epoch", "CosineAnnealingLR(optimizer, T_max=20)", "CosineAnnealing, t_max=20"),
    "tail": ("updates left", "Keras' CosineDecay", "CosineAnnealingSchedule"),
    "resume": ("update", "CosineAnnealingLR", "CosineAnnealingCallback"),
}

# Pages without a table of contents beside them.
WIDE = {"cheatsheet.md", "costs.md"}

# The formula as the pages write it, and as the site shows it.
FORMULA = """```text
LR(e) = floor + 1/2 (peak - floor) (1 + cos(pi e / t_max))
```
"""
MATHML = """<p class="formula"><math display="block">
<mi mathvariant="italic">LR</mi><mo>(</mo><mi>e</mi><mo>)</mo><mo>=</mo><mtext>floor</mtext>
<mo>+</mo><mfrac><mn>1</mn><mn>2</mn></mfrac>
<mrow><mo>(</mo><mtext>peak</mtext><mo>&minus;</mo><mtext>floor</mtext><mo>)</mo></mrow>
<mrow><mo>(</mo><mn>1</mn><mo>+</mo><mi>cos</mi><mspace width="0.2em"/>
<mfrac><mrow><mi>π</mi><mi>e</mi></mrow><msub><mi>t</mi><mtext>max</mtext></msub></mfrac>
<mo>)</mo></mrow>
</math></p>
"""


def to_svg(axes: Any) -> str:
    """Return the picture, and close it."""
    svg = io.StringIO()
    axes.figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(axes.figure)
    return svg.getvalue()


def curve(parameters: dict[str, Any]) -> str:
    """Return the picture of a curve of 100 positions, with its constructor as a title."""
    schedule = CosineAnnealing(lr_initial=0.1, t_max=100, **parameters)
    axes = schedule.plot()
    axes.set_title(repr(schedule), family="monospace", fontsize=8)
    return to_svg(axes)


def comparison(name: str) -> str:
    """Return the picture of the rates that another library used, and that we used."""
    rates = json.loads((DOCS / "pictures" / "why.json").read_text())[name]
    unit, theirs, ours = COMPARED[name]
    axes = plt.figure(layout="constrained").add_subplot(
        xlabel=unit, ylabel="learning rate", yscale="log" if name == "tail" else "linear"
    )
    positions = range(len(rates["ours"]))
    if name == "tail":
        positions = range(len(rates["ours"]), 0, -1)
        axes.invert_xaxis()
        # A logarithmic axis has no 0: cut off what is 0.
        axes.set_ylim(1e-13, 1e-7)
        axes.set_title("the last 300 of a million updates, in float32", fontsize=8)
        at = rates["theirs"].index(0.0)
        axes.annotate(
            f"0 in the last {len(positions) - at} updates",
            (positions[at], 1e-13),
            (positions[at] + 25, 1e-12),
            arrowprops={"arrowstyle": "->"},
            ha="right",
        )
    axes.plot(positions, rates["theirs"], label=theirs, color="tab:red", linestyle="--")
    axes.plot(positions, rates["ours"], label=ours, color="tab:blue")
    axes.legend()
    return to_svg(axes)


def pictures() -> dict[str, str]:
    """Return all pictures by name."""
    return {name: curve(parameters) for name, parameters in CURVES.items()} | {
        f"why_{name}": comparison(name) for name in COMPARED
    }


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
    for name, picture in pictures().items():
        (DOCS / "pictures" / f"{name}.svg").write_text(picture)
    page = DOCS / "command.md"
    call = r"(?P<call>```text\n\$ cosine-callbacks (?P<arguments>.*))\n(?s:.*?)```\n"
    page.write_text(re.sub(call, output, page.read_text()))


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Draw the pictures, and add the page that is made of a file from elsewhere."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - the pictures need no mkdocs

    made = {f"pictures/{name}.svg": picture for name, picture in pictures().items()}
    for path in made:
        files.remove(files.src_uris[path])
    made["changelog.md"] = (ROOT / "CHANGELOG.md").read_text()
    for path, content in made.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Render the formula, which is text in the repository, and give wide tables the whole page."""
    if page.file.src_uri in WIDE:
        page.meta["hide"] = ["toc"]
    return markdown.replace(FORMULA, MATHML)


def on_post_page(output: str, **_: Any) -> str:
    """Show a required argument as such: its `field()` only hides the base class's default."""
    output = re.sub(r'<span class="o">=</span><span class="n">field</span>(.*?)\(\)', r"\1", output)
    return re.sub(r"<code><[^>]*>field</\w+>\(\)</code>", "<em>required</em>", output)


if __name__ == "__main__":
    main()
