"""What holds critics, and what matching by them trains."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.weights import values
from tfp_flows.models import AlignFlow
from tfp_flows.models.alignment.matching import MATCHINGS

SMALL = {"hidden_sizes": (4,), "own_hidden_sizes": (4,), "num_layers": 1}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return {d: rng.normal(loc, 1.0, (64, 3)) for d, loc in (("a", 0.0), ("b", 2.0))}


def model_for(matching, **options):
    keras.utils.set_random_seed(0)
    options = {"own_layers": 1, "seed": 0, **SMALL, **options}
    return AlignFlow.for_tables("ab", 3, matching=matching, **options)


@pytest.mark.parametrize("matching", ["least_squares", "cross_entropy"])
def test_critics_of_a_table_start_undecided(matching, data):
    model = model_for(matching)
    model.adapt(data)
    np.testing.assert_allclose(model.critic_sum(data["a"], "a", "b"), 1.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("matching", "expected"),
    [("least_squares", 25.0), ("cross_entropy", 25.0), ("wasserstein", 16.0)],
)
def test_the_slope_of_a_linear_critic_is_its_weight(matching, expected):
    weight = tf.constant([[3.0], [4.0]])
    x, y = tf.random.stateless_normal([2, 8, 2], [0, 1])
    penalty = MATCHINGS[matching].penalty(
        lambda rows: rows @ weight, x, y, tf.constant([0, 1])
    )
    np.testing.assert_allclose(penalty, expected, rtol=1e-5)


def test_a_steep_critic_pays_more(data):
    batch = {name: tf.constant(rows, tf.float32) for name, rows in data.items()}
    penalties = []
    for weight in (0.0, 10.0):
        model = model_for("least_squares", slope_weight=weight)
        model.adapt(data)
        for critic in model.critic_networks:
            critic.layers[-1].kernel.assign(tf.ones_like(critic.layers[-1].kernel))
        given, _ = model._batch(batch)
        translated = model._objective.translated(given)
        found = model._objective.slope_penalty(given, translated, tf.constant([0, 1]))
        penalties.append(float(found))
    assert penalties[0] == 0
    assert penalties[1] > 1


def test_matching_alone_trains_flows_and_no_shared_density(data):
    model = model_for("least_squares", likelihood_weight=0.0)
    model.compile(keras.optimizers.Adam(0.01))
    model.adapt(data)
    shared = model.base.trainable_variables
    own = [
        w
        for flow in model.flow_models
        for w in flow.trainable_variables
        if all(w.value is not variable for variable in shared)
    ]
    before = values(own), [v.numpy() for v in shared]
    model.fit(data, batch_size=32, epochs=2, verbose=0)
    for one, other in zip([v.numpy() for v in shared], before[1], strict=True):
        np.testing.assert_array_equal(one, other)
    assert any(
        not np.array_equal(*pair) for pair in zip(values(own), before[0], strict=True)
    )
