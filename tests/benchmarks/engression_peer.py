"""Trains engression on given rows; writes draws, prints parameters, seconds a step.

    python engression_peer.py ROWS.npz SEED EPOCHS DRAWS.npy

For a Python with engression and PyTorch; `regression.py` calls it. One thread.
"""

import sys
import time

import numpy as np
import torch
from engression import Engressor

HIDDEN, NOISE, BATCH, RATE, NUM_DRAWS = 100, 100, 512, 3e-3, 199


def main(path, seed, epochs, out):
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    data = np.load(path)
    x, c, asked = (
        torch.tensor(data[part], dtype=torch.float32) for part in ("x", "c", "asked")
    )
    made = Engressor(
        c.shape[1],
        x.shape[1],
        hidden_dim=HIDDEN,
        noise_dim=NOISE,
        lr=RATE,
        check_device=False,
        verbose=False,
    )

    def seconds(count):
        start = time.perf_counter()
        made.train(c, x, num_epochs=count, batch_size=BATCH, verbose=False)
        return time.perf_counter() - start

    # What a call of `train` does beside its steps is in both.
    few, all_of_them = seconds(1), seconds(epochs - 1)
    steps = (epochs - 2) * -(-len(x) // BATCH)
    count = sum(p.numel() for p in made.model.parameters())
    draws = made.sample(asked, sample_size=NUM_DRAWS, expand_dim=True)
    np.save(out, draws.reshape(len(asked), -1, NUM_DRAWS).permute(2, 0, 1).numpy())
    print(count, 1e3 * (all_of_them - few) / steps)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
