"""DW4 by rows: the equivariant flow beside a kernel and a plain graph network.

    python -m tests.benchmarks.particles_baselines [--rows 100 1000 10000 100000]
        [--only equivariant kernel graph "graph, turned"] [--rounds 8] [--steps 500]

Each velocity stands in the same flow and is trained by `FlowMatching`: batches of 256,
Adam 2e-3 falling to 0 along a cosine, exact likelihood of 500 other rows after each
round of so many steps, whose best weights count. Nats a row of 2,000 held-out draws,
7.14 ± .02 their entropy, and seconds of training.

    equivariant     `equivariant_flow`, draws matched over orbits
    kernel          vᵢ = Σⱼ (xᵢ − xⱼ) φ(|xᵢ − xⱼ|, t), φ a sum of products of normalized
                    Gaussian kernels; its divergence is Σᵢⱼ n φ + d ∂φ/∂d; over orbits
    graph           messages between all pairs, positions as features; draws matched
                    as they are
    graph, turned   the same of rows that each batch turns or mirrors at random

References: Köhler, Klein and Noé (2020), arXiv:2006.02425, the kernel; Garcia Satorras
et al. (2021), arXiv:2105.09016, the others. Published by likelihood, for 1e2 to 1e5
rows: E-NF 8.31, 8.15, 7.69, 7.48; kernel 8.74, 8.67, 8.42, 8.26; graph network 11.93,
11.31, 10.38, 7.95; with attention and turned rows 8.81, 8.31, 7.90, 7.61.
"""

import argparse
import time

import keras
import tensorflow as tf
from keras import layers

from tfp_flows.architectures import assembly, equivariant_flow
from tfp_flows.bijectors import CenteredScale, Continuous
from tfp_flows.bijectors.affine.centered import Centered
from tfp_flows.distributions import CenteredNormal
from tfp_flows.energies import PARTICLE_SYSTEMS, sample_particles
from tfp_flows.models import FlowModel
from tfp_flows.objectives import FlowMatching
from tfp_flows.ops import centered

SYSTEM = PARTICLE_SYSTEMS["dw4"]
SHAPE = SYSTEM.num_particles, SYSTEM.dimension


class KernelVelocity(layers.Layer):
    """Pairs push each other along their difference, by distance and time."""

    event_shape = SHAPE

    def __init__(self):
        super().__init__()
        self.centers, self.width = tf.linspace(0.0, 6.0, 50), 0.25
        self.instants = tf.linspace(0.0, 1.0, 10)
        self.amounts = self.add_weight((50, 10), "zeros", name="amounts")
        self.built = True

    def with_divergence(self, x, context=None, t=0.0):
        away = x[..., :, tf.newaxis, :] - x[..., tf.newaxis, :, :]
        distance = tf.sqrt(tf.reduce_sum(away**2, -1, keepdims=True) + 1e-6)
        near = -0.5 * ((distance - self.centers) / self.width) ** 2
        kernels = tf.nn.softmax(near, axis=-1)
        slopes = (self.centers - distance) / self.width**2
        slopes = kernels * (slopes - tf.reduce_sum(kernels * slopes, -1, keepdims=True))
        t = tf.reshape(tf.convert_to_tensor(t, x.dtype), [-1, 1])
        instants = tf.nn.softmax(-0.5 * ((t - self.instants) / 0.3) ** 2, axis=-1)
        amounts = tf.matmul(instants, self.amounts, transpose_b=True)[:, None, None]
        push, slope = (
            tf.reduce_sum(one * amounts, -1, keepdims=True) for one in (kernels, slopes)
        )
        others = 1 - tf.eye(SHAPE[0])[..., tf.newaxis]
        each = others * (SHAPE[1] * push + distance * slope)
        return tf.reduce_sum(away * push, axis=-2), tf.reduce_sum(each, [-3, -2, -1])

    def call(self, x, context=None, t=0.0):
        return self.with_divergence(x, context, t)[0]


