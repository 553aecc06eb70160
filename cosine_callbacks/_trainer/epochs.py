"""Which epoch it is: how many whole passes over the training data are done, counted by ourselves.

No counter of the Trainer is right after every resume: some count a pass twice that `max_steps` has
cut or that Lightning enters again, some forget one that ended with a checkpoint.
"""

from dataclasses import dataclass
from math import inf
from typing import Any, Self


@dataclass
class Epochs:
    """Counts passes by the events of a fit; a cut pass counts once the next one begins.

    | event | what it changes |
    |---|---|
    | fit begins | a pass that is open goes on |
    | epoch begins | a new pass begins, unless Lightning resumes within one |
    | batch begins | a new pass begins with batch 0 where none goes on; no pass is cut |
    | batch ends | the last one of a pass finishes it, any other leaves it open |
    | epoch ends | a pass that goes on is cut |

    Attributes:
        finished: Whole passes, and cut ones that were not continued.
        open: Whether a pass is partly trained.
        cut: Whether that pass was ended without its last batch.
        batches: Batches of all fits whose end was seen; a checkpoint may be saved before it is.
        ends: Likewise ends of epochs, as Lightning counts them.
    """

    finished: int = 0
    open: bool = False
    cut: bool = False
    batches: int = 0
    ends: int = 0
    # Of this process only: whether a pass goes on, and the batches of Lightning's epoch.
    _passing: bool = False
    _trained: int = 0

    @classmethod
    def resumed(cls, saved: dict[str, Any], fit_loop: Any) -> Self:
        """Return the count of a checkpoint, or where it has none what Lightning's progress says."""
        batch, epoch = fit_loop.epoch_loop.batch_progress, fit_loop.epoch_progress
        batches, ends = batch.total.processed, epoch.total.processed
        if saved.get("open") is None:
            whole = batch.is_last_batch and batch.current.processed == batch.current.ready
            is_open = batch.current.ready > 0 and not whole
            # `processed` is ahead for good once a run with max_steps has been resumed.
            started = epoch.total.started or epoch.current.completed
            finished = max(saved.get("epochs", 0), started - is_open)
            return cls(finished, is_open, is_open and ends >= started, batches, ends)
        result = cls(saved["epochs"], saved["open"], saved["cut"])
        # A callback that is listed before ours may have saved in the hook that ours had not seen.
        if batches > saved["batches"] and batch.current.started >= batch.current.processed:
            first, endless = batch.current.processed == 1, fit_loop.max_batches == inf
            result._passing = result.open or first or endless
            result.batch_ends(last=batch.is_last_batch, batches=inf)
        result.cut = result.cut or (result.open and ends > saved["ends"])
        result.batches, result.ends = batches, ends
        return result

    def state(self) -> dict[str, Any]:
        """Return what `resumed` takes."""
        own = {"open": self.open, "cut": self.cut, "batches": self.batches, "ends": self.ends}
        return {"epochs": self.finished, **own}

    @property
    def current(self) -> int:
        """The epoch whose rate the next batch uses."""
        return self.finished + (self.cut and not self._passing)

    def fit_begins(self) -> None:
        """Go on with the pass of the checkpoint or of the fit before."""
        self._passing, self._trained = self.open, 0

    def epoch_begins(self, *, within: bool) -> None:
        """Begin a pass, unless Lightning resumes within one."""
        self._trained = 0
        if not within:
            self._begin()

    def batch_begins(self, index: int, batches: float) -> None:
        """Begin a pass that Lightning begins without `on_train_epoch_start`."""
        if not self._passing and index == 0:
            self._begin()
        elif batches == inf:
            self._passing = True  # without a length Lightning enters a pass again with any index
        self.cut = False

    def batch_ends(self, *, last: bool, batches: float) -> None:
        """Finish the pass with its last batch; one that Lightning repeats alone is no pass."""
        self._trained, self.batches = self._trained + 1, self.batches + 1
        if last and (self._passing or self._trained >= batches):
            self.finished += 1
        self.open = self._passing = self._passing and not last

    def epoch_ends(self, batches: int, ends: int) -> None:
        """Note that a pass was left before its last batch; Lightning counts skipped batches too."""
        self.cut = self.cut or self._passing
        self._passing, self._trained, self.batches, self.ends = False, 0, batches, ends

    def _begin(self) -> None:
        self.finished += self.cut
        self.open = self.cut = False
        self._passing = True
