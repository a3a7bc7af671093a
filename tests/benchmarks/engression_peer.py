"""Trains engression on given rows; writes draws, prints parameters, milliseconds.

    python engression_peer.py ROWS.npz SEED EPOCHS DRAWS.npy

For a Python with engression and PyTorch; `regression.py` calls it. One thread.
"""

import math
import sys
import time

import numpy as np
import torch
from engression import Engressor

HIDDEN, NOISE, BATCH, RATE, NUM_DRAWS, TIMED = 100, 100, 512, 3e-3, 199, 10


def main(path, seed, epochs, out):
    torch.set_num_threads(1)
    data = np.load(path)
    x, c, asked = (
        torch.tensor(data[part], dtype=torch.float32) for part in ("x", "c", "asked")
    )

    def new():
        return Engressor(
            c.shape[1],
            x.shape[1],
            hidden_dim=HIDDEN,
            noise_dim=NOISE,
            lr=RATE,
            check_device=False,
            verbose=False,
        )

    def train(model, count):
        start = time.process_time()
        model.train(c, x, num_epochs=count, batch_size=BATCH, verbose=False)
        return 1e3 * (time.process_time() - start)

    # What a call of `train` does beside its steps is in both.
    timed, steps = new(), -(-len(x) // BATCH)
    few, many = train(timed, 1), train(timed, TIMED + 1)
    torch.manual_seed(seed)
    made = new()
    # It has no schedule: each epoch is a call, at a rate of its own.
    for epoch in range(epochs):
        for group in made.optimizer.param_groups:
            group["lr"] = 0.5 * RATE * (1 + math.cos(math.pi * epoch / epochs))
        train(made, 1)
    count = sum(p.numel() for p in made.model.parameters())
    draws = made.sample(asked, sample_size=NUM_DRAWS, expand_dim=True)
    np.save(out, draws.reshape(len(asked), -1, NUM_DRAWS).permute(2, 0, 1).numpy())
    print(count, (many - few) / (TIMED * steps))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
