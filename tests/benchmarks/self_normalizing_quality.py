"""Self-normalizing against exact gradients on MNIST-5k, and where the penalty looks.

    python -m tests.benchmarks.self_normalizing_quality claims [--seeds 0 1 2]
        [--epochs 40 10] [--flows fully_connected convolutional]
    python -m tests.benchmarks.self_normalizing_quality penalties

`claims`: negative log-likelihood of 500 held-out images in nats and bits per
dimension, the best of the epochs on 500 others, 4,000 to train on; the same flow, the
same seed, with the self-normalizing, the exact and (dense layers) the relative
gradient. Split, noise and initial weights are fixed by the seed.

`penalties`: one line for each way to penalize reconstruction, on three problems: one
dense layer on strongly correlated Gaussian data, D = 128, and both flows above.
"""

import argparse
import statistics
import time

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows import bijectors
from tfp_flows.architectures import convolutional_flow, fully_connected_flow
from tfp_flows.data.builtin import load_builtin
from tfp_flows.models import FlowModel
from tfp_flows.objectives import Reconstruction

tfb, tfd = tfp.bijectors, tfp.distributions

FLOWS = {"fully_connected": fully_connected_flow, "convolutional": convolutional_flow}
LEARNING_RATES = {"fully_connected": 1e-4, "convolutional": 1e-3}
# Three times the paper's rate for the dense flow, so that the penalties differ.
PENALTY_RATES = {"fully_connected": 3e-4, "convolutional": 1e-3}
DIMENSIONS = 28 * 28

PENALTIES = {
    "both, 64 + 16, R (default)": Reconstruction(),
    "both, 32 + 4, R": Reconstruction(num_rows=32, num_probes=4),
    "both, 100 + 16, R": Reconstruction(num_rows=None),
    "data, 100, R": Reconstruction(points="data", num_rows=None),
    "data, 100, W and R (paper)": Reconstruction(
        points="data", num_rows=None, trains="both"
    ),
    "4 probes, R": Reconstruction(points="probes", num_probes=4),
    "100 probes, R": Reconstruction(points="probes", num_probes=100),
    "100 probes, W and R": Reconstruction(
        points="probes", num_probes=100, trains="both"
    ),
    "both, R, symmetric": Reconstruction(symmetric=True),
}


def mnist(seed):
    """4,000 images to train, 500 to validate, 500 to test."""
    images = load_builtin("mnist5k").values.reshape(-1, 28, 28, 1).astype("float32")
    images = images[np.random.default_rng(seed).permutation(len(images))]
    return images[:4000], images[4000:4500], images[4500:]


def train(model, x, validation, epochs, rate):
    """Fits and goes back to the best epoch; returns history and seconds."""
    model.compile(keras.optimizers.Adam(rate))
    stop = keras.callbacks.EarlyStopping(
        patience=epochs, restore_best_weights=True, start_from_epoch=0
    )
    start = time.perf_counter()
    history = model.fit(
        x,
        epochs=epochs,
        batch_size=100,
        validation_data=validation,
        callbacks=[stop],
        verbose=0,
    )
    return history.history, time.perf_counter() - start


def likelihood(model, x):
    """Mean negative log-likelihood, nats."""
    return model.evaluate(x, batch_size=100, verbose=0, return_dict=True)["loss"]


def claims(arguments):
    """One line for each flow, gradient and seed, and a summary."""
    for flow, epochs in zip(arguments.flows, arguments.epochs, strict=True):
        gradients = ["self_normalizing", "exact"]
        if flow == "fully_connected":
            gradients.append("relative")
        found = {gradient: [] for gradient in gradients}
        for seed in arguments.seeds:
            x, validation, test = mnist(seed)
            for gradient in gradients:
                keras.utils.set_random_seed(seed)
                density = FLOWS[flow]((28, 28, 1), num_values=256, gradient=gradient)
                model = FlowModel(density)
                rate = LEARNING_RATES[flow]
                history, seconds = train(model, x, validation, epochs, rate)
                nats = likelihood(model, test)
                found[gradient].append(nats)
                drift = np.abs(history.get("log_det_drift", [0.0])).max()
                print(
                    f"{flow:16} {gradient:16} seed {seed} {nats:8.2f} nats "
                    f"{nats / DIMENSIONS / np.log(2):6.3f} bits/dim {seconds:6.1f} s "
                    f"drift at most {drift:.2f}",
                    flush=True,
                )
        for gradient, nats in found.items():
            mean, deviation = statistics.mean(nats), statistics.pstdev(nats)
            bits = mean / DIMENSIONS / np.log(2)
            print(
                f"{flow:16} {gradient:16} {len(nats)} seeds {mean:8.2f} ± "
                f"{deviation:.2f} nats {bits:6.3f} bits/dim"
            )


def gaussian_problem(penalty, gradient):
    """One dense layer, D = 128; the data's covariance spans six decades."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=[128, 128]) / np.sqrt(128)
    x = (rng.normal(size=[10_000, 128]) @ mixing).astype("float32")
    layer = bijectors.SelfNormalizingDense(128, gradient=gradient)
    base = tfd.Independent(tfd.Normal(tf.zeros([128]), tf.ones([128])), 1)
    flow = tfd.TransformedDistribution(base, tfb.Invert(layer))
    return FlowModel(flow, penalties=penalty), x, x, 10, 1e-3


def image_problem(flow, epochs, penalty, gradient):
    """A flow of images, few epochs."""
    x, _, test = mnist(0)
    density = FLOWS[flow]((28, 28, 1), num_values=256, gradient=gradient)
    rate = PENALTY_RATES[flow]
    return FlowModel(density, penalties=penalty), x, test, epochs, rate


PROBLEMS = {
    "Gaussian, D = 128": gaussian_problem,
    "FC-2, 10 epochs": lambda *a: image_problem("fully_connected", 10, *a),
    "conv-9, 2 epochs": lambda *a: image_problem("convolutional", 2, *a),
}


def distance(model):
    """The largest ‖R W − I‖₂ of the dense layers, NaN without one."""
    found = [np.nan]
    for layer in model.learned_inverses:
        if len(layer.probe_shape) == 1:
            product = layer.inverse_kernel.numpy() @ layer.kernel.numpy()
            found.append(np.linalg.norm(product - np.eye(len(product)), 2))
    return max(found, key=lambda value: -np.inf if np.isnan(value) else value)


def penalties(arguments):
    """One line for each problem and penalty."""
    for problem, make in PROBLEMS.items():
        options = {"exact gradient": (None, "exact")}
        options |= {n: ([p], "self_normalizing") for n, p in PENALTIES.items()}
        for name, (penalty, gradient) in options.items():
            keras.utils.set_random_seed(0)
            model, x, test, epochs, rate = make(penalty, gradient)
            history, seconds = train(model, x, test, epochs, rate)
            drift = np.abs(history.get("log_det_drift", [0.0])).max()
            print(
                f"{problem:18} {name:26} {likelihood(model, test):9.2f} nats  "
                f"‖RW − I‖₂ {distance(model):7.3f}  drift at most {drift:6.2f}  "
                f"{seconds:5.1f} s",
                flush=True,
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("claims")
    command.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    command.add_argument("--flows", nargs="+", default=list(FLOWS))
    command.add_argument("--epochs", type=int, nargs="+", default=[40, 10])
    command.set_defaults(run=claims)
    command = commands.add_parser("penalties")
    command.set_defaults(run=penalties)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
