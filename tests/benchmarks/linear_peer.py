"""The PyTorch peers of `self_normalizing_speed`; needs only torch.

    python linear_peer.py SIZE STEPS

One linear layer under N(0, I), batch 100, Adam: log|det W| by `slogdet` of a free
matrix, and by the diagonal of the LU factors that W is the product of.
"""

import statistics
import sys
import time

import torch

BATCH = 100


def free(size):
    """W itself; O(D³)."""
    weight = torch.eye(size).requires_grad_()
    return [weight], lambda x: (x @ weight.T, torch.linalg.slogdet(weight)[1])


def lu(size):
    """W = L U; the triangles are masked, the product is two products with x."""
    factors = torch.zeros(size, size).requires_grad_()
    log_diagonal = torch.zeros(size).requires_grad_()

    def forward(x):
        lower = torch.tril(factors, -1) + torch.eye(size)
        upper = torch.triu(factors, 1) + torch.diag(log_diagonal.exp())
        return x @ upper.T @ lower.T, log_diagonal.sum()

    return [factors, log_diagonal], forward


def main():
    size, steps = map(int, sys.argv[1:3])
    torch.set_num_threads(2)
    for name, make in {"torch slogdet": free, "torch LU": lu}.items():
        weights, forward = make(size)
        bias = torch.zeros(size).requires_grad_()
        optimizer = torch.optim.Adam([*weights, bias], 1e-4)
        times = []
        for _ in range(steps + 2):
            x = torch.randn(BATCH, size)
            start = time.perf_counter()
            optimizer.zero_grad()
            y, log_det = forward(x)
            loss = 0.5 * ((y + bias) ** 2).sum(1).mean() - log_det
            loss.backward()
            optimizer.step()
            times.append(time.perf_counter() - start)
        median = 1e3 * statistics.median(times[2:])
        print(f"({size},)        {name:18} {median:9.1f} ms", flush=True)


if __name__ == "__main__":
    main()
