"""What the tests of `fit` run with: kinds of optimizers, and the callback or the schedule."""

import pytest

from cosine_callbacks.keras import CosineAnnealingSchedule

from .parts import LEGACY, OPTIMIZERS, per_step


@pytest.fixture(params=OPTIMIZERS, ids=["current", "legacy"][: len(OPTIMIZERS)])
def sgd(request):
    return request.param


@pytest.fixture(params=["callback"] if LEGACY else ["callback", "schedule"])
def annealed(request):
    """Return the rate for an optimizer, and the callbacks for `fit`, of a curve of ten updates."""

    def make(lr_initial=0.1):
        if request.param == "callback":
            return lr_initial, [per_step()]
        return CosineAnnealingSchedule(lr_initial=lr_initial, t_max=10), []

    return make
