"""Trains zuko's spline coupling flow on given rows; prints its held-out nats.

    python zuko_peer.py ROWS.npz SEED

For a Python with zuko and PyTorch; `quality.py` calls it.
"""

import copy
import sys

import numpy as np
import torch
import zuko

EPOCHS, BATCH = 40, 512


def main(path, seed):
    torch.manual_seed(seed)
    data = np.load(path)
    train, validation, test = (
        torch.tensor(data[part], dtype=torch.float32)
        for part in ("train", "validation", "test")
    )
    flow = zuko.flows.NSF(
        train.shape[1], transforms=6, hidden_features=(128, 128), passes=2
    )
    optimizer = torch.optim.Adam(flow.parameters(), 1e-3)
    steps = EPOCHS * -(-len(train) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    best, best_weights = np.inf, None
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(train)).split(BATCH):
            optimizer.zero_grad()
            loss = -flow().log_prob(train[rows]).mean()
            loss.backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            held_out = -flow().log_prob(validation).mean().item()
        if held_out < best:
            best, best_weights = held_out, copy.deepcopy(flow.state_dict())
    flow.load_state_dict(best_weights)
    with torch.no_grad():
        print(flow().log_prob(test).mean().item())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
