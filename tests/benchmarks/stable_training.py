"""Balanced start and bounded scales: which deep flows survive training.

    python -m tests.benchmarks.stable_training [--steps 120] [--seeds 3]

MNIST-5k (28 × 28, dequantized, /256), 4000 train and 500 held-out rows. Squeezed twice
to 7 × 7 × 16, a 1 × 1 convolution with bias, then 32 affine couplings of the 784
numbers with one hidden layer of 64 units, N(0, I). "start": the convolution at the
optimum of linear flows (`whitening_init`), or the identity. "scale": tanh 0.5, or exp
without bound. Adam, batches of 128, no clipping, no rescue.

A run has diverged if a loss or a held-out log-likelihood is not finite, or the held-out
bits/dim end above 8, those of uniform pixels. Medians over the seeds that did not.
Round trip: largest |z − f(f⁻¹(z))| relative to the deviation of z, held-out rows.
"""

import argparse
import time

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows import bijectors, data
from tfp_flows.models import FlowModel
from tfp_flows.ops import Affine, bounded_log_scale

SIZE, COUPLINGS, BATCH = 784, 32, 128
SCALES = {
    "exp": bounded_log_scale("exp"),
    "tanh 0.5": bounded_log_scale("tanh", 0.5),
}
RATES = (3e-4, 3e-3)


def images():
    rng = np.random.default_rng(0)
    pixels = rng.permutation(data.load("mnist5k").values)
    rows = (pixels + rng.uniform(size=pixels.shape)) / 256
    rows = rows.astype("float32").reshape(-1, 28, 28, 1)
    return rows[:4000], rows[4000:4500]


def build(scale, seed):
    act_norm = bijectors.ActNorm(16)
    # Whether ActNorm is set from data is the benchmark's choice, not the model's.
    act_norm.initialized.assign(True)
    layers = [
        bijectors.Squeeze((28, 28, 1)),
        bijectors.Squeeze((14, 14, 4), name="squeeze_again"),
        act_norm,
        bijectors.Linear(16),
        tfb.Reshape([SIZE], [7, 7, 16]),
    ]
    layers += [
        bijectors.Coupling(
            SIZE,
            transform=Affine(log_scale=scale),
            flip=index % 2 == 1,
            hidden_sizes=(64,),
            seed=1000 * seed + index,
            name=f"coupling_{index}",
        )
        for index in range(COUPLINGS)
    ]
    base = tfd.MultivariateNormalDiag(tf.zeros(SIZE), tf.ones(SIZE))
    chain = tfb.Chain(list(reversed(layers)))
    return tfd.TransformedDistribution(base, tfb.Invert(chain))


class Finite(keras.callbacks.Callback):
    """Stops at the first loss that is not finite."""

    diverged = False

    def on_train_batch_end(self, batch, logs=None):
        if not np.isfinite(logs["loss"]):
            self.diverged = self.model.stop_training = True


def run(model, initial, start, rate, steps, parts):
    """One training from the weights of `initial`; (diverged, bits, round trip)."""
    train, held_out = parts
    for variable, value in zip(model.weights, initial.weights, strict=True):
        variable.assign(value)
    for variable in model.optimizer.variables:
        variable.assign(tf.zeros_like(variable))
    model.optimizer.learning_rate = rate
    if start == "balanced":
        flow = tfb.Invert(model.distribution.bijector)
        bijectors.whitening_init(flow, tf.constant(train))
    dataset = tf.data.Dataset.from_tensor_slices((train,)).shuffle(4000, seed=0)
    finite = Finite()
    model.fit(
        dataset.repeat().batch(BATCH, drop_remainder=True),
        steps_per_epoch=steps,
        verbose=0,
        callbacks=[finite],
    )
    nats = model.log_prob(held_out).numpy().astype("float64")
    bits = 8 - nats.mean() / (SIZE * np.log(2))
    z = tf.identity(model.inverse(held_out[:128]))
    # A new tensor: TFP's cache would answer with what it was made from.
    again = model.inverse(tf.identity(model.forward(z)))
    error = float(tf.reduce_max(tf.abs(again - z)) / tf.math.reduce_std(z))
    diverged = finite.diverged or not np.isfinite(bits) or bits > 8
    return diverged, bits, error


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    parts = images()
    print(
        f"{'start':10}{'scale':10}{'rate':>7}{'diverged':>10}{'bits/dim':>10}"
        f"{'round trip':>12}{'minutes':>9}"
    )
    for name, scale in SCALES.items():
        model = FlowModel(build(scale, 0))
        model.compile(keras.optimizers.Adam(1e-3))
        model.optimizer.build(model.trainable_variables)
        initials = [FlowModel(build(scale, seed)) for seed in range(options.seeds)]
        for start in ("identity", "balanced"):
            for rate in RATES:
                began = time.perf_counter()
                results = [
                    run(model, initial, start, rate, options.steps, parts)
                    for initial in initials
                ]
                kept = [result[1:] for result in results if not result[0]]
                bits, error = np.median(kept, axis=0) if kept else (np.nan, np.nan)
                minutes = (time.perf_counter() - began) / 60
                print(
                    f"{start:10}{name:10}{rate:7.0e}"
                    f"{len(results) - len(kept):7d}/{len(results)}{bits:11.3f}"
                    f"{error:12.1e}{minutes:9.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
