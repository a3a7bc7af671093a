"""The regression whose solution is a velocity."""

import numpy as np
import pytest
import tensorflow as tf

from tfp_flows.architectures import continuous_flow
from tfp_flows.models import FlowModel
from tfp_flows.objectives import FlowMatching

SEED = tf.constant([3, 4])


class Ends:
    """An evaluation whose data is N(0, s²) and whose base is N(0, 1)."""

    node_features = None

    def __init__(self, scale, velocity, rows=50_000):
        self.scale, self.velocity, self.rows = scale, (velocity, 2.0), rows

    def ends(self, seed):
        u, z = tf.unstack(tf.random.stateless_normal([2, self.rows, 1], seed))
        return self.scale * u, z


def straight(scale):
    """E[z − u | xₜ] / T for independent ends."""

    def velocity(t, x):
        s = t[:, tf.newaxis] / 2.0
        variance = (1 - s) ** 2 * scale**2 + s**2
        return x * (s - (1 - s) * scale**2) / variance / 2.0

    return velocity


def test_the_closed_form_is_the_best_velocity():
    best = straight(3.0)
    least = tf.reduce_mean(FlowMatching()(Ends(3.0, best), seed=SEED, training=True)[0])
    for change in (lambda t, x: 0.05 + 0 * x, lambda t, x: 0.05 * x):
        ends = Ends(3.0, lambda t, x, change=change: best(t, x) + change(t, x))
        other = FlowMatching()(ends, seed=SEED, training=True)[0]
        assert tf.reduce_mean(other) > least


def test_the_gaussian_path_carries_equal_ends_into_each_other():
    """With data N(0, 1) too, xₜ is N(0, 1) at all times and v = 0 is best."""
    objective = FlowMatching(path="gaussian")
    nothing = objective(Ends(1.0, lambda t, x: 0 * x), seed=SEED, training=True)[0]
    for slope in (-0.05, 0.05):
        ends = Ends(1.0, lambda t, x, slope=slope: slope * x)
        other = objective(ends, seed=SEED, training=True)[0]
        assert tf.reduce_mean(other) > tf.reduce_mean(nothing)


def test_the_optimal_coupling_straightens():
    ends = Ends(3.0, lambda t, x: 0 * x, rows=1_500)
    independent = tf.reduce_mean(FlowMatching()(ends, seed=SEED, training=True)[0])
    coupled = FlowMatching(coupling="optimal")(ends, seed=SEED, training=True)[0]
    # In one dimension rows meet draws of their own rank: E(u − z)² = (3 − 1)².
    assert float(tf.reduce_mean(coupled)) == pytest.approx((3 - 1) ** 2 / 4, rel=0.1)
    assert float(independent) == pytest.approx((9 + 1) / 4, rel=0.1)
    assert np.all(np.isfinite(coupled))


def test_an_unknown_option_is_refused():
    with pytest.raises(ValueError, match="path must be one of"):
        FlowMatching(path="curved")
    with pytest.raises(ValueError, match="coupling must be one of"):
        FlowMatching(coupling="sinkhorn")


def test_what_has_no_part_in_it_stays(recwarn):
    flow = continuous_flow(2, hidden_sizes=(4,), seed=0)
    matched = FlowModel(flow, objective=FlowMatching())
    x = np.random.default_rng(0).uniform(size=(64, 2))
    matched.compile("adam", steps_per_execution=2)
    matched.adapt(x)
    base = [v.numpy() for v in flow.distribution.trainable_variables]
    network = matched.continuous_layers[0].network
    start = network.get_weights()
    matched.fit(x, epochs=2, batch_size=16, verbose=0)
    assert not [w for w in recwarn if "Gradients do not exist" in str(w.message)]
    for before, now in zip(base, flow.distribution.trainable_variables, strict=True):
        np.testing.assert_array_equal(before, now)
    for before, now in zip(start, network.get_weights(), strict=True):
        assert np.any(before != now)
    # By likelihood the base trains too.
    own = len(network.trainable_variables)
    assert len(matched.trainable_variables) == own
    assert len(FlowModel(flow).trainable_variables) == own + len(base)
