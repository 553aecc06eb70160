"""Imports go downward only, and frameworks stay where they belong."""

import ast
from pathlib import Path

import pytest

import cosine_callbacks

PACKAGE = Path(cosine_callbacks.__file__).parent
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in PACKAGE.rglob("*.py")
    if path.name != "__init__.py"
}
DOORS = {"lightning", "pytorch_lightning", "keras", "tensorflow"}
# What each layer may import besides itself; the package's own name brings the formula.
LAYERS = {
    "_schedule": set(),
    "formula": {"_schedule"},
    "_fit": {"formula", "_schedule"},
    "_trainer": {"formula", "_schedule"},
    "_command": {"formula", "_schedule", "_trainer.run_length"},
    "__main__": {"_command"},
    "_parameters": {"_schedule"},
    "lightning": {"_trainer", "_schedule"},
    "pytorch_lightning": {"_trainer", "_schedule"},
    "keras": {"_fit", "formula", "_schedule"},
    "tensorflow": {"_fit", "_schedule"},
}
FRAMEWORKS = {
    "lightning": {"lightning"},
    "pytorch_lightning": {"pytorch_lightning"},
    "keras": {"keras", "numpy"},
    "tensorflow": {"tensorflow"},
    "_trainer.param_groups": {"torch"},
}
KNOWN = {*DOORS, "jax", "numpy", "tf_keras", "torch"}


def imported(module):
    """Yield what a module imports at run time, wherever in it the import stands."""
    tree = ast.parse(MODULES[module].read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert not node.level
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def test_every_layer_is_known():
    assert {module.partition(".")[0] for module in MODULES} == {*LAYERS}
    for folder in ("_schedule", "_trainer", "_fit", "_command"):
        assert (PACKAGE / folder / "__init__.py").read_text() == ""


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_downward(module):
    layer = module.partition(".")[0]
    for name in imported(module):
        _, ours, target = name.partition("cosine_callbacks.")
        if ours and target.partition(".")[0] != layer:
            assert target.partition(".")[0] not in DOORS, name
            allowed = LAYERS[layer]
            assert any(f"{target}.".startswith(f"{each}.") for each in allowed), name


@pytest.mark.parametrize("module", MODULES)
def test_frameworks_stay_where_they_belong(module):
    frameworks = {name.partition(".")[0] for name in imported(module)} & KNOWN
    assert frameworks <= FRAMEWORKS.get(module, set())


def test_modules_and_functions_are_short():
    for path in MODULES.values():
        assert len(path.read_text().splitlines()) <= 250, path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                assert not body or node.end_lineno - body[0].lineno < 40, (path, node.name)
