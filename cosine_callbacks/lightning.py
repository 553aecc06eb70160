"""The callback over `lightning.pytorch.Callback`."""

from cosine_callbacks._schedule.extras import required

with required("lightning.pytorch", "lightning"):
    from lightning.pytorch import Callback

from cosine_callbacks._trainer.callback import _TrainerCallback

__all__ = ["CosineAnnealingCallback"]


class CosineAnnealingCallback(_TrainerCallback, Callback):  # noqa: D101 - inherited
    __doc__ = _TrainerCallback.__doc__
