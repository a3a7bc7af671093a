"""A continuous flow of particles: by likelihood, by matching, and its weights.

    python -m tests.benchmarks.particles [--set dw4] [--rows 10000] [--epochs 20]
        [--matching-epochs 20] [--coupling orbit] [--layers 2] [--width 32] [--df 0]
        [--batch 256] [--draws 10000] [--seed 0]

`equivariant_flow`, Adam 2e-3 falling to 0 along a cosine: first
`FlowMatching`, of whose weights the average counts (momentum 0.999), then likelihood
at half that rate. Of 2,000 held-out draws nats a row and calls; of so many draws of the
model, weighted for the energy, effective sample size, shape of the tail and log Z.
Seconds without the first step, which traces.

Floors of the nats, the entropies: dw4 7.14 ± .02, lj13 16.8 ± .1, lj13-single
39.6 ± .4. Nats of some thousand rows vary by more than models differ; "above" takes
from them those of the true density, U + log Z, on the same rows, with log Z 29.66,
59.86, 39.23. Published for dw4 (E-NF): 7.48 of 1e5 rows, 7.69 of 1e4, 8.15 of 1e3.
"""

import argparse

import keras
import numpy as np
import tensorflow as tf

from tests.benchmarks.matching import Clock
from tfp_flows.architectures import equivariant_flow
from tfp_flows.distributions import CenteredStudentT
from tfp_flows.energies import PARTICLE_SYSTEMS, sample_particles
from tfp_flows.models import FlowModel, reweight
from tfp_flows.objectives import FlowMatching

HELD_OUT = 2_000
LOG_Z = {"dw4": 29.66, "lj13": 59.86, "lj13-single": 39.23}


def train(model, rows, epochs, batch, rate, averaged):
    """Seconds."""
    if epochs == 0:
        return 0.0
    keras.utils.set_random_seed(0)
    steps = -(-len(rows) // batch)
    schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * steps)
    optimizer = keras.optimizers.Adam(
        schedule, global_clipnorm=5.0, use_ema=averaged, ema_momentum=0.999
    )
    model.compile(optimizer, jit_compile=False)
    source = tf.data.Dataset.from_tensor_slices(rows).shuffle(len(rows), seed=0)
    source = source.batch(batch)
    clock = Clock()
    model.fit(source, epochs=epochs, verbose=0, callbacks=[clock])
    count = epochs * steps
    return (clock.end - clock.start) * count / (count - 1)


def report(label, model, held_out, floor, size, seconds):
    found = model.evaluate(held_out, batch_size=size, verbose=0, return_dict=True)
    nats = found.get("negative_log_likelihood", found["loss"])
    cells = f"{nats:9.3f}{nats - floor:9.3f}{seconds:9.1f} s{found['calls']:8.1f}"
    print(f"{label:28}{cells}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", default="dw4", choices=sorted(PARTICLE_SYSTEMS))
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--matching-epochs", type=int, default=20)
    parser.add_argument("--coupling", default="orbit")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--df", type=float, default=0.0, help="of a Student-t base")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    system = PARTICLE_SYSTEMS[options.set]
    shape = system.num_particles, system.dimension
    size = 500 if system.num_particles == 4 else 100  # An exact trace is memory.
    x = sample_particles(system, options.rows + HELD_OUT, seed=(0, 1)).astype("float32")
    held_out, rows = x[:HELD_OUT], x[HELD_OUT:]
    flow = equivariant_flow(
        *shape,
        num_layers=options.layers,
        hidden_size=options.width,
        base=CenteredStudentT(*shape, options.df) if options.df else None,
        seed=options.seed,
    )
    energy = system.energy(held_out.astype("float64"))
    floor = np.mean(energy) + LOG_Z.get(options.set, np.nan)
    print(f"{'training':28}{'nats':>9}{'above':>9}{'seconds':>11}{'calls':>8}")
    model = FlowModel(flow, objective=FlowMatching(coupling=options.coupling))
    if options.matching_epochs:
        epochs, rate = options.matching_epochs, options.rate
        seconds = train(model, rows, epochs, options.batch, rate, averaged=True)
        label = f"matching, {options.matching_epochs} ({options.coupling})"
        report(label, model, held_out, floor, size, seconds)
    model = FlowModel(flow)
    if options.epochs:
        epochs, rate = options.epochs, options.rate / 2
        seconds = train(model, rows, epochs, options.batch, rate, averaged=False)
        report(f"likelihood, {options.epochs}", model, held_out, floor, size, seconds)
    if options.draws:
        print(reweight(model, system.energy, options.draws, batch_size=size, verbose=0))


if __name__ == "__main__":
    main()
