"""Measure, print, and write benchmarks/results: `python benchmarks [--quick] [family ...]`.

Every family of figures has processes of its own. `--quick` only runs through, and writes nothing.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from time import monotonic
from typing import Any

import pyperf
from harness import HEAD, measured, together

RESULTS = Path(__file__).parent / "results"
BACKENDS = ("tensorflow", "jax", "torch")
# Family: its modules, and the Keras backend that they need.
FAMILIES = {
    "lightning-one": (("lightning_one",), ""),
    "lightning": (("lightning_step", "torch_update", "torch_scale"), ""),
    **{f"keras-{name}": (("keras_schedule", "keras_callback"), name) for name in BACKENDS},
    "core": (("values", "imports", "scale", "command"), ""),
    "optax": (("optax_value",), ""),
}
# How many processes a family has, one after the other, where not one: as many as ten minutes for
# all of them allow on a slow machine.
PROCESSES = {"lightning-one": 3}
PACKAGES = ["cosine-callbacks", "keras", "lightning", "lrsched", "numpy", "optax"]
PACKAGES += ["jax", "jaxlib", "tensorflow", "torch"]
FACTS = ("date", "cpu_model_name", "cpu_count", "load_avg_1min", "python_version")


def machine() -> dict[str, Any]:
    """Return what pyperf knows of the machine, and the versions of what is measured."""
    found = pyperf.Run([1.0], collect_metadata=True).get_metadata()
    facts = {name: found[name] for name in FACTS if name in found}
    for package in PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            continue
    return facts


def main() -> None:
    """Run the families named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="only see that everything runs")
    parser.add_argument("families", nargs="*", metavar="family", help=", ".join(FAMILIES))
    asked = parser.parse_args()
    names = asked.families or list(FAMILIES)
    if unknown := sorted({*names} - {*FAMILIES}):
        parser.error(f"family must be of {', '.join(FAMILIES)}, got {', '.join(unknown)}")
    facts = machine()
    print("\n".join(f"{name}: {fact}" for name, fact in facts.items()))
    print(f"\nCosts; the other costs 1.\n\n{HEAD}" if not asked.quick else "")
    rows = []
    began = monotonic()
    for name in names:
        found = []
        for _ in range(1 if asked.quick else PROCESSES.get(name, 1)):
            with ProcessPoolExecutor(1, get_context("spawn")) as process:
                found.append(process.submit(measured, *FAMILIES[name], quick=asked.quick).result())
        new = [together(same) for same in zip(*found, strict=True)]
        shown = (f"runs: {each.what}" if asked.quick else each.to_markdown() for each in new)
        print("\n".join(shown), flush=True)
        rows += new
    print(f"\n{monotonic() - began:.0f} s")
    if asked.quick or asked.families:
        return
    lines = [f"- {name}: {fact}" for name, fact in facts.items()]
    text = ["# Costs, as ratios: the other costs 1", "", *lines, "", HEAD]
    text += [each.to_markdown() for each in rows]
    RESULTS.joinpath("latest.md").write_text("\n".join(text) + "\n")
    known = {"machine": facts, "rows": [each.to_dict() for each in rows]}
    RESULTS.joinpath("latest.json").write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