class GraphVelocity(layers.Layer):
    """Two rounds of messages; positions and time are features like any other."""

    event_shape = SHAPE

    def __init__(self, width=32):
        super().__init__()

        def dense(inputs, *sizes):
            steps = [layers.Dense(size, "silu") for size in sizes]
            return keras.Sequential([layers.Input((None, inputs)), *steps])

        self.embedding = dense(SHAPE[1] + 1, width)
        self.edges = [dense(2 * width, width, width) for _ in range(2)]
        self.nodes = [dense(2 * width, width, width) for _ in range(2)]
        self.out = layers.Dense(SHAPE[1], kernel_initializer="zeros")
        self.out.build((None, None, width))
        self.built = True

    def call(self, x, context=None, t=0.0):
        shape = tf.shape(x)
        x = tf.reshape(x, [-1, *SHAPE])
        t = tf.broadcast_to(
            tf.reshape(tf.convert_to_tensor(t, x.dtype), [-1, 1, 1]),
            tf.shape(x[..., :1]),
        )
        h = self.embedding(tf.concat([x, t], axis=-1))
        count = SHAPE[0]
        others = 1 - tf.eye(count)[..., tf.newaxis]
        for edge, node in zip(self.edges, self.nodes, strict=True):
            own = tf.repeat(h[:, :, tf.newaxis], count, axis=2)
            pairs = tf.concat([own, tf.einsum("bijk->bjik", own)], axis=-1)
            message = edge(tf.reshape(pairs, [-1, count**2, pairs.shape[-1]]))
            message = tf.reshape(message, [-1, count, count, message.shape[-1]])
            received = tf.reduce_sum(others * message, axis=2)
            h += node(tf.concat([h, received], axis=-1))
        return tf.reshape(centered(self.out(h)), shape)


def flow_of(network):
    parts = [Centered(dtype="float32"), CenteredScale(*SHAPE), Continuous(network)]
    return assembly.flow(CenteredNormal(*SHAPE), parts, "baseline")


def turned(x):
    angle = tf.random.uniform([tf.shape(x)[0]], 0.0, 6.2831855)
    mirror = tf.sign(tf.random.uniform(tf.shape(angle), -1.0, 1.0))
    cos, sin = tf.cos(angle), tf.sin(angle)
    rotation = tf.stack([cos, sin, -mirror * sin, mirror * cos], axis=-1)
    return x @ tf.reshape(rotation, [-1, 2, 2])


VELOCITIES = {
    "equivariant": (lambda: equivariant_flow(*SHAPE, seed=0), "orbit", None),
    "kernel": (lambda: flow_of(KernelVelocity()), "orbit", None),
    "graph": (lambda: flow_of(GraphVelocity()), "optimal", None),
    "graph, turned": (lambda: flow_of(GraphVelocity()), "optimal", turned),
}


def trained(name, rows, validation, rounds, steps):
    """The model, and seconds."""
    keras.utils.set_random_seed(0)
    make, coupling, change = VELOCITIES[name]
    model = FlowModel(make(), objective=FlowMatching(coupling=coupling))
    model.adapt(rows)
    schedule = keras.optimizers.schedules.CosineDecay(2e-3, rounds * steps)
    optimizer = keras.optimizers.Adam(schedule, global_clipnorm=5.0)
    model.compile(optimizer, jit_compile=False)
    source = tf.data.Dataset.from_tensor_slices(rows).shuffle(len(rows), seed=0)
    source = source.repeat().batch(256)
    best = keras.callbacks.EarlyStopping(
        "val_negative_log_likelihood",
        mode="min",
        patience=rounds,
        restore_best_weights=True,
    )
    start = time.perf_counter()
    model.fit(
        source.map(change) if change else source,
        epochs=rounds,
        steps_per_epoch=steps,
        validation_data=validation,
        validation_batch_size=500,
        verbose=0,
        callbacks=[best],
    )
    return model, time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[100, 1000, 10_000, 100_000]
    )
    parser.add_argument("--only", nargs="+", choices=list(VELOCITIES))
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=500)
    options = parser.parse_args()
    x = sample_particles(SYSTEM, max(options.rows) + 2500, seed=(0, 1))
    x = x.astype("float32")
    validation, held_out, rows = x[:500], x[500:2500], x[2500:]
    print(f"{'velocity':16}{'rows':>8}{'nats':>9}{'seconds':>10}", flush=True)
    for name in options.only or VELOCITIES:
        for count in options.rows:
            model, seconds = trained(
                name, rows[:count], validation, options.rounds, options.steps
            )
            found = model.evaluate(
                held_out, batch_size=500, verbose=0, return_dict=True
            )
            nats = found["negative_log_likelihood"]
            print(f"{name:16}{count:8}{nats:9.3f}{seconds:10.1f}", flush=True)


if __name__ == "__main__":
    main()
