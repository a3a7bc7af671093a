"""Trains zuko's continuous flow on given rows; prints its held-out nats.

    python zuko_continuous_peer.py ROWS.npz SECONDS [SEED]

For a Python with zuko and PyTorch; `matching.py` calls it. `CNF` of 2 × 64
tanh units with its own solver, tolerance and exact trace; batch 512, Adam 1e-3 falling
to 0 along a cosine of the seconds of this process.
"""

import math
import sys
import time

import numpy as np
import torch
import zuko

BATCH = 512


def main(path, seconds, seed=0):
    torch.manual_seed(seed)
    data = np.load(path)
    train, test = (
        torch.tensor(data[part], dtype=torch.float32) for part in ("train", "test")
    )
    flow = zuko.flows.CNF(
        train.shape[1], hidden_features=(64, 64), activation=torch.nn.Tanh
    )
    optimizer = torch.optim.Adam(flow.parameters(), 1e-3)
    began, done = time.process_time(), 0
    while (spent := time.process_time() - began) < seconds:
        part = spent / seconds
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * (1 + math.cos(math.pi * part)) / 2
        rows = train[torch.randint(len(train), (BATCH,))]
        optimizer.zero_grad()
        loss = -flow().log_prob(rows).mean()
        loss.backward()
        optimizer.step()
        done += 1
    with torch.no_grad():
        nats = np.concatenate([flow().log_prob(rows) for rows in test.split(BATCH)])
    count = sum(p.numel() for p in flow.parameters())
    print(f"{nats.mean()} {count} {done} {spent}")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), *map(int, sys.argv[3:]))
