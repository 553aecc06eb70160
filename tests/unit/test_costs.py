"""The README quotes the costs that were measured."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[2]
MEASURED = ROOT / "benchmarks" / "results"


def test_the_readme_quotes_the_measurement():
    _, _, after = (ROOT / "README.md").read_text().partition("## What it costs\n")
    costs = after.partition("\n## ")[0]
    rows = [line for line in costs.splitlines() if line.startswith("| ")]
    assert len(rows) > 5
    assert {*rows} <= {*(MEASURED / "latest.md").read_text().splitlines()}
    machine = json.loads((MEASURED / "latest.json").read_text())["machine"]
    words = " ".join(costs.split())
    assert f"Measured {machine['date'][:10]}" in words
    assert f"Python {machine['python_version'].split()[0]}" in words
    for package in ("lightning", "keras", "torch", "tensorflow", "jax", "numpy", "lrsched"):
        assert f"{package} {machine[package]}" in words
