"""Check docs/cheatsheet.md row by row against the packages that it names."""

import importlib
import sys
from functools import cache
from importlib.util import find_spec, module_from_spec
from pathlib import Path

import keras
import numpy as np
import pytest
import torch
from markdown_it import MarkdownIt

from cosine_callbacks.keras import CosineAnnealingSchedule

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
    """Evaluate an expression of the page."""
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


@pytest.mark.parametrize(
    ("schedule", "weight"),
    [
        (lambda: keras.optimizers.schedules.CosineDecay(0.1, 2), 0.0),
        (
            lambda: CosineAnnealingSchedule(lr_initial=0.1, t_max=2, gradient_accumulation_steps=4),
            -0.15,
        ),
    ],
    ids=["CosineDecay", "CosineAnnealingSchedule"],
)
def test_updates_of_four_batches(schedule, weight):
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(
        keras.optimizers.SGD(schedule(), gradient_accumulation_steps=4),
        loss=lambda _, prediction: prediction[:, 0],
    )
    model.fit(np.ones((8, 1)), np.ones((8, 1)), batch_size=1, verbose=0)
    assert layer.get_weights()[0].item() == pytest.approx(weight, rel=1e-6)


BLOCKS = [token.content for token in TOKENS if token.type == "fence" and token.info == "python"]
WRITTEN = "schedule = CosineAnnealing(lr_initial=0.1, t_max=10, lr_min=0.001)"
RESTARTS = "schedule = CosineAnnealing(lr_initial=0.1, t_max=5, lr_min=0.001, cycles=2)"
LOOPS = {"LambdaLR": BLOCKS[1], "one peak": BLOCKS[2], "peaks": BLOCKS[3]}
E = np.arange(12)
FALLEN = 0.001 + 0.0495 * (1 + np.cos(np.pi * np.minimum(E, 10) / 10))


def run(code, variables):
    exec(code, variables)  # noqa: S102 - likewise
    return variables


def test_the_configuration():
    assert repr(run(BLOCKS[0], {})["schedule"]) == WRITTEN.removeprefix("schedule = ")


@pytest.mark.parametrize("schedule", [WRITTEN, RESTARTS], ids=["as written", "restarts"])
@pytest.mark.parametrize("block", [*LOOPS.values(), BLOCKS[4]], ids=[*LOOPS, "optax"])
def test_the_recipes(block, schedule):
    assert WRITTEN in block
    variables = run(block.replace(WRITTEN, schedule), {})
    # Constant gradient 1 under SGD: the weight moves by the sum of the rates.
    x = E % 5 / 5 * (E < 10) + (E >= 10) if schedule is RESTARTS else np.minimum(E, 10) / 10
    total = (0.001 + 0.0495 * (1 + np.cos(np.pi * x))).sum()
    assert variables["weight"].item() == pytest.approx(-total, rel=1e-6)


@pytest.mark.parametrize("block", LOOPS.values(), ids=LOOPS)
def test_the_recipes_resumed(block):
    """Run the last six updates with the state saved after the first six."""
    begin, loop = block.split("\nfor ")
    loop = f"for {loop}"
    assert "range(12)" in loop
    stopped = run(f"{begin}\n{loop.replace('12', '6')}", {})
    resumed = run(begin, {})
    for name in {"optimizer", "scheduler"} & set(resumed):
        resumed[name].load_state_dict(stopped[name].state_dict())
    run(loop.replace("12", "6, 12"), resumed)
    assert resumed["weight"].item() == pytest.approx(-FALLEN[6:].sum(), rel=1e-6)
