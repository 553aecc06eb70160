"""Measure, print, and write the results: `python benchmarks [--quick] [family ...]`.

The results are in benchmarks/results; docs/costs.py makes a page of them for users. Every family of
figures has processes of its own. `--quick` only runs through, and writes nothing.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from time import monotonic
from typing import Any

import pyperf
from harness import HEAD, measured

RESULTS = Path(__file__).parent / "results"
KERAS = "keras_schedule", "keras_callback"
# Family: its modules, the Keras backend that they need, and how many processes measure it, one
# after the other: by where its objects lie, a callback is dearer in one process than in another.
FAMILIES = {
    "lightning": (("lightning_step", "torch_update"), "", 3),
    "keras-tensorflow": (KERAS, "tensorflow", 1),
    "keras-jax": (KERAS, "jax", 1),
    "keras-torch": (KERAS, "torch", 1),
    "core": (("values", "start", "scale"), "", 1),
    "optax": (("optax_value",), "", 1),
}
FACTS = "date", "cpu_model_name", "cpu_count", "load_avg_1min", "python_version"
PACKAGES = ["cosine-callbacks", "keras", "lightning", "lrsched", "numpy", "optax"]
PACKAGES += ["jax", "jaxlib", "tensorflow", "torch"]


def machine() -> dict[str, Any]:
    """Return what pyperf knows of the machine, and the versions of what is measured."""
    found = pyperf.Run([1.0], collect_metadata=True).get_metadata()
    facts = {name: found[name] for name in FACTS if name in found}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            facts[package] = version(package)
    return facts


def main() -> None:
    """Run the families named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="only see that everything runs")
    parser.add_argument("families", nargs="*", metavar="family", help=", ".join(FAMILIES))
    asked = parser.parse_args()
    if unknown := sorted({*asked.families} - {*FAMILIES}):
        parser.error(f"family must be of {', '.join(FAMILIES)}, got {', '.join(unknown)}")
    facts = machine()
    lines = [f"- {name}: {fact}" for name, fact in facts.items()]
    text = ["# Costs, as ratios: the other costs 1", "", *lines, "", HEAD]
    print("\n".join(text), flush=True)
    rows = []
    began = monotonic()
    for name in asked.families or FAMILIES:
        modules, backend, processes = FAMILIES[name]
        found = []
        for _ in range(1 if asked.quick else processes):
            with ProcessPoolExecutor(1, get_context("spawn")) as process:
                found.append(process.submit(measured, modules, backend, quick=asked.quick).result())
        for first, *others in zip(*found, strict=True):
            figures = [figure for row in (first, *others) for figure in row.figures]
            rows.append(replace(first, figures=figures))
            text.append(f"runs: {first.what}" if asked.quick else rows[-1].to_markdown())
            print(text[-1], flush=True)
    print(f"\n{monotonic() - began:.0f} s")
    if not asked.quick and not asked.families:
        RESULTS.joinpath("latest.md").write_text("\n".join(text) + "\n")
        known = {"machine": facts, "rows": [row.to_dict() for row in rows]}
        RESULTS.joinpath("latest.json").write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
