"""Seconds of a flow of particles beside a PyTorch twin with the same weights.

    python -m tests.benchmarks.particles_speed --peer PYTHON [--set dw4] [--rows 128]

The graph network of `equivariant_flow`, two layers of width 32 with random weights,
tolerance 1e-4, one thread on both sides, least of three: a training step by likelihood,
ours with the exact trace, the twin's with the exact one and with Hutchinson's, and
exact log-densities, whose means must agree. PYTHON has torch and torchdiffeq.
"""

import argparse
import os
import pathlib
import subprocess
import tempfile
import time

os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}

import keras
import numpy as np
import tensorflow as tf

from tfp_flows.architectures import equivariant_flow
from tfp_flows.energies import PARTICLE_SYSTEMS
from tfp_flows.models import FlowModel
from tfp_flows.ode import AdaptiveSteps, Solver

LAYERS, WIDTH = 2, 32


def seconds(run):
    run()
    found = []
    for _ in range(3):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return min(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", required=True)
    parser.add_argument("--set", default="dw4", choices=sorted(PARTICLE_SYSTEMS))
    parser.add_argument("--rows", type=int, default=128)
    options = parser.parse_args()
    system = PARTICLE_SYSTEMS[options.set]
    shape = system.num_particles, system.dimension
    rng = np.random.default_rng(0)
    x = rng.normal(size=[options.rows, *shape]).astype("float32")
    x -= x.mean(axis=1, keepdims=True)
    flow = equivariant_flow(
        *shape,
        num_layers=LAYERS,
        hidden_size=WIDTH,
        solver=Solver(steps=AdaptiveSteps(1e-4, 1e-4)),
    )
    model = FlowModel(flow)
    weights = [
        rng.normal(size=w.shape).astype("float32") / max(w.shape[0], 4) ** 0.5
        for w in model.trainable_weights
    ]
    for target, value in zip(model.trainable_weights, weights, strict=True):
        target.assign(value)
    # The scale stays one: nothing is adapted.
    (scale,) = (part for part in flow.submodules if hasattr(part, "initialized"))
    scale.initialized.assign(True)
    model.compile(keras.optimizers.Adam(1e-6), jit_compile=False)
    batch = tf.constant(x)
    print(f"ours: mean log-density {np.mean(model.log_prob(x)):.4f}", flush=True)
    step = seconds(lambda: model.train_on_batch(batch))
    print(f"ours: step, exact trace {step:.3f} s", flush=True)
    score = seconds(lambda: model.predict_on_batch(batch))
    print(f"ours: exact log-densities {score:.3f} s", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "weights.npz")
        arrays = {f"weight_{i}": w for i, w in enumerate(weights)}
        sizes = {"count": len(weights), "num_layers": LAYERS, "width": WIDTH}
        np.savez(path, x=x, **arrays, **sizes)
        peer = pathlib.Path(__file__).with_name("particles_peer.py")
        subprocess.run([options.peer, peer, path], check=True)


if __name__ == "__main__":
    main()
