"""Time of a training step and of sampling of autoregressive flows, against zuko.

    python -m tests.benchmarks.autoregressive_speed
        [--size 43] [--steps 15] [--rounds 3] [--samples 10000] [--xla]

Five layers, batch 512, Adam, the candidates in turn round after round in one process,
medians: affine ones with 2 × 512 hidden units and spline ones (8 bins) with 2 × 128,
under N(0, I), and the ready `autoregressive_flow` with its linear layers and its
mixture base. zuko's `MAF` and `NSF` stand beside them where zuko and PyTorch are
installed too. The ratio is to zuko of the same transform.
"""

import argparse
import time

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tests.benchmarks.step_speed import BATCH, StepTimes, measure
from tfp_flows import architectures, bijectors
from tfp_flows.models import FlowModel
from tfp_flows.ops import Affine, RationalQuadratic

tfb, tfd = tfp.bijectors, tfp.distributions

NUM_LAYERS = 5
KINDS = {"affine": (Affine, (512, 512)), "spline": (RationalQuadratic, (128, 128))}


class Ours:
    """`FlowModel.fit` with its default callbacks and no bar drawn."""

    def __init__(self, distribution, data, options):
        self.model = FlowModel(distribution)
        self.model.compile(keras.optimizers.Adam(1e-3), jit_compile=options.xla)
        self.data = data
        self.samples = options.samples

    def step_times(self, steps):
        times = StepTimes()
        started = time.perf_counter()
        rows = self.data[: steps * BATCH]
        self.model.fit(rows, batch_size=BATCH, callbacks=[times], verbose=0)
        return np.diff([started, *times.ends]).tolist()

    def sample(self):
        return self.model.sample(self.samples, seed=0).numpy()


def ours(size, kind):
    """Layers in alternating order under N(0, I), as zuko's."""
    transform, hidden_sizes = KINDS[kind]
    layers = []
    for index in range(NUM_LAYERS):
        layer = bijectors.MaskedAutoregressive(
            size,
            transform=transform(),
            hidden_sizes=hidden_sizes,
            name=f"autoregressive_{index}",
        )
        layers += [layer, bijectors.Permutation(size, name=f"reverse_{index}")]
    base = tfd.MultivariateNormalDiag(tf.zeros([size]), tf.ones([size]))
    return tfd.TransformedDistribution(base, tfb.Invert(tfb.Chain(layers[::-1])))


def ready(size, kind):
    """What a user gets, with whitening, linear layers and the default base."""
    return architectures.autoregressive_flow(
        size, transform=kind, num_layers=NUM_LAYERS, hidden_sizes=KINDS[kind][1]
    )


class Zuko:
    """zuko's flow in a hand-written loop."""

    def __init__(self, size, kind, data, options):
        import torch
        import zuko

        self.torch = torch
        make = zuko.flows.MAF if kind == "affine" else zuko.flows.NSF
        self.flow = make(size, transforms=NUM_LAYERS, hidden_features=KINDS[kind][1])
        self.optimizer = torch.optim.Adam(self.flow.parameters(), 1e-3)
        self.data = torch.tensor(data)
        self.samples = options.samples

    def step_times(self, steps):
        times = [time.perf_counter()]
        for rows in self.data[: steps * BATCH].split(BATCH):
            self.optimizer.zero_grad()
            loss = -self.flow().log_prob(rows).mean()
            loss.backward()
            self.optimizer.step()
            loss.item()
            times.append(time.perf_counter())
        return np.diff(times).tolist()

    def sample(self):
        with self.torch.no_grad():
            return self.flow().sample((self.samples,)).numpy()


def candidates(size, kind, options):
    """Name → flow; zuko, where there is one, first."""
    rows = (options.steps + 5) * BATCH
    data = np.random.default_rng(0).normal(size=[rows, size]).astype("float32")
    found = {}
    try:
        found["zuko"] = Zuko(size, kind, data, options)
    except ImportError:
        print("zuko: not installed")
    found["ours"] = Ours(ours(size, kind), data, options)
    found["autoregressive_flow"] = Ours(ready(size, kind), data, options)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=43)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--xla", action="store_true", help="jit_compile=True on ours")
    options = parser.parse_args()
    print(
        f"{'kind':8}{'flow':22}{'first step s':>14}{'step ms':>10}{'ratio':>7}"
        f"{'sample ms':>12}{'ratio':>7}"
    )
    for kind in options.kinds:
        table = candidates(options.size, kind, options)
        results = measure(
            list(table.values()), options.steps, options.rounds, options.draws
        )
        _, floor_step, floor_draw = results[0]
        for name, (first, step, draw) in zip(table, results, strict=True):
            print(
                f"{kind:8}{name:22}{first:14.1f}{step:10.2f}{step / floor_step:7.2f}"
                f"{draw:12.2f}{draw / floor_draw:7.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
