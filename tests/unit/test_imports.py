"""What an import loads, and the error for a missing framework."""

import subprocess
import sys
from importlib import import_module

import pytest

from cosine_callbacks._schedule.extras import required

PACKAGE_ALONE = """
import sys

FRAMEWORKS = {"jax", "keras", "lightning", "numpy", "pytorch_lightning", "tensorflow", "torch"}

class Watch:
    def find_spec(self, name, path=None, target=None):
        assert name.partition(".")[0] not in FRAMEWORKS, name

sys.meta_path.insert(0, Watch())
import cosine_callbacks
assert sorted(cosine_callbacks.__all__) == ["CosineAnnealing", "cosine_annealing"]

schedule = cosine_callbacks.CosineAnnealing(
    lr_initial=0.1, t_max=10, lr_min=0.001, cycles=2, t_mult=2, warmup=2
)
print(schedule, schedule(10), schedule.factor(30), schedule.to_dict()["warmup"])
print(cosine_callbacks.cosine_annealing(0, lr_initial=0.1, t_max=10))
for e in (None, [1]):
    try:
        schedule(e)
    except TypeError as error:
        print(error)
assert "numpy" not in sys.modules
"""


def run(program):
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_numbers_need_nothing_but_the_standard_library():
    done = run(PACKAGE_ALONE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        (
            "CosineAnnealing(lr_initial=0.1, t_max=10, lr_min=0.001, warmup=2, cycles=2, t_mult=2) "
            "0.1 0.01 2"
        ),
        "0.1",
        "e must be a number, got None (NoneType)",
        "e must be a number, got [1] (list)",
    ]


@pytest.mark.parametrize("framework", ["no_such_framework", "no_such_framework.sub"])
def test_a_missing_framework_is_named_with_its_extra(framework):
    sentence = rf"^{framework} is not installed; run: pip install 'cosine-callbacks\[some-extra\]'$"
    with (
        pytest.raises(ModuleNotFoundError, match=sentence) as caught,
        required(framework, "some-extra"),
    ):
        import_module(framework)
    assert caught.value.name == "no_such_framework"
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


@pytest.mark.parametrize("framework", ["no_such_framework", "json"])
def test_every_other_error_passes_through(framework):
    for error in (
        *(ModuleNotFoundError(name=name) for name in ("another", "json.part", f"{framework}_2")),
        *(kind("something else") for kind in (ImportError, ValueError, ModuleNotFoundError)),
    ):
        with pytest.raises(type(error)) as caught, required(framework, "extra"):
            raise error
        assert caught.value is error


WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "{0}":
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
import cosine_callbacks.{1}
"""


@pytest.mark.parametrize(
    ("adapter", "framework"),
    [
        ("lightning", "lightning.pytorch"),
        ("pytorch_lightning", "pytorch_lightning"),
        ("keras", "keras"),
        ("tensorflow", "tensorflow"),
    ],
)
def test_an_adapter_without_its_framework_names_the_extra(adapter, framework):
    extra = adapter.replace("_", "-")
    sentence = f"{framework} is not installed; run: pip install 'cosine-callbacks[{extra}]'"
    error = run(WITHOUT.format(framework.partition(".")[0], adapter)).stderr
    assert error.splitlines()[-1] == f"ModuleNotFoundError: {sentence}"
