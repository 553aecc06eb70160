"""Run the recipes of docs/cheatsheet.md, and compare the rate that each update uses."""

import io
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import optax
import pytest
import torch
from markdown_it import MarkdownIt
from torch.optim.optimizer import register_optimizer_step_pre_hook

from cosine_callbacks import CosineAnnealing

PAGE = Path(__file__).parents[2] / "docs" / "cheatsheet.md"
NAMES = [
    "configuration",
    "LambdaLR",
    "one peak",
    "peaks",
    "equal cosines",
    "Fabric",
    "Accelerate",
    "Trainer",
    "weight decay",
    "optax",
]
BLOCKS = [
    token.content
    for token in MarkdownIt().parse(PAGE.read_text())
    if token.type == "fence" and token.info == "python"
]
RECIPES = dict(zip(NAMES, BLOCKS, strict=True))
WRITTEN = "schedule = CosineAnnealing(lr_initial=0.1, t_max=10, lr_min=0.001)"
RESTARTS = "schedule = CosineAnnealing(lr_initial=0.1, t_max=5, lr_min=0.001, cycles=2)"
E = np.arange(12)
FALLEN = 0.001 + 0.0495 * (1 + np.cos(np.pi * np.minimum(E, 10) / 10))
RESTARTED = 0.001 + 0.0495 * (1 + np.cos(np.pi * np.where(E < 10, E % 5 / 5, 1)))


either_curve = pytest.mark.parametrize(
    ("schedule", "right"), [(WRITTEN, FALLEN), (RESTARTS, RESTARTED)], ids=["written", "restarts"]
)


def close(rates):
    return pytest.approx(list(rates), rel=1e-12, abs=0)


def run(code, made=()):
    variables = dict(made)
    exec(code, variables)  # noqa: S102 - the page is our own
    return variables


def changed(block, old, new):
    assert old in block
    return block.replace(old, new)


@pytest.fixture
def used(tmp_path, monkeypatch):
    """Record the param groups, without their params, at every update of an optimizer of torch."""
    updates = []

    def record(optimizer, args, kwargs):
        updates.append([{**group, "params": None} for group in optimizer.param_groups])

    hook = register_optimizer_step_pre_hook(record)
    monkeypatch.chdir(tmp_path)  # the checkpoints go there
    yield updates
    hook.remove()


def rates(used):
    """Return the rate of each update, the same in all groups."""
    assert all(group["lr"] == groups[0]["lr"] for groups in used for group in groups)
    return [groups[0]["lr"] for groups in used]


def test_the_configuration():
    made = run(RECIPES["configuration"])["schedule"]
    assert repr(made) == WRITTEN.removeprefix("schedule = ")


@either_curve
@pytest.mark.parametrize(
    "name", ["LambdaLR", "one peak", "peaks", "Fabric", "Accelerate", "Trainer"]
)
def test_in_torch(name, schedule, right, used):
    run(changed(RECIPES[name], WRITTEN, schedule))
    assert rates(used) == close(right)


def resumed(name, updates, done):
    """Stop a recipe's loop, and run the rest of it with the saved state in new objects."""
    begin, loop = RECIPES[name].split("\nfor ")
    whole = f"range({updates})"
    first = changed(f"for {loop}", whole, f"range({done})")
    rest = changed(f"for {loop}", whole, f"range({done}, {updates})")
    stopped, again = run(f"{begin}\n{first}"), run(begin)
    for each in {"optimizer", "scheduler"} & again.keys():
        if hasattr(again[each], "load_state_dict"):
            again[each].load_state_dict(stopped[each].state_dict())
    if "state" in again:  # of optax
        again["state"] = jax.tree.map(np.asarray, stopped["state"])
    return run(rest, again)


@pytest.mark.parametrize(
    ("name", "updates", "done"),
    [
        *((name, 12, 6) for name in ("LambdaLR", "one peak", "peaks")),
        *(("equal cosines", 15, done) for done in (2, 3, 6, 8)),
    ],
)
def test_a_loop_resumed(name, updates, done, used):
    run(RECIPES[name])
    whole = rates(used)
    used.clear()
    resumed(name, updates, done)
    assert rates(used) == whole
    assert len(whole) == updates


def test_the_saved_parameters_of_a_schedule_replace_those_of_the_new_object():
    def scheduler_of(**parameters):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
        curve = CosineAnnealing(lr_initial=1.0, **parameters)
        return torch.optim.lr_scheduler.LambdaLR(optimizer, curve)

    scheduler, file = scheduler_of(t_max=4), io.BytesIO()
    torch.save(scheduler.state_dict(), file)
    file.seek(0)
    loaded = scheduler_of(t_max=100, lr_min=0.5)
    loaded.load_state_dict(torch.load(file, weights_only=True))
    used = []
    for _ in range(5):
        used.append(loaded.get_last_lr()[0])
        loaded.optimizer.step()
        loaded.step()
    # Of the optimizer's rate 0.5: (2 + sqrt(2)) / 8 is its half-way value on the way down.
    assert used == close([0.5, (2 + 2**0.5) / 8, 0.25, (2 - 2**0.5) / 8, 0.0])


