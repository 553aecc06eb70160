"""The README and docs/costs.md say what was measured."""

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

ROOT = Path(__file__).parents[2]
MEASURED = json.loads((ROOT / "benchmarks" / "results" / "latest.json").read_text())
FIGURES = {(row["what"], row["against"]): row["figure"] for row in MEASURED["rows"]}


def test_the_page_is_that_of_the_measurement():
    spec = spec_from_file_location("page", ROOT / "docs" / "costs.py")
    page = module_from_spec(spec)
    spec.loader.exec_module(page)
    assert page.page(MEASURED) == page.PAGE.read_text()


def test_the_readme_quotes_the_measurement():
    _, _, after = (ROOT / "README.md").read_text().partition("## Cost\n")
    words = " ".join(after.partition("\n## ")[0].split())
    built_in = "`CosineAnnealingLR` over no scheduler"
    one, many = (
        FIGURES[f"Lightning step, {groups}, over no callback", built_in]
        for groups in ("1 group", "500 groups")
    )
    assert f"adds {one:.2f} times what `CosineAnnealingLR` adds with one param group" in words
    assert f"and {many:.2f} times with 500." in words
    keras = [figure for (what, _), figure in FIGURES.items() if "Keras train step" in what]
    assert f"takes {min(keras):.2f} to {max(keras):.2f} times as long" in words
    held = [row["figure"] / row["most"] - 1 for row in MEASURED["rows"] if row["most"]]
    missed = [more for more in held if more > 0]
    sentence = f"Of {len(held)} targets {len(missed)} are missed, by at most {max(missed):.0%}"
    assert sentence.replace("%", " %") in words
