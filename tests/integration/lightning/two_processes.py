"""A program: train in two processes, each of which writes the rates it used to a file."""

import json
import os
import sys
from pathlib import Path

import torch
from parts import CosineAnnealingCallback, Model, fit, pl


class RecordingModel(Model):
    """Write the rates and the final weight to a file."""

    def __init__(self, file, samples, save=None):
        super().__init__(batches=samples)
        self.file, self.save = file, save

    def on_train_end(self):
        noted = {"rates": self.rates, "weight": self.weight.item()}
        Path(f"{self.file}.{self.global_rank}").write_text(json.dumps(noted))
        if self.save:  # here: the process that forks knows little about the run
            self.trainer.save_checkpoint(self.save)


class ShardedModel(RecordingModel):
    """A sharded layer: each rank has one of two equal rows."""

    def configure_model(self):
        from torch.distributed.fsdp import fully_shard

        self.layer = torch.nn.Linear(2, 2, bias=False)
        torch.nn.init.zeros_(self.layer.weight)
        del self.weight
        fully_shard(self.layer, mesh=self.device_mesh["data_parallel"])

    def training_step(self, batch, batch_idx):
        return self.layer(torch.ones(1, 2)).sum()

    def on_train_end(self):
        assert self.layer.weight.to_local().shape == (1, 2)
        self.weight = self.layer.weight.full_tensor()[1, 0]
        super().on_train_end()


def main():
    os.dup2(2, 1)  # both processes print what is no result
    strategy, folder, runs = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    model = RecordingModel
    if strategy == "fully_shard":
        model = ShardedModel
        strategy = pl.strategies.ModelParallelStrategy(data_parallel_size=2, tensor_parallel_size=1)
    for name, spec in runs.items():
        fit(
            model(folder / name, spec["samples"], spec.get("save")),
            CosineAnnealingCallback(**spec["options"]),
            strategy=strategy,
            devices=2,
            ckpt_path=spec.get("from"),
            **spec["run"],
        )
    if torch.distributed.is_initialized():
        # Both at once, and before the interpreter exits, where torch's threads can abort a process.
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
