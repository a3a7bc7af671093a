"""Networks in bfloat16, and all that a density is made of in float32."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.weights import perturb
from tfp_flows import architectures
from tfp_flows.bijectors import (
    Continuous,
    Coupling,
    MaskedAutoregressive,
    SemiAutoregressive,
)
from tfp_flows.models import FlowModel
from tfp_flows.networks import VelocityMLP
from tfp_flows.ops import RationalQuadratic

MIXED = "mixed_bfloat16"
SMALL = {"hidden_sizes": (16, 16), "seed": 0}


@pytest.fixture
def policy():
    keras.config.set_dtype_policy(MIXED)
    yield
    keras.config.set_dtype_policy("float32")


def semi_autoregressive(**options):
    parts = [Coupling(2, context_size=4, **SMALL, **options)]
    return SemiAutoregressive([2, 2], parts, num_features=4, **SMALL, **options)


BIJECTORS = {
    "affine coupling": lambda **o: Coupling(4, **SMALL, **o),
    "image coupling": lambda **o: Coupling((2, 2, 4), **SMALL, **o),
    "spline coupling": lambda **o: Coupling(
        4, transform=RationalQuadratic(), **SMALL, **o
    ),
    "autoregressive spline": lambda **o: MaskedAutoregressive(
        4, transform=RationalQuadratic(), **SMALL, **o
    ),
    "semi-autoregressive": semi_autoregressive,
}


@pytest.mark.parametrize("name", BIJECTORS)
def test_values_gradients_and_inverse(name):
    mixed, exact = (
        BIJECTORS[name](network_dtype=dtype) for dtype in (MIXED, "float32")
    )
    for one in (mixed, exact):
        perturb(one)
    shape = (64, 2, 2, 4) if "image" in name else (64, 4)
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    results = []
    for one in (mixed, exact):
        with tf.GradientTape() as tape:
            y, log_det = one.forward(x), one.forward_log_det_jacobian(x)
            loss = tf.reduce_mean(y**2) - tf.reduce_mean(log_det)
        assert y.dtype == log_det.dtype == tf.float32
        gradients = tape.gradient(loss, one.trainable_variables)
        assert all(gradient.dtype == tf.float32 for gradient in gradients)
        flat = np.concatenate([np.reshape(gradient, -1) for gradient in gradients])
        results.append((y.numpy(), log_det.numpy(), flat))
    for rounded, whole in zip(*results, strict=True):
        error = np.linalg.norm(rounded - whole) / np.linalg.norm(whole)
        # A number of bfloat16 is off by up to 2⁻⁸.
        assert 0 < error < 0.03
    # Both ways by the same parameters: no trace of the rounding.
    back = mixed.inverse(tf.identity(y := mixed.forward(x)))
    np.testing.assert_allclose(back, x, atol=2e-4)
    sum_of_both = mixed.inverse_log_det_jacobian(tf.identity(y)) + results[0][1]
    np.testing.assert_allclose(sum_of_both, np.zeros(64), atol=1e-3)


def test_the_context_is_standardized_in_float32():
    bijectors = [
        Coupling(2, context_size=1, network_dtype=dtype, **SMALL)
        for dtype in (MIXED, "float32")
    ]
    years = np.linspace(2001, 2009, 64)[:, None].astype("float32")
    x = np.ones([64, 2], "float32")
    found = []
    for one in bijectors:
        one.network.adapt_context(years)
        perturb(one)
        found.append(one.forward(x, context=years).numpy())
    np.testing.assert_allclose(*found, atol=0.05)
    assert len(np.unique(found[0][:, 1])) > 20


@pytest.mark.slow
@pytest.mark.parametrize("name", ["coupling_flow", "autoregressive_flow"])
def test_the_global_policy_reaches_flows_and_is_saved_with_them(name, policy, tmp_path):
    x = np.random.default_rng(0).normal(size=(200, 3)).astype("float32") ** 3
    flow = getattr(architectures, name)(3, num_layers=2, hidden_sizes=(8,), seed=0)
    model = FlowModel(flow)
    model.compile("adam")
    model.fit(x, epochs=1, verbose=0)
    density = model.log_prob(x)
    assert density.dtype == tf.float32
    assert all(weight.dtype != "bfloat16" for weight in model.weights)
    model.save(tmp_path / "m.keras")
    keras.config.set_dtype_policy("float32")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.log_prob(x), density)


def test_what_is_not_reached_is_refused(policy):
    with pytest.raises(ValueError, match='policy mixed_bfloat16.* dtype="float32"'):
        Continuous(VelocityMLP(2))
    for dtype, other in (("float32", "mixed_float16"), ("float64", MIXED)):
        with pytest.raises(ValueError, match="network_dtype must be the dtype of the"):
            Coupling(2, dtype=dtype, network_dtype=other)
    # The policy is of float32 alone.
    assert Coupling(2, dtype="float64").network.dtype_policy.name == "float64"
