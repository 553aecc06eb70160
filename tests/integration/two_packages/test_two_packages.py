"""`lightning` and `pytorch_lightning` in one process."""

from importlib import util
from pathlib import Path

import pytest

from tests.curve import cosines

PARTS = Path(__file__).parents[1] / "lightning" / "parts.py"
PACKAGES = ["lightning", "pytorch_lightning"]


@pytest.fixture
def parts(monkeypatch):
    """The model and the callback of each package."""
    made = {}
    for package in PACKAGES:
        monkeypatch.setenv("COSINE_CALLBACKS_FRAMEWORK", package)
        spec = util.spec_from_file_location(package + "_parts", PARTS)
        made[package] = util.module_from_spec(spec)
        spec.loader.exec_module(made[package])
    return made


@pytest.mark.parametrize("order", [PACKAGES, PACKAGES[::-1]], ids="-then-".join)
def test_a_checkpoint_moves_between_the_packages(parts, tmp_path, order):
    (first, before), (second, after) = ((parts[name], parts[name].Model()) for name in order)
    made = first.fit(before, first.per_update(t_max=10), max_steps=4)
    made.save_checkpoint(tmp_path / "run.ckpt")
    ours = second.per_update(t_max=10)
    second.fit(after, ours, max_steps=10, ckpt_path=tmp_path / "run.ckpt")
    assert before.rates + after.rates == cosines(range(10), 10)


def test_the_classes_differ_and_share_the_logic_and_the_documentation(parts):
    (first, one), (second, other) = (
        (parts[name].pl, parts[name].CosineAnnealingCallback) for name in PACKAGES
    )
    assert issubclass(one, first.Callback)
    assert issubclass(other, second.Callback)
    assert not issubclass(one, second.Callback)
    assert one().state_key == other().state_key
    assert one.__doc__ == other.__doc__.replace(".pytorch_lightning", ".lightning")
