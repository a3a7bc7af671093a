"""The PyTorch twin of `particles_speed`; needs torch, torchdiffeq and numpy.

    python particles_peer.py WEIGHTS.npz

The network of the released E-NF with the weights in the file, its Dormand–Prince and
adjoint at tolerance 1e-4: seconds of a training step, Hutchinson's trace as published
or the exact one by a pass backward a coordinate, and of the exact log-densities, and
the mean of those.
"""

import functools
import sys
import time

import numpy as np
import torch
from torch.nn.functional import silu
from torchdiffeq import odeint, odeint_adjoint

TOLERANCE = 1e-4


class Velocity(torch.nn.Module):
    """State (x, log-det) → slopes, with the trace that `probes` asks for."""

    def __init__(self, weights, num_layers, width):
        super().__init__()
        self.weights = torch.nn.ParameterList(
            torch.nn.Parameter(torch.tensor(w)) for w in weights
        )
        self.num_layers, self.width, self.probes = num_layers, width, None

    def velocity(self, t, x):
        weights = iter(self.weights)
        rows, size = x.shape[:2]
        h = t.expand(rows, size, 1) @ next(weights) + next(weights)
        others = (1 - torch.eye(size))[..., None]
        start = ((x[:, :, None] - x[:, None]) ** 2).sum(-1, keepdim=True)
        place = x
        for index in range(self.num_layers):
            away = place[:, :, None] - place[:, None]
            square = (away**2).sum(-1, keepdim=True)
            edge, width = next(weights), self.width
            receiver, sender = h @ edge[:width], h @ edge[width : 2 * width]
            hidden = receiver[:, :, None] + sender[:, None] + next(weights)
            hidden = hidden + square * edge[-2] + start * edge[-1]
            message = silu(silu(hidden) @ next(weights) + next(weights))
            push, push_bias, length = next(weights), next(weights), next(weights)
            message = message * torch.sigmoid(message @ next(weights) + next(weights))
            strength = torch.tanh(silu(message @ push + push_bias) @ length)
            strength = strength * 15 / self.num_layers / (torch.sqrt(square + 1e-8) + 1)
            place = place + (away * strength * others).sum(2)
            if index + 1 < self.num_layers:
                received = (message * others).sum(2)
                both = torch.cat([h, received], -1) @ next(weights) + next(weights)
                h = h + silu(both) @ next(weights) + next(weights)
        moved = place - x
        return moved - moved.mean(1, keepdim=True)

    def forward(self, t, state):
        tracked, x = torch.is_grad_enabled(), state[0]
        with torch.enable_grad():
            x = x if x.requires_grad else x.detach().requires_grad_(True)
            v = self.velocity(t, x)
            trace = torch.zeros(len(x))
            for probe in self.probes:
                (pulled,) = torch.autograd.grad(
                    v, x, probe, retain_graph=True, create_graph=tracked
                )
                trace = trace + (pulled * probe).sum((1, 2))
        return (v, trace) if tracked else (v.detach(), trace.detach())


def nats(model, x, exact, solve):
    size = x[0].numel()
    if exact:
        units = torch.eye(size).reshape(size, 1, *x.shape[1:])
        model.probes = [unit.expand_as(x) for unit in units]
    else:
        model.probes = [torch.randint(0, 2, x.shape) * 2.0 - 1]
    times = torch.tensor([0.0, 1.0])
    state = (x, torch.zeros(len(x)))
    z, log_det = solve(
        model, state, times, rtol=TOLERANCE, atol=TOLERANCE, method="dopri5"
    )
    freedom = size - x.shape[2]
    base = -0.5 * ((z[-1] ** 2).sum((1, 2)) + freedom * np.log(2 * np.pi))
    return (base + log_det[-1]).mean()


def seconds(run):
    found = []
    for _ in range(3):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return min(found)


def main(path):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    data = np.load(path)
    weights = [data[f"weight_{i}"] for i in range(int(data["count"]))]
    x = torch.tensor(data["x"])
    model = Velocity(weights, int(data["num_layers"]), int(data["width"]))
    optimizer = torch.optim.Adam(model.parameters(), 1e-6)

    def step(exact):
        optimizer.zero_grad()
        (-nats(model, x, exact, odeint_adjoint)).backward()
        optimizer.step()

    def score():
        with torch.no_grad():
            return nats(model, x, True, odeint)

    print(f"torch: mean log-density {float(score()):.4f}")
    # By a pass backward a coordinate a step of 39 of them takes minutes.
    for kind in [False, True] if x[0].numel() < 12 else [False]:
        name = "exact" if kind else "Hutchinson"
        print(
            f"torch: step, {name} trace {seconds(functools.partial(step, kind)):.3f} s"
        )
    print(f"torch: exact log-densities {seconds(score):.3f} s")


if __name__ == "__main__":
    main(sys.argv[1])
