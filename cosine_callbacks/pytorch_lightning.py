"""The same callback for the package `pytorch_lightning`."""

from cosine_callbacks._schedule.extras import required
from cosine_callbacks._schedule.keywords import explain_unknown_arguments

with required("pytorch_lightning", "pytorch-lightning"):
    from pytorch_lightning import Callback

from cosine_callbacks._trainer.callback import TrainerCallback

__all__ = ["CosineAnnealingCallback"]


@explain_unknown_arguments
class CosineAnnealingCallback(TrainerCallback, Callback):
    """Anneal the learning rate of a Trainer's optimizers along a cosine.

    LR(e) = floor + 1/2 (lr_initial - floor) (1 + cos(pi e / t_max)), where e counts finished epochs
    or optimizer updates. The rate depends on e alone, so a resumed run uses the same rates as an
    uninterrupted one, and after t_max the rate stays at the floor. Each rate is written before
    anything logs or uses it, so the order matters only for a callback that sets rates itself.

    An epoch is a whole pass over the training data; a batch that Lightning trains again after a
    resume has the rate of the next epoch. The planned run is what is done plus what is left under
    the Trainer's present settings; if they have not changed, the saved length is used.

    A resumed run keeps the peaks of its checkpoint, as torch's own schedulers do, and warns if the
    model configures others; pass `lr_initial` to change them. Param groups added during training,
    and groups whose rate another callback sets, go on from that rate.
    Source: SGDR, Loshchilov & Hutter, arXiv:1608.03983.

    Args:
        t_max: Position at which the floor is reached, warmup included: an int in units of
            `interval`, a fraction of the planned run in (0, 1], or None for the whole of it. With
            several cycles the length of the first; with None the cycles fill the run.
        lr_min: The floor as a rate, >= 0 and at most each group's own rate.
        lr_initial: Peak rate of every group, > 0; None takes each group's own (0 stays 0).
        lr_min_ratio: The floor as a fraction of each group's peak, in [0, 1]; instead of lr_min.
        interval: Unit of e, t_max, warmup and hold: "epoch", or "step" for optimizer updates.
        warmup: Length of the linear warmup: an int in units, or a fraction of the first cycle in
            (0, 1), rounded to whole units (0.05 of 10 is 0).
        hold: Units at the peak between warmup and cosine, an int or a fraction likewise.
        warmup_start_ratio: Rate at e=0 as a fraction of the peak, in [0, 1]; None is
            1 / (warmup + 1).
        cycles: Number of cosine cycles (warm restarts), >= 1; None restarts for ever.
        t_mult: Each cycle is this many times as long as the one before, an int >= 1.
        peak_decay: Cycle i starts at floor + (peak - floor) * peak_decay**i, in (0, 1].
        optimizers: Index or indices in `trainer.optimizers` of those to drive; None drives all.

    Raises:
        TypeError: An argument has the wrong type (bool, str, list where a number is needed).
        ValueError: An argument is out of range or contradicts another one. From `fit`, before the
            first batch and with every rate left as it was: an optimizer that does not exist or has
            another scheduler, a floor above a group's rate, a run whose length is needed but
            unknown or too short for its warmup (`fast_dev_run` and `overfit_batches` pass), a state
            in the checkpoint that is not ours or is of a newer version.

    Warns:
        UserWarning: Each once per fit: the checkpoint has other parameters or no counts, the model
            configures another rate, reloaded data have another number of batches than planned, a
            warmup given as a fraction is rounded to 0, or in manual optimization weights change
            although the `step` of their optimizer is never called. Also for each param group that
            is added, or whose rate is set, below the floor: it is held there.

    Examples:
        >>> from cosine_callbacks.pytorch_lightning import CosineAnnealingCallback
        >>> CosineAnnealingCallback(t_max=10, lr_min=0.001)
        CosineAnnealingCallback(t_max=10, lr_min=0.001)
    """