LAST = {"Fabric": "last_epoch, {})", "Accelerate": "last_epoch < {}", "Trainer": "max_steps={}"}


@pytest.mark.parametrize("name", LAST)
def test_a_program_started_again(name, used):
    run(changed(RECIPES[name], LAST[name].format(12), LAST[name].format(6)))
    assert rates(used) == close(FALLEN[:6])
    run(RECIPES[name])
    assert rates(used) == close(FALLEN)


@pytest.mark.parametrize(("name", "old"), [("Accelerate", "cpu=True"), ("Trainer", "max_steps=12")])
def test_accumulated_batches(name, old, used):
    run(changed(RECIPES[name], old, f"{old}, gradient_accumulation_steps=2"))
    assert rates(used) == close(FALLEN)


def in_two_processes(block, folder):
    """Return the rates that the first of two processes uses."""
    record = (
        "from torch.optim.optimizer import register_optimizer_step_pre_hook\n"
        "used = []\n"
        "register_optimizer_step_pre_hook(\n"
        "    lambda optimizer, *_: used.append(optimizer.param_groups[0]['lr'])\n"
        ")\n"
    )
    show = (
        "assert accelerator.num_processes == 2\nif accelerator.is_main_process:\n    print(used)\n"
    )
    program = folder / "program.py"
    program.write_text(f"{record}{block}{show}")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*torchrun, program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [float(rate) for rate in done.stdout.strip().strip("[]").split(",")]


def test_accelerate_in_two_processes(tmp_path):
    assert in_two_processes(RECIPES["Accelerate"], tmp_path) == close(FALLEN)


def test_a_prepared_scheduler_counts_each_process(tmp_path):
    block = changed(
        RECIPES["Accelerate"],
        "accelerator.register_for_checkpointing(scheduler)",
        "prepared = accelerator.prepare(scheduler)",
    )
    block = changed(block, "    scheduler.step()", "    prepared.step()")
    assert in_two_processes(block, tmp_path) == close(FALLEN[::2])


def test_equal_cosines_after_a_warmup(used):
    from transformers import get_cosine_with_hard_restarts_schedule_with_warmup

    run(RECIPES["equal cosines"])
    ours = rates(used)
    assert ours[:3] == close([0.025, 0.05, 0.075])
    used.clear()
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    theirs = get_cosine_with_hard_restarts_schedule_with_warmup(optimizer, 3, 13, num_cycles=2)
    for _ in range(15):
        optimizer.step()
        theirs.step()
    assert ours[3:] == close(rates(used)[3:])
    assert ours[8] == 0.1


def assert_rates_and_decays(used):
    """Check the rates, and the weight decay of the two groups, at each update."""
    assert rates(used) == close(FALLEN)
    assert [groups[0]["weight_decay"] for groups in used] == close(FALLEN / 0.1 * 0.05)
    assert {groups[1]["weight_decay"] for groups in used} == {0.0}


@pytest.mark.parametrize("batches", [1, 2], ids=["each batch", "accumulated"])
def test_weight_decay(batches, used):
    more = f"max_steps=12, accumulate_grad_batches={batches}"
    run(changed(RECIPES["weight decay"], "max_steps=12", more))
    assert_rates_and_decays(used)


def test_weight_decay_resumed(used):
    stopped = run(changed(RECIPES["weight decay"], "max_steps=12", "max_steps=6"))
    stopped["trainer"].save_checkpoint("at_6.ckpt")
    run(changed(RECIPES["weight decay"], "fit(Model())", "fit(Model(), ckpt_path='at_6.ckpt')"))
    assert_rates_and_decays(used)


@either_curve
def test_optax_compiled(schedule, right):
    # Constant gradient 1 under SGD: the weight moves by the sum of the rates.
    variables = run(changed(RECIPES["optax"], WRITTEN, schedule))
    assert variables["weight"].item() == pytest.approx(-right.sum(), rel=1e-6)


def test_optax_resumed():
    weight = resumed("optax", "updates", 6)["weight"]
    assert weight.item() == pytest.approx(-FALLEN[6:].sum(), rel=1e-6)


def test_a_schedule_in_optax_is_for_loops_that_are_not_compiled():
    schedule = CosineAnnealing(lr_initial=0.1, t_max=10, lr_min=0.001)
    optimizer = optax.sgd(schedule)
    one = jax.numpy.ones(())
    state = optimizer.init(one)
    changes = []
    for _ in E:
        change, state = optimizer.update(one, state)
        changes.append(-change.item())
    assert changes == pytest.approx(list(FALLEN), rel=1e-6)
    with pytest.raises(TypeError, match="e must be a number, got "):
        jax.jit(optimizer.update)(one, state)
