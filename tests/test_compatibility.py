"""Models that were saved by an earlier layout of the package.

The files under `compatibility/` were written when a file named a class by the module
that defines it (`tfp_flows.distributions.frank_copula:FrankCopula`): they must load
whatever moves, and give the log-densities that they gave then.
"""

import inspect
import pathlib

import keras
import numpy as np
import pytest

import tfp_flows.models  # noqa: F401  Registers the classes of the files.

FOLDER = pathlib.Path(__file__).parent / "compatibility"
NAMES = sorted(path.stem for path in FOLDER.glob("*.keras"))


@pytest.mark.parametrize("name", NAMES)
def test_an_old_file_gives_the_old_log_densities(name):
    dense = inspect.signature(keras.layers.Dense).parameters
    if name == "autoencoder" and "quantization_config" not in dense:
        pytest.skip("this Keras cannot read the keras.layers.Dense of Keras 3.15")
    model = keras.models.load_model(FOLDER / f"{name}.keras", compile=False)
    answers = np.load(FOLDER / "answers.npz")
    x, options = answers[f"{name}/x"], {}
    if f"{name}/context" in answers:
        options["context"] = answers[f"{name}/context"]
    if name == "autoencoder":
        options = {"num_samples": 4, "seed": (0, 1)}
    log_prob = model.log_prob(x, **options)
    np.testing.assert_allclose(log_prob, answers[f"{name}/log_prob"], rtol=1e-4)


def test_there_are_old_files():
    assert len(NAMES) == 8
