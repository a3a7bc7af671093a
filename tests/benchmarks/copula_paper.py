"""The two-dimensional experiment of "Copula-Based Normalizing Flows", trials at once.

    python -m tests.benchmarks.copula_paper [--trials 100] [--picture surfaces.png]

Target: a Gumbel copula (θ = 2.5) of two t₂ marginals, 10,000 rows to train and 10,000
to test, new in every trial. Flow: three times reverse permutation, masked affine layer
with scales softplus(raw) + 10⁻³ (MADE of width 4, two residual blocks). Adam with its
defaults, 2,500 steps of 128 rows. A trial that ends above 25 nats, or at no number,
counts as diverged and is left out of the median, as the authors do. `excess` is the
median over trials of the loss above that of the true density on the same test rows.
The same flow with the true law as base, 12 trials, goes beyond the paper.

`--picture` draws log-Lipschitz surfaces of three flows a base: at each point of a
100 × 100 grid on [−10, 10]², ln max |T(x) − T(x + εu)| / ε over 100 directions u,
ε = 10⁻³, in float64; the second table gives their maxima and 99th percentiles.

Reference: Laszkiewicz, Lederer, Fischer (2021), arXiv:2107.07352; the column `authors`
is computed from the losses that they publish with their code.
"""

import argparse
import time

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows import distributions

tfb, tfd = tfp.bijectors, tfp.distributions

ROWS, BATCH, STEPS = 10_000, 128, 2_500
LAYERS, WIDTH, BLOCKS = 3, 4, 2
AUTHORS = {
    "normal": "3.880, 17/100",
    "heavierTails": "3.445, 0/100",
    "correctFamily": "3.420, 0/100",
    "exactMarginals": "3.390, 0/100",
}


def product(*marginals):
    return distributions.CopulaDistribution(
        distributions.IndependenceCopula(2), list(marginals)
    )


def student_t(df, scale=1.0, dtype="float32"):
    return tfd.StudentT(*(tf.constant(v, dtype) for v in (df, 0.0, scale)))


def true_law(theta=2.5, dtype="float32"):
    copula = distributions.GumbelCopula(theta, 2, dtype=dtype)
    marginals = [student_t(2.0, dtype=dtype)] * 2
    return distributions.CopulaDistribution(copula, marginals)


BASES = {
    "normal": lambda: product(tfd.Normal(0.0, 1.0), tfd.Normal(0.0, 1.0)),
    "heavierTails": lambda: product(tfd.Laplace(0.0, 4.0), student_t(5.0, 2.0)),
    "correctFamily": lambda: product(student_t(5.0), student_t(5.0)),
    "exactMarginals": lambda: product(student_t(2.0), student_t(2.0)),
    "Gumbel(2.5), t₂": true_law,
}


def initial_layer(rng, trials):
    """Weights of one masked layer in every trial, as PyTorch draws them."""

    def uniform(shape, fan_in, scale=None):
        bound = fan_in**-0.5 if scale is None else scale
        drawn = rng.uniform(-bound, bound, size=[trials, *shape])
        return tf.Variable(drawn, dtype="float32")

    hidden = [
        uniform(shape, WIDTH, scale)
        for _ in range(BLOCKS)
        for scale in (None, 1e-3)
        for shape in ([WIDTH, WIDTH], [1, WIDTH])
    ]
    # Of two features the second alone has an input: the first one's outputs are
    # biases.
    first = [uniform([1, WIDTH], 2), uniform([1, WIDTH], 2)]
    last = [uniform([WIDTH, 2], WIDTH), uniform([1, 2], WIDTH), uniform([1, 2], WIDTH)]
    return [*first, *hidden, *last]


def scale_and_shift(weights, x):
    """Of both features, from the first: x is [trials, rows, 1]."""
    first, bias, *hidden, last, last_bias, free = weights
    h = x * first + bias
    for block in range(BLOCKS):
        w0, b0, w1, b1 = hidden[4 * block : 4 * block + 4]
        h += tf.nn.relu(tf.nn.relu(h) @ w0 + b0) @ w1 + b1
    raw = tf.stack([free + tf.zeros_like(h[..., :1]), h @ last + last_bias], axis=-2)
    return tf.nn.softplus(raw[..., 0]) + 1e-3, raw[..., 1]


def to_latent(layers, x):
    log_det = tf.zeros_like(x[..., 0])
    for weights in layers:
        x = x[..., ::-1]
        scale, shift = scale_and_shift(weights, x[..., :1])
        x = scale * x + shift
        log_det += tf.reduce_sum(tf.math.log(scale), axis=-1)
    return x, log_det


def to_data(layers, z):
    for weights in reversed(layers):
        scale, shift = scale_and_shift(weights, z[..., :1])
        first = (z[..., :1] - shift[..., :1]) / scale[..., :1]
        scale, shift = scale_and_shift(weights, first)
        z = ((z - shift) / scale)[..., 1:]
        z = tf.concat([z, first], axis=-1)
    return z


