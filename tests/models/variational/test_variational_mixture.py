"""Boosted mixtures matched to energies on the plane."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows.bijectors import Coupling
from tfp_flows.models import BoostedPosterior, GaussianPosterior, VariationalMixture
from tfp_flows.objectives import ENERGIES, fit_posterior_weights

tfb = tfp.bijectors
SIDE = np.linspace(-5.0, 5.0, 301)
CELL = (SIDE[1] - SIDE[0]) ** 2
GRID = np.stack(np.meshgrid(SIDE, SIDE), axis=-1).reshape(-1, 2).astype("float32")


def affine(index):
    """A Gaussian with a full covariance."""
    factor = tfp.util.TransformedVariable(0.7 * tf.eye(2), tfb.FillScaleTriL())
    shift = tf.Variable([0.1 * (-1.0) ** index, 0.0])
    return tfb.Chain([tfb.Shift(shift), tfb.ScaleMatvecTriL(factor)])


def divergence(energy, log_densities, weights):
    """KL(Σⱼ wⱼ gⱼ ‖ exp(−U) / Z) by sums over a grid."""
    mixture = np.exp(log_densities) @ weights
    log_normalizer = np.log(np.sum(np.exp(-energy)) * CELL)
    excess = np.log(mixture + 1e-300) + energy + log_normalizer
    return float(np.sum(mixture * excess) * CELL)


@pytest.fixture(scope="module")
def ring():
    keras.utils.set_random_seed(0)
    components = BoostedPosterior(affine, 3, entropy_weight=0.8)
    made = VariationalMixture(ENERGIES["ring"], 2, components)
    made.compile(keras.optimizers.Adam(0.02))
    history = made.fit(steps_per_epoch=100, epochs=4, verbose=0)
    return made, history


def test_the_divergence_falls_from_stage_to_stage(ring):
    """Frozen components: what a stage left is what its first components give now."""
    made, history = ring
    assert history.history["stage"] == [s for s in (1.0, 2.0, 3.0) for _ in range(4)]
    energy = ENERGIES["ring"](GRID).numpy().astype("float64")
    flows = made.distribution.components
    on_grid = np.stack([g.log_prob(GRID) for g in flows], axis=-1).astype("float64")
    z = [g.sample(4000, seed=[0, i]) for i, g in enumerate(flows)]
    joint = np.stack([-ENERGIES["ring"](part) for part in z])
    densities = np.stack(
        [np.stack([g.log_prob(tf.identity(part)) for g in flows], -1) for part in z]
    )
    found = []
    for count in (1, 2, 3):
        used = slice(None, count)
        weights = fit_posterior_weights(joint[used], densities[used, :, used]).weights
        found.append(divergence(energy, on_grid[:, used], weights))
    # One side of the ring, both sides, and something in between.
    assert found[0] > found[1] + 0.4 > found[2] + 0.4
    final = divergence(energy, on_grid, made.mixture_weights.numpy())
    np.testing.assert_allclose(final, found[2], atol=0.01)
    mean, error = made.divergence(20_000, seed=1).numpy()
    log_normalizer = np.log(np.sum(np.exp(-energy)) * CELL)
    assert abs(mean + log_normalizer - final) < 5 * error


def test_it_is_a_density_with_samples_and_weights(ring, tmp_path):
    made, _ = ring
    np.testing.assert_allclose(np.sum(np.exp(made.log_prob(GRID))) * CELL, 1, atol=1e-3)
    z = made.sample(2000, seed=1)
    assert 0.3 < np.mean(z[:, 0] > 0) < 0.7
    np.testing.assert_array_equal(z, made.sample(2000, seed=1))
    made.save_weights(tmp_path / "m.weights.h5")
    other = VariationalMixture(
        ENERGIES["ring"], 2, BoostedPosterior(affine, 3, entropy_weight=0.8)
    )
    other.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(other.log_prob(GRID), made.log_prob(GRID))


@pytest.mark.parametrize("name", ENERGIES)
def test_energies_have_the_published_values(name):
    """Written down from the tables, at one point."""
    a, b = 0.7, -1.1
    w1, radius = np.sin(2 * np.pi * a / 4), np.hypot(a, b)
    w2 = 3 * np.exp(-(((a - 1) / 0.6) ** 2) / 2)
    w3 = 3 / (1 + np.exp(-(a - 1) / 0.3))

    def bump(value, width):
        return np.exp(-((value / width) ** 2) / 2)

    expected = {
        "ring": ((radius - 2) / 0.4) ** 2 / 2
        - np.log(bump(a - 2, 0.6) + bump(a + 2, 0.6)),
        "wave": ((b - w1) / 0.4) ** 2 / 2,
        "split": -np.log(bump(b - w1, 0.35) + bump(b - w1 + w2, 0.35)),
        "fork": -np.log(bump(b - w1, 0.4) + bump(b - w1 + w3, 0.35)),
        "moons": ((radius - 1) / 0.5) ** 2 / 2
        - np.log(bump(a - 1, 0.2) + bump(a + 1, 0.2)),
    }
    found = ENERGIES[name](tf.constant([a, b], tf.float64))
    np.testing.assert_allclose(found, expected[name], rtol=1e-10)


def test_wrong_arguments_are_refused():
    energy = ENERGIES["ring"]
    with pytest.raises(TypeError, match="BoostedPosterior as components"):
        VariationalMixture(energy, 2, GaussianPosterior())
    with pytest.raises(ValueError, match="no context"):
        VariationalMixture(
            energy, 2, BoostedPosterior(lambda i: Coupling(2, context_size=1), 1)
        )
    with pytest.raises(ValueError, match="base_scale"):
        VariationalMixture(energy, 2, BoostedPosterior(affine, 1), base_scale=0.0)
