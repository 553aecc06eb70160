"""Check docs/cheatsheet.md row by row against the packages that it names; recipes: test_recipes."""

import importlib
import sys
from functools import cache
from importlib.util import find_spec, module_from_spec
from pathlib import Path

import keras
import pytest
import torch
from markdown_it import MarkdownIt

from tests.integration.fit.parts import DATA, compiled, train

PAGE = Path(__file__).parents[2] / "docs" / "cheatsheet.md"
TOKENS = MarkdownIt().enable("table").parse(PAGE.read_text())
MODULES = [
    "cosine_callbacks",
    "keras.optimizers.schedules",
    "optax",
    "timm.scheduler.cosine_lr",
    "torch.optim.lr_scheduler",
    "transformers.optimization",
]


@cache
def names():
    """Return the names that the page uses; if one has moved, only its row fails."""
    # timm imports torchvision, which does not load with every build of torch; its schedulers do
    # not need it.
    sys.modules["timm"] = module_from_spec(find_spec("timm"))
    found = {}
    for module in MODULES:
        try:
            found |= vars(importlib.import_module(module))
        except ImportError:
            continue
    return found


def rows(number):
    """Return the rows of one of the page's tables, each a list of cell texts."""
    tables, row = [], []
    for i, token in enumerate(TOKENS):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_close":
            tables[-1].append(row)
            row = []
        elif token.type in ("td_open", "th_open"):
            row.append("".join(part.content for part in TOKENS[i + 1].children))
    return [pytest.param(row, id=row[0]) for row in tables[number][1:]]


def optimizer(*rates):
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
    return torch.optim.SGD(groups, lr=rates[0])


def made(expression):
    """Evaluate an expression of the page; what begins with an argument is of `CosineAnnealing`."""
    if expression.startswith("lr_initial="):
        expression = f"CosineAnnealing({expression})"
    used = {"optimizer": optimizer(0.1), "groups": optimizer(0.1, 0.0001)}
    return eval(expression, {**names(), **used})  # noqa: S307 - the page is our own


def rate_at(expression, e, *, at_once=False):
    """Return the rate at e of the last param group, for a scheduler written as on the page."""
    scheduler = made(expression)
    if callable(scheduler):
        return float(scheduler(e))
    if at_once or "timm" in type(scheduler).__module__:
        scheduler.step(e)
    else:
        for _ in range(e):
            scheduler.optimizer.step()
            scheduler.step()
    return scheduler.optimizer.param_groups[-1]["lr"]


@pytest.mark.parametrize("row", rows(0))
def test_the_same_curve(row):
    name, theirs, ours, last = row
    in_float32 = name.startswith(("Keras", "optax"))
    tolerance = {"abs": 1e-6 * made(ours).lr_initial} if in_float32 else {"rel": 1e-12, "abs": 0}
    for e in range(int(last) + 1):
        assert rate_at(theirs, e) == pytest.approx(rate_at(ours, e), **tolerance)


@pytest.mark.parametrize("row", rows(1))
def test_where_theirs_differs(row):
    name, theirs, ours, e, given, right = row
    at_once = "step(e)" in name
    # The page gives six digits.
    assert f"{rate_at(theirs, int(e), at_once=at_once):.6g}" == f"{float(given):.6g}"
    assert f"{rate_at(ours, int(e)):.6g}" == f"{float(right):.6g}"


def test_cosine_decay_takes_batches_for_updates():
    """With our schedule the two updates use what tests/integration/fit/test_kinds.py says."""
    rate = keras.optimizers.schedules.CosineDecay(0.1, 2)
    model = compiled(keras.optimizers.SGD(rate, gradient_accumulation_steps=4))
    assert train(model, data=DATA[:8])[0] == pytest.approx(0, abs=1e-9)
