"""Loads exported models with TensorFlow alone and compares their answers.

    python read_exported.py FOLDER

FOLDER holds, for each model, the SavedModel NAME/ and the expected answers NAME.npz.
"""

import pathlib
import sys

# The package must not be needed: importing it fails from here on.
sys.modules["tfp_flows"] = None

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402


def compare(name, received, expected, tolerance):
    error = np.max(np.abs(received - expected) / (1 + np.abs(expected)), initial=0.0)
    if not error < tolerance:
        sys.exit(f"{name}: relative error {error}")


def main(folder):
    for path in sorted(pathlib.Path(folder).glob("*.npz")):
        model = tf.saved_model.load(str(path.with_suffix("")))
        expected = np.load(path)
        context = [expected["context"]] if "context" in expected else []
        x = expected["x"]
        for rows in (len(x), 3):  # The batch size is free.
            part = [c[:rows] for c in context]
            received = model.log_prob(x[:rows], *part)
            compare(path.stem, received, expected["log_prob"][:rows], 1e-6)
        seed = tf.constant([1, 2])
        sample = model.sample(tf.constant(4), seed, *context)
        compare(f"{path.stem} sample", sample, expected["sample"], 1e-5)
        if "inverse" in expected:
            z = model.inverse(x, *context)
            compare(f"{path.stem} inverse", z, expected["inverse"], 1e-5)
            back = model.forward(expected["inverse"], *context)
            compare(f"{path.stem} forward", back, expected["forward"], 1e-5)
        signature = model.signatures["log_prob"]
        named = {"x": tf.constant(x)} | ({"context": context[0]} if context else {})
        if context:
            named["context"] = tf.constant(context[0])
        (answer,) = signature(**named).values()
        compare(f"{path.stem} signature", answer, expected["log_prob"], 1e-6)
        print(path.stem, "agrees")


if __name__ == "__main__":
    main(sys.argv[1])
