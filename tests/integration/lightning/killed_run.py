"""A program: train, kill the process at each given update, and resume from the last checkpoint.

Each attempt is a forked process, so that the framework is imported only once.
"""

import json
import os
import signal
import sys
from pathlib import Path

from parts import CosineAnnealingCallback, Model, fit, pl


class KilledModel(Model):
    """Write each rate to disk before it is used, and die at one update."""

    def __init__(self, folder, kill_at):
        super().__init__(batches=7)
        self.folder, self.kill_at = folder, kill_at

    def on_before_optimizer_step(self, optimizer):
        step = self.trainer.global_step
        with (self.folder / "used.jsonl").open("a") as file:
            used = step, self.trainer.current_epoch, optimizer.param_groups[0]["lr"]
            file.write(json.dumps(used) + "\n")
        if step == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def attempt(folder, options, kill_at):
    saver = pl.callbacks.ModelCheckpoint(
        folder, filename="{step}", every_n_train_steps=2, save_top_k=-1
    )
    saved = sorted(folder.glob("*.ckpt"), key=lambda path: int(path.stem.partition("=")[2]))
    fit(
        KilledModel(folder, kill_at),
        CosineAnnealingCallback(**options),
        saver,
        max_epochs=4,
        ckpt_path=saved[-1] if saved else None,
    )


def main():
    folder, options, points = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
    for kill_at in [*points, None]:
        child = os.fork()
        if child == 0:
            attempt(folder, options, kill_at)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        expected = 0 if kill_at is None else -signal.SIGKILL
        if os.waitstatus_to_exitcode(status) != expected:
            sys.exit(f"attempt up to {kill_at} ended with status {status}")


if __name__ == "__main__":
    main()