def train(make_base, data, seed):
    """Test losses [trials], and the layers."""
    rows, test = data
    trials = len(rows)
    rng = np.random.default_rng(seed)
    layers = [initial_layer(rng, trials) for _ in range(LAYERS)]
    base = make_base()
    variables = [v for weights in layers for v in weights]
    variables += list(base.trainable_variables)
    optimizer = keras.optimizers.Adam(1e-3, epsilon=1e-8)
    optimizer.build(variables)

    def loss(x):
        z, log_det = to_latent(layers, x)
        return -tf.reduce_mean(base.log_prob(z) + log_det, axis=-1)

    @tf.function(autograph=False)
    def step(indices):
        batch = tf.gather(rows, indices, batch_dims=1)
        with tf.GradientTape() as tape:
            # The trials share no weight: the sum has the gradients of each.
            total = tf.reduce_sum(loss(batch))
        optimizer.apply(tape.gradient(total, variables), variables)

    for _ in range(STEPS):
        drawn = [rng.choice(ROWS, BATCH, replace=False) for _ in range(trials)]
        step(tf.constant(np.stack(drawn)))
    return tf.function(loss)(test).numpy(), layers


def draw(trials, seed):
    law = true_law(dtype="float64")
    sample = tf.function(lambda key: law.sample(2 * trials * ROWS, seed=key))
    x = tf.reshape(sample(tf.constant([seed, 0])), [2, trials, ROWS, 2])
    floor = -tf.reduce_mean(law.log_prob(x[1]), axis=-1).numpy()
    return tf.unstack(tf.cast(x, tf.float32)), floor


def report(name, losses, floor, seconds):
    kept = np.isfinite(losses) & (losses <= 25)
    values = losses[kept]
    diverged = f"{np.sum(~kept)}/{len(losses)}"
    print(
        f"{name:18}{np.median(values):9.3f}{values.std():8.3f}{values.min():8.3f}"
        f"{values.max():8.3f}{diverged:>10}{np.median((losses - floor)[kept]):9.4f}"
        f"  {AUTHORS.get(name, 'not in the paper'):16}{seconds:6.0f} s",
        flush=True,
    )


def log_lipschitz(transform, rng, side=100, directions=100, step=1e-3):
    """[trials, side²] on [−10, 10]²."""
    line = np.linspace(-10, 10, side)
    grid = np.stack(np.meshgrid(line, line), -1).reshape(1, -1, 2)
    angles = rng.uniform(0, 2 * np.pi, directions)
    images, largest = transform(grid), 0.0
    for angle in angles:
        moved = transform(grid + step * np.array([np.cos(angle), np.sin(angle)]))
        largest = np.maximum(largest, np.linalg.norm(moved - images, axis=-1) / step)
    return np.log(largest)


def surfaces(layers, count=3):
    """Both directions of the first flows, in float64."""
    cast = [[tf.cast(w[:count], tf.float64) for w in weights] for weights in layers]
    rng = np.random.default_rng(0)

    def repeated(x):
        return tf.constant(np.repeat(x, count, axis=0))

    return (
        log_lipschitz(lambda x: to_latent(cast, repeated(x))[0].numpy(), rng),
        log_lipschitz(lambda z: to_data(cast, repeated(z)).numpy(), rng),
    )


def report_surfaces(found):
    """Largest value and 99th percentile over the grid, as a range over the flows."""
    print(
        f"\n{'log-Lipschitz':18}{'data → latent: max':>22}{'99 %':>16}"
        f"{'latent → data: max':>22}{'99 %':>16}"
    )
    for name, pair in found.items():
        line = f"{name:18}"
        for values in pair:
            for width, each in zip(
                (22, 16),
                (values.max(1), np.quantile(values, 0.99, axis=1)),
                strict=True,
            ):
                line += f"{f'{each.min():.1f} … {each.max():.1f}':>{width}}"
        print(line)


def draw_surfaces(found, path):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.2 * len(found), 4.6), layout="constrained")
    axes = figure.subplots(2, len(found), sharex=True, sharey=True)
    for column, (name, pair) in enumerate(found.items()):
        for row, (values, way) in enumerate(
            zip(pair, ("data → latent", "latent → data"), strict=True)
        ):
            axis = axes[row, column]
            picture = axis.imshow(
                values[0].reshape(100, 100),
                extent=(-10, 10, -10, 10),
                origin="lower",
                vmin=-2,
                vmax=3,
                cmap="viridis",
            )
            axis.set_title(name if row == 0 else "", fontsize=9)
            axis.set_ylabel(way if column == 0 else "")
    figure.colorbar(picture, ax=axes, label="log-Lipschitz constant", shrink=0.8)
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture")
    options = parser.parse_args()
    data, floor = draw(options.trials, options.seed)
    print(f"entropy of the target 3.3586, on the test rows {floor.mean():.4f}")
    print(
        f"{'base':18}{'median':>9}{'sd':>8}{'min':>8}{'max':>8}{'diverged':>10}"
        f"{'excess':>9}  {'authors':16}"
    )
    found = {}
    for name, make in BASES.items():
        started = time.perf_counter()
        count = options.trials if name in AUTHORS else min(options.trials, 12)
        part = [rows[:count] for rows in data]
        losses, layers = train(make, part, options.seed)
        report(name, losses, floor[:count], time.perf_counter() - started)
        found[name] = surfaces(layers)
    report_surfaces(found)
    if options.picture:
        draw_surfaces(found, options.picture)


if __name__ == "__main__":
    main()
