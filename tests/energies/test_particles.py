"""Energies of particles against loops, and draws against identities."""

import numpy as np
import pytest
import tensorflow as tf

from tfp_flows.energies import PARTICLE_SYSTEMS, pair_distances, sample_particles


def loop(name, x):
    """The formula of each system, one ordered pair after the other."""
    total, count = 0.0, len(x)
    for i in range(count):
        for j in range(count):
            if i == j:
                continue
            d = np.linalg.norm(x[i] - x[j])
            if name == "dw4":
                total += 0.5 * (0.9 * (d - 4) ** 4 - 4 * (d - 4) ** 2)
            else:
                total += (0.5 if "single" in name else 1.0) * (d**-12 - 2 * d**-6)
    trap = 0.0 if name == "dw4" else 0.5 * np.sum((x - x.mean(axis=0)) ** 2)
    return total + trap


@pytest.mark.parametrize("name", sorted(PARTICLE_SYSTEMS))
def test_energy_is_the_sum_over_pairs(name):
    system = PARTICLE_SYSTEMS[name]
    x = np.random.default_rng(0).normal(size=[2, 1, system.num_particles, 3]) * 3
    x = x[..., : system.dimension]
    found = system.energy(tf.constant(x))
    assert found.shape == [2, 1]
    expected = [[loop(name, one[0])] for one in x]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_one_pair_at_its_best():
    dw4, lj = PARTICLE_SYSTEMS["dw4"], PARTICLE_SYSTEMS["lj13-single"]
    at = 4 + np.sqrt(20 / 9)
    pair = tf.constant([[0.0, 0.0], [at, 0.0]], tf.float64)
    assert float(dw4.energy(pair)) == pytest.approx(-40 / 9)
    pair = tf.constant([[-0.5, 0.0, 0.0], [0.5, 0.0, 0.0]], tf.float64)
    # −ε, and the trap of ½ · 2 · ¼.
    assert float(lj.energy(pair)) == pytest.approx(-1 + 0.25)
    assert float(pair_distances(pair)[0]) == 1.0


@pytest.mark.slow
def test_draws_of_the_double_well_pass_the_virial_and_its_energy():
    """E[x · ∇U] = (N − 1) n, and the energy by annealed importance sampling."""
    system = PARTICLE_SYSTEMS["dw4"]
    x = sample_particles(system, 5_000, seed=(1, 2))
    assert x.shape == (5_000, 4, 2)
    assert np.abs(x.mean(axis=1)).max() < 1e-9
    for values, expected, error in (
        (system.virial(x), system.degrees_of_freedom, 0.0),
        (system.energy(tf.constant(x)), -22.51, 0.02),
    ):
        # Draws of a chain are not quite independent.
        spread = 2 * np.std(values) / np.sqrt(len(x)) + error
        assert abs(np.mean(values) - expected) < 3 * spread


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "energy", "error"), [("lj13", -43.06, 0.1), ("lj13-single", 0.4, 0.3)]
)
def test_draws_of_a_drop_pass_the_virial(name, energy, error):
    system = PARTICLE_SYSTEMS[name]
    x = sample_particles(system, 3_000, seed=(1, 2))
    virial = system.virial(x).numpy()
    assert abs(virial.mean() - 36) < 6 * virial.std() / np.sqrt(len(x))
    assert abs(np.mean(system.energy(tf.constant(x))) - energy) < 3 * error
