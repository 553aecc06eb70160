"""The same callback over `pytorch_lightning.Callback`."""

from cosine_callbacks._schedule.extras import required

with required("pytorch_lightning", "pytorch-lightning"):
    from pytorch_lightning import Callback

from cosine_callbacks._trainer.callback import _TrainerCallback

__all__ = ["CosineAnnealingCallback"]


class CosineAnnealingCallback(_TrainerCallback, Callback):  # noqa: D101 - inherited
    __doc__ = _TrainerCallback.__doc__
