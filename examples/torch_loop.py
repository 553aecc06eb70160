"""Train on handwritten digits in a plain PyTorch loop, with torch's LambdaLR.

Run `python examples/torch_loop.py`. The exit status is 0 if every update used the formula's rate
and the network learns the digits.
"""

from __future__ import annotations

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.optim.lr_scheduler import LambdaLR

from cosine_callbacks import CosineAnnealing

EPOCHS, BATCH_SIZE = 8, 32
LEAST_ACCURACY = 0.93


def main() -> int:
    """Train, compare and test; return the exit status."""
    torch.manual_seed(0)
    images, labels = load_digits(return_X_y=True)
    split = train_test_split(images / 16, labels, test_size=0.2, stratify=labels, random_state=0)
    x_train, x_test = (torch.tensor(part, dtype=torch.float32) for part in split[:2])
    y_train, y_test = (torch.tensor(part) for part in split[2:])
    model = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
    updates = EPOCHS * -(-len(x_train) // BATCH_SIZE)
    schedule = CosineAnnealing(lr_initial=0.01, t_max=updates, lr_min=1e-5, warmup=0.1)
    optimizer = torch.optim.Adam(model.parameters(), lr=schedule.lr_initial)
    # LambdaLR multiplies the initial rate of each param group.
    scheduler = LambdaLR(optimizer, schedule.factor)

    used = []
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(x_train)).split(BATCH_SIZE):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x_train[batch]), y_train[batch]).backward()
            used.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()

    formula = [schedule(e) for e in range(updates)]
    off = max(abs(a - b) / b for a, b in zip(used, formula, strict=True))
    accuracy = float((model(x_test).argmax(1) == y_test).float().mean())
    print(f"test accuracy {accuracy:.3f}; {updates} updates, each within {off:.1e} of the formula")
    # Multiplying the rate by the factor rounds once more.
    return int(off > sys.float_info.epsilon or accuracy < LEAST_ACCURACY)


if __name__ == "__main__":
    sys.exit(main())
