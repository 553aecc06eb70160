"""In torch's own schedulers."""

import io

import pytest
import torch

from cosine_callbacks import CosineAnnealing


def scheduler_of(curve):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    return torch.optim.lr_scheduler.LambdaLR(optimizer, curve), optimizer


def rates(scheduler, optimizer, steps):
    """Return the rate before each of so many steps."""
    used = []
    for _ in range(steps):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return used


def test_a_schedule_as_the_function_of_a_lambda_lr_is_saved_and_loaded():
    scheduler, optimizer = scheduler_of(CosineAnnealing(lr_initial=1.0, t_max=4))
    assert rates(scheduler, optimizer, 2) == pytest.approx([0.5, 0.42677669529663687])
    file = io.BytesIO()
    torch.save([scheduler.state_dict(), optimizer.state_dict()], file)
    file.seek(0)
    states = torch.load(file, weights_only=True)
    # The saved parameters replace those of the new object, also where it has been called.
    scheduler, optimizer = scheduler_of(CosineAnnealing(lr_initial=1.0, t_max=100, lr_min=0.5))
    for each, state in zip((scheduler, optimizer), states, strict=True):
        each.load_state_dict(state)
    assert rates(scheduler, optimizer, 3) == pytest.approx([0.25, 0.07322330470336312, 0])
