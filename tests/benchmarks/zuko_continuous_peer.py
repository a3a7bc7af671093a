"""Trains zuko's continuous flow on given rows; prints its held-out nats.

    python zuko_continuous_peer.py ROWS.npz SECONDS [SEED]

For a Python with zuko and PyTorch; `matching.py` calls it. `CNF` of 2 × 64
tanh units with its own solver, tolerance and exact trace; batch 512, Adam 1e-3 falling
to 0 along a cosine over the steps that the first five leave time for.
"""

import math
import sys
import time

import numpy as np
import torch
import zuko

BATCH, FIRST = 512, 5


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
    began, done, total = time.process_time(), 0, FIRST
    while done < total:
        spent = time.process_time() - began
        if done >= FIRST:
            # Steps grow dearer: what is left is planned anew at each.
            total = done + int((seconds - spent) / (spent / done))
        part = min(1.0, max(spent / seconds, 0.0))
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * (1 + math.cos(math.pi * part)) / 2
        rows = train[torch.randint(len(train), (BATCH,))]
        optimizer.zero_grad()
        loss = -flow().log_prob(rows).mean()
        loss.backward()
        optimizer.step()
        done += 1
    spent = time.process_time() - began
    with torch.no_grad():
        nats = np.concatenate([flow().log_prob(rows) for rows in test.split(BATCH)])
    count = sum(p.numel() for p in flow.parameters())
    print(f"{nats.mean()} {count} {done} {spent}")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), *map(int, sys.argv[3:]))
