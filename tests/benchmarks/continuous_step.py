"""Time and memory of a continuous flow's training step, against `tfb.FFJORD`.

    python -m tests.benchmarks.continuous_step [--steps 12] [--rounds 4] [--xla]

One velocity of 2 × 64 tanh units with the same random weights on both sides, batch 512,
N(0, I) rows, tolerance 1e-5, Adam at 1e-5 so that it stays the same problem. The rival:
stock `tfb.FFJORD` with its Dormand–Prince and continuous adjoint in a hand-written
`tf.function`; exact trace at D = 6, Hutchinson at D = 43, and Hutchinson at both under
XLA, where its exact trace does not compile. Ours: `FlowModel.fit` with the exact trace
in closed form, steps shared by the batch, gradient of the computed numbers.

Each candidate has a process of its own; rounds take turns. Least and median over steps,
most resident memory of the process beyond what it had before its first step.
"""

import argparse
import multiprocessing
import resource
import statistics
import time

import numpy as np

HIDDEN, BATCH, TOLERANCE = (64, 64), 512, 1e-5


def weights(size):
    """Kernel, bias and the weights of time of each layer."""
    rng = np.random.default_rng(0)
    widths = [size, *HIDDEN, size]
    layers = []
    for rows, columns in zip(widths[:-1], widths[1:], strict=True):
        kernel = rng.normal(size=(rows, columns)) * np.sqrt(2 / (rows + columns))
        layers += [kernel, 0.1 * rng.normal(size=columns), rng.normal(size=columns)]
    return layers


def batch(size):
    return np.random.default_rng(1).normal(size=[BATCH, size]).astype("float32")


class Rival:
    """Stock TFP in a hand-written loop; returns the time of each step."""

    def __init__(self, size, exact, xla):
        import keras
        import tensorflow as tf
        import tensorflow_probability as tfp
        from tensorflow_probability.python.bijectors import ffjord

        layers = [keras.Variable(w, dtype="float32") for w in weights(size)]

        def velocity(t, x):
            for index in range(0, len(layers), 3):
                kernel, bias, slope = layers[index : index + 3]
                x = x @ kernel + bias + t * slope
                x = tf.tanh(x) if index + 3 < len(layers) else x
            return x

        solver = tfp.math.ode.DormandPrince(rtol=TOLERANCE, atol=TOLERANCE)
        trace = ffjord.trace_jacobian_hutchinson
        if exact:
            trace = ffjord.trace_jacobian_exact
        bijector = tfp.bijectors.FFJORD(
            velocity,
            ode_solve_fn=solver.solve,
            trace_augmentation_fn=trace,
        )
        base = tfp.distributions.MultivariateNormalDiag(tf.zeros([size]))
        flow = tfp.distributions.TransformedDistribution(base, bijector)
        optimizer = keras.optimizers.Adam(1e-5)
        optimizer.build(layers)

        @tf.function(jit_compile=xla, autograph=False)
        def step(x):
            with tf.GradientTape() as tape:
                loss = -tf.reduce_mean(flow.log_prob(x))
            optimizer.apply(tape.gradient(loss, [w.value for w in layers]), layers)
            return loss

        x = tf.constant(batch(size))
        self.step = lambda: float(step(x))

    def times(self, steps):
        ends = [time.perf_counter()]
        for _ in range(steps):
            self.step()
            ends.append(time.perf_counter())
        return np.diff(ends).tolist()


class Ours:
    """`FlowModel.fit`; returns the time of each step."""

    def __init__(self, size, exact, xla):
        import keras
        import tensorflow as tf
        from tensorflow_probability import bijectors as tfb
        from tensorflow_probability import distributions as tfd

        from tests.benchmarks.step_speed import StepTimes
        from tfp_flows.bijectors import Continuous
        from tfp_flows.models import FlowModel
        from tfp_flows.networks import VelocityMLP

        network = VelocityMLP(size, hidden_sizes=HIDDEN)
        network.set_weights(weights(size))
        base = tfd.MultivariateNormalDiag(tf.zeros([size]), tf.ones([size]))
        flow = tfd.TransformedDistribution(base, tfb.Invert(Continuous(network)))
        self.model = FlowModel(flow)
        self.model.compile(keras.optimizers.Adam(1e-5), jit_compile=xla)
        self.data = tf.data.Dataset.from_tensors(tf.constant(batch(size))).repeat()
        self.new_clock = StepTimes

    def times(self, steps):
        clock = self.new_clock()
        started = time.perf_counter()
        self.model.fit(self.data, steps_per_epoch=steps, callbacks=[clock], verbose=0)
        return np.diff([started, *clock.ends]).tolist()


def work(pipe, kind, size, exact, xla):
    """Answers a number of steps by their times and the memory so far, in MB."""
    candidate = kind(size, exact, xla)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while steps := pipe.recv():
        times = candidate.times(steps)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        pipe.send((times, (after - before) / 1024))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--sizes", type=int, nargs="+", default=[6, 43])
    parser.add_argument("--xla", action="store_true", help="jit_compile=True on both")
    options = parser.parse_args()
    print(
        f"{'':22}{'D':>4}{'first step s':>14}{'least ms':>10}{'ratio':>7}"
        f"{'median ms':>11}{'ratio':>7}{'MB':>7}"
    )
    spawn = multiprocessing.get_context("spawn")
    for size in options.sizes:
        exact = size < 10 and not options.xla
        trace = "exact" if exact else "Hutchinson"
        candidates = {f"tfb.FFJORD, {trace}": Rival, "ours, exact": Ours}
        pipes, first, taken, memory = {}, {}, {name: [] for name in candidates}, {}
        for name, kind in candidates.items():
            pipes[name], end = spawn.Pipe()
            arguments = (end, kind, size, exact, options.xla)
            spawn.Process(target=work, args=arguments, daemon=True).start()
            pipes[name].send(1)
            (first[name],), _ = pipes[name].recv()
        for _ in range(options.rounds):
            for name, pipe in pipes.items():
                # The first steps of a call hold the start of an epoch.
                pipe.send(options.steps + 2)
                times, memory[name] = pipe.recv()
                taken[name] += times[2:]
        rival = taken[f"tfb.FFJORD, {trace}"]
        for name, pipe in pipes.items():
            pipe.send(0)
            least, median = min(taken[name]), statistics.median(taken[name])
            print(
                f"{name:22}{size:4}{first[name]:14.1f}{1e3 * least:10.1f}"
                f"{least / min(rival):7.2f}{1e3 * median:11.1f}"
                f"{median / statistics.median(rival):7.2f}{memory[name]:7.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
