"""Loads exported autoencoders with TensorFlow alone and compares their answers.

    python read_autoencoder.py FOLDER

FOLDER holds, for each model, the SavedModel NAME/ and the expected answers NAME.npz.
"""

import pathlib
import sys

# The package must not be needed: importing it fails from here on.
sys.modules["tfp_flows"] = None

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402


def compare(name, received, expected):
    error = np.max(np.abs(received - expected) / (1 + np.abs(expected)))
    if not error < 1e-5:
        sys.exit(f"{name}: relative error {error}")


def main(folder):
    seed, count = tf.constant([0, 3]), tf.constant(2)
    for path in sorted(pathlib.Path(folder).glob("*.npz")):
        model = tf.saved_model.load(str(path.with_suffix("")))
        expected = np.load(path)
        x = expected["x"]
        sample, mean = model.encode(x, seed)
        compare(f"{path.stem} sample", sample, expected["sample"])
        compare(f"{path.stem} mean", mean, expected["mean"])
        compare(
            f"{path.stem} reconstruct",
            model.reconstruct(x, seed),
            expected["reconstruct"],
        )
        compare(
            f"{path.stem} generate", model.generate(count, seed), expected["generate"]
        )
        compare(f"{path.stem} elbo", model.elbo(x, count, seed), expected["elbo"])
        print(path.stem, "agrees")


if __name__ == "__main__":
    main(sys.argv[1])
