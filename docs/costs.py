"""Write docs/costs.md from the figures of the last run: `python docs/costs.py`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "latest.json"
PAGE = ROOT / "docs" / "costs.md"
TEXT = """# Costs

Each figure is our cost divided by the cost in the "against" column, unless it has a unit: below 1
we are cheaper. It is the median of several rounds; in each round both are measured in turn in one
process. A figure in bold misses its target. `tox run -e bench` measures all of this and writes this
page; the quartiles are in `benchmarks/results/latest.md`.

Measured {date} on {machine} with Python {python}, {packages}.

| what | against | cost | target | what you notice |
|---|---|---|---|---|
{rows}
"""
BACKEND = r"(tensorflow|jax|torch)"
# Which figures make a row, by the name of the figure; its groups name the variants. Then what the
# row calls them, and what a user notices.
ROWS = [
    (
        r"Lightning step, (.*), over no callback",
        "what we add to a training step in Lightning",
        "What a run pays; with one group most of it is what Lightning spends on any callback.",
    ),
    (
        r"Lightning step, (.*), over an empty callback",
        "the same, beside a callback that does nothing",
        "What a run pays that has other callbacks already.",
    ),
    (
        r"one update, (\d+ groups?), one float rate",
        "the rates of one update, one peak for all groups",
        "Our own work at each update, without Lightning.",
    ),
    (
        r"one update, (\d+ groups?), each its float rate",
        "the rates of one update, a peak for each group",
        "Rates for each layer cost no more than one rate for all.",
    ),
    (
        r"one update, (\d+ groups?), each its tensor rate",
        "the same with tensors as rates",
        "A compiled optimizer with tensor rates gains most.",
    ),
    (
        r"`LambdaLR` with `schedule.factor`, (.*)",
        "`LambdaLR` with `schedule.factor`",
        "A PyTorch loop of your own: `LambdaLR` calls a Python function for each group.",
    ),
    (
        r"one update, each of 10000 groups",
        "one group's share of an update of 10000 groups",
        "The cost grows with the number of groups and no faster.",
    ),
    (
        r"memory after a million updates, .*",
        "memory that the callback gains in a million updates",
        "A long run needs no more memory than a short one.",
    ),
    (
        rf"Keras train step on {BACKEND}, (.*)",
        "a compiled training step in Keras with our schedule",
        "A step takes as long as with Keras' own schedule, within 5 %.",
    ),
    (
        r"Keras schedule called eagerly on (jax), .*",
        "the schedule called outside a compiled function",
        "You can print or plot rates in a loop.",
    ),
    (
        rf"epoch of one batch, callback on {BACKEND}",
        "an epoch of one batch in `fit` with our callback",
        "Nothing: the callback costs what Keras' own costs.",
    ),
    (
        rf"step in fit, callback on {BACKEND}, (.*)",
        "a step in `fit` with our callback, `interval='step'`",
        "Nothing beside the assignment of the rate, which any callback needs.",
    ),
    (
        r"one value, arguments included",
        "one value from `cosine_annealing`",
        "The arguments are checked at each call.",
    ),
    (
        r"one value, schedule made before",
        "one value from a `CosineAnnealing`",
        "e is checked at each call; lrsched's closure checks nothing, optax has to compile.",
    ),
    (
        r"a million values",
        "an array of a million rates",
        "Tables and plots of whole runs are immediate.",
    ),
    (
        r"`import cosine_callbacks`, added",
        "time that `import cosine_callbacks` takes",
        "Nothing, beside the import of a framework.",
    ),
    (
        r"`cosine-callbacks preview`, the whole process",
        "time that `cosine-callbacks preview` takes",
        "The curve is there at once.",
    ),
    (
        r"a value at e = 2\*\*40, restarts for ever, (.*)",
        "a value after 2**40 updates",
        "Late restarts are found as fast as early ones.",
    ),
    (
        r"memory after a million values of .*",
        "memory that a schedule gains in a million values",
        "A schedule keeps no history.",
    ),
]
FACTS = ["lightning", "keras", "torch", "tensorflow", "jax", "numpy", "lrsched", "optax"]


def with_unit(figure: float | None, row: dict[str, Any]) -> str:
    """Return a figure with the unit of its row, if it has one."""
    unit = "" if row["unit"] == "x" else f" {row['unit']}"
    return "" if figure is None else f"{figure:.3g}{unit}"


def cell(variant: str, row: dict[str, Any]) -> str:
    """Return one figure, in bold where it misses its target."""
    figure = with_unit(row["figure"], row)
    figure = f"**{figure}**" if row["met"] is False else figure
    return f"{variant}: {figure}" if variant else figure


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return the lines of the table, and refuse a figure that no line explains."""
    lines, left = [], list(rows)
    for pattern, what, seen in ROWS:
        found = [(match, row) for row in left if (match := re.fullmatch(pattern, row["what"]))]
        left = [row for row in left if not re.fullmatch(pattern, row["what"])]
        # What is compared with several others has several lines.
        for against in dict.fromkeys(row["against"] for _, row in found):
            of = [(match, row) for match, row in found if row["against"] == against]
            figures = "<br>".join(cell(", ".join(match.groups()), row) for match, row in of)
            target = "<br>".join(dict.fromkeys(with_unit(row["most"], row) for _, row in of))
            lines.append(f"| {what} | {against} | {figures} | {target} | {seen} |")
    if left:
        raise ValueError(f"ROWS must explain every figure, got {[row['what'] for row in left]}")
    return lines


def page(known: dict[str, Any]) -> str:
    """Return the page of what `benchmarks/results/latest.json` holds."""
    machine = known["machine"]
    packages = [f"{name} {machine[name]}" for name in FACTS]
    return TEXT.format(
        date=machine["date"][:10],
        machine=f"{machine['cpu_model_name']} ({machine['cpu_count']} cores)",
        python=machine["python_version"].split()[0],
        packages=f"{', '.join(packages[:-1])} and {packages[-1]}",
        rows="\n".join(table(known["rows"])),
    )


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    main()
