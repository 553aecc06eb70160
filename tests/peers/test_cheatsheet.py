"""docs/cheatsheet.md, line by line against the packages that it names."""

import importlib.util
import sys
import types
from pathlib import Path

import keras
import numpy as np
import optax
import pytest
import torch
import transformers
from markdown_it import MarkdownIt

from cosine_callbacks import CosineAnnealing

# timm imports torchvision, which does not load beside every build of torch: its scheduler alone.
timm = types.ModuleType("timm")
timm.__path__ = importlib.util.find_spec("timm").submodule_search_locations
sys.modules["timm"] = timm
from timm.scheduler.cosine_lr import CosineLRScheduler  # noqa: E402

PAGE = Path(__file__).parents[2] / "docs" / "cheatsheet.md"
TOKENS = MarkdownIt().enable("table").parse(PAGE.read_text())
NAMES = {
    **vars(torch.optim.lr_scheduler),
    **vars(keras.optimizers.schedules),
    **vars(optax),
    **vars(transformers.optimization),
    "CosineLRScheduler": CosineLRScheduler,
    "CosineAnnealing": CosineAnnealing,
}


def rows(number):
    """Return the rows of one of the page's tables, as the texts of their cells."""
    tables, row = [], []
    for i, token in enumerate(TOKENS):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_close":
            tables[-1].append(row)
            row = []
        elif token.type in ("td_open", "th_open"):
            row.append("".join(part.content for part in TOKENS[i + 1].children))
    return [pytest.param(*row[1:], id=row[0]) for row in tables[number][1:]]


def optimizer(rate):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)


def rate_at(expression, e):
    """Return the rate at e of a scheduler as the page writes it."""
    used = {"optimizer": optimizer(0.1), "small": optimizer(0.0001)}
    made = eval(expression, {**NAMES, **used})  # noqa: S307 - the page is our own
    if callable(made):
        return float(made(e))
    if isinstance(made, torch.optim.lr_scheduler.CosineAnnealingWarmRestarts | CosineLRScheduler):
        made.step(e)
    else:
        for _ in range(e):
            made.optimizer.step()
            made.step()
    return made.optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize(("theirs", "ours", "last"), rows(0))
def test_the_same_curve(theirs, ours, last):
    for e in range(int(last) + 1):
        given, right = rate_at(theirs, e), rate_at(ours, e)
        in_float32 = "decay_schedule" in theirs or "sgdr" in theirs or "CosineDecay" in theirs
        assert given == pytest.approx(right, rel=0 if in_float32 else 1e-12, abs=1e-7 * in_float32)


@pytest.mark.parametrize(("theirs", "ours", "e", "given", "right"), rows(1))
def test_where_theirs_differs(theirs, ours, e, given, right):
    assert rate_at(theirs, int(e)) == pytest.approx(float(given), rel=1e-5, abs=1e-15)
    assert rate_at(ours, int(e)) == pytest.approx(float(right), rel=1e-5, abs=0)


def test_keras_gives_a_schedule_batches():
    class Weight(keras.layers.Layer):
        def build(self, _):
            self.weight = self.add_weight(shape=(), initializer="zeros")

        def call(self, inputs):
            return inputs * self.weight

    weight = Weight()
    model = keras.Sequential([keras.Input((1,)), weight])
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 2)
    model.compile(
        keras.optimizers.SGD(schedule, gradient_accumulation_steps=4),
        loss=lambda _, prediction: prediction[:, 0],
    )
    model.fit(np.ones((8, 1)), np.ones((8, 1)), batch_size=1, verbose=0)
    assert float(weight.weight.value) == 0


BLOCKS = [token.content for token in TOKENS if token.type == "fence" and token.info == "python"]


@pytest.mark.parametrize("block", BLOCKS[1:], ids=["LambdaLR", "PyTorch loop", "optax"])
def test_the_recipes(block):
    variables = {}
    for code in (BLOCKS[0], block):
        exec(code, variables)  # noqa: S102 - likewise
    # Constant gradient 1 under SGD: the weight moves by the sum of the rates.
    cosine = 0.001 + 0.0495 * (1 + np.cos(np.pi * np.minimum(np.arange(12), 10) / 10))
    assert variables["weight"].item() == pytest.approx(-cosine.sum(), rel=1e-6)
