"""Callbacks that do something once in a run, and what a run has said."""

import pytest

from .parts import pl

# In a list of two callbacks ours comes first, or with `[::order]` last.
before_and_after = pytest.mark.parametrize("order", [1, -1], ids=["before", "after"])


class Saver(pl.callbacks.Checkpoint):
    """Save in one hook, once so many updates are done; Lightning calls it after the others."""

    def __init__(self, path, hook, updates):
        self.path, self.updates = path, updates
        setattr(self, hook, self.save)

    def save(self, trainer, *_):
        if trainer.global_step == self.updates:
            trainer.save_checkpoint(self.path)


class Once(pl.Callback):
    """Call `act` with the Trainer in one hook, the first time that so many updates are done."""

    def __init__(self, hook, updates, act):
        self.updates, self.act = updates, act
        setattr(self, hook, self.call)

    def call(self, trainer, *_):
        if trainer.global_step == self.updates:
            self.updates = None
            self.act(trainer)


def stop(trainer):
    trainer.should_stop = True


def fail(trainer):
    raise KeyError


def set_rate(rate):
    """Return what sets the rate of the first group."""
    return lambda trainer: trainer.optimizers[0].param_groups[0].update(lr=rate)


def said(caught, words):
    """Return those of the warnings caught that have these words.

    That none is given needs no check: by pyproject.toml each of ours is an error.
    """
    return [str(each.message) for each in caught if words in str(each.message)]
