"""Bounded log-scales: ranges, slopes, smoothness, and what they do for inversion."""

import math

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfp_flows import bijectors
from tfp_flows.models.bridge.serialization import deserialize, serialize
from tfp_flows.ops import Affine, bounded_log_scale

FAR = np.array([-1e6, -30.0, -1.0, 0.0, 1.0, 30.0, 1e6])

FORMULAS = {
    "exp": ((), lambda h: h),
    "tanh": ((0.5,), lambda h: 0.5 * np.tanh(h / 0.5)),
    "arctan": ((1.5,), lambda h: 3 / np.pi * np.arctan(np.pi * h / 3)),
    "scaled_tanh": ((-2.0, -4.0), lambda h: np.tanh(h) - 3),
    "sigmoid": ((), lambda h: -np.logaddexp(0, -(h + 2))),
    "asymmetric": (
        (),
        lambda h: np.where(
            h >= 0, 0.2 / np.pi * np.arctan(h / 0.1), 4 / np.pi * np.arctan(h / 2)
        ),
    ),
}


@pytest.mark.parametrize("kind", FORMULAS)
def test_formulas_and_ranges(kind):
    arguments, formula = FORMULAS[kind]
    scale = bounded_log_scale(kind, *arguments)
    h = tf.constant(np.concatenate([FAR, np.linspace(-4, 4, 81)]))
    s = scale(h).numpy()
    np.testing.assert_allclose(s, formula(h.numpy()), rtol=1e-12, atol=1e-12)
    low, high = scale.bounds
    assert low <= s.min()
    assert s.max() <= high
    order = np.argsort(h)
    assert np.all(np.diff(s[order]) >= 0)


@pytest.mark.parametrize("kind", ["tanh", "arctan"])
def test_slope_is_one_at_zero_from_both_sides(kind):
    scale = bounded_log_scale(kind, 0.1, -2.0)
    h = tf.constant([-1e-7, 0.0, 1e-7], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(h)
        s = scale(h)
    np.testing.assert_allclose(tape.gradient(s, h), 1.0, atol=1e-5)
    far = scale(tf.constant(FAR))
    np.testing.assert_allclose(far[0], -2.0, rtol=1e-5)
    np.testing.assert_allclose(far[-1], 0.1, rtol=1e-5)


@pytest.mark.parametrize("kind", FORMULAS)
def test_gradients_are_finite_far_out(kind):
    arguments, _ = FORMULAS[kind]
    for zero_sum in (False, True):
        scale = bounded_log_scale(kind, *arguments, zero_sum=zero_sum)
        h = tf.constant(FAR, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(h)
            s = scale(h)
        assert np.isfinite(tape.gradient(s, h)).all()


def test_zero_sum_couplings_keep_volumes():
    scale = bounded_log_scale("tanh", 2.0, zero_sum=True)
    coupling = bijectors.Coupling(
        6, transform=Affine(log_scale=scale), hidden_sizes=[8]
    )
    for variable in coupling.trainable_variables:
        variable.assign_add(tf.random.stateless_normal(variable.shape, [1, 2]))
    x = tf.random.stateless_normal([5, 6], [3, 4])
    assert np.abs(coupling.forward(x) - x).max() > 0.1
    log_det = coupling.forward_log_det_jacobian(tf.identity(x))
    np.testing.assert_allclose(log_det, 0.0, atol=1e-5)
    assert scale.bounds == (-4.0, 4.0)
    with pytest.raises(ValueError, match="zero_sum=False"):
        bijectors.MaskedAutoregressive(6, transform=Affine(log_scale=scale))


def test_it_is_saved_with_the_bijector_and_serves_stock_tfp():
    scale = bounded_log_scale("arctan", 0.5, -1.0)
    coupling = bijectors.Coupling(3, transform=Affine(log_scale=scale))
    copy = deserialize(serialize(coupling))
    assert copy.transform == coupling.transform
    assert copy.transform.log_scale == scale
    stock = tfb.RealNVP(1, shift_and_log_scale_fn=lambda x, _: (0 * x, scale(100 * x)))
    log_det = stock.forward_log_det_jacobian(tf.constant([[9.0, 1.0]]), 1)
    assert float(log_det[0]) == pytest.approx(0.5, abs=1e-2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cosine",), "kind must be"),
        (("exp", 1.0), "no bounds to set"),
        (("sigmoid", None, -1.0), "no bounds to set"),
        (("tanh", -1.0), "min_log_scale < 0"),
        (("tanh", 1.0, 0.5), "min_log_scale < 0"),
        (("scaled_tanh", -4.0, -2.0), "only min < max"),
        (("arctan", math.nan), "min_log_scale < 0"),
    ],
)
def test_impossible_bounds_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        bounded_log_scale(*arguments)


def round_trip_error(scale, gain, couplings=32, size=64):
    """Largest float32 error of f⁻¹(f(x)) through random two-layer couplings."""
    rng = np.random.default_rng(0)
    half, width = size // 2, 64

    def conditioner():
        first = rng.normal(size=(half, width)) / np.sqrt(half)
        last = rng.normal(size=(width, 2 * half)) * gain / np.sqrt(width)
        return first.astype("f"), last.astype("f")

    networks = [conditioner() for _ in range(couplings)]

    def transform(kept, moved, network, inverse):
        shift, raw = tf.split(tf.tanh(kept @ network[0]) @ network[1], 2, axis=-1)
        parameters = tf.stack([shift, raw], axis=-2)
        affine = Affine(log_scale=scale)
        return (affine.inverse if inverse else affine.forward)(moved, parameters)[0]

    x = tf.constant(rng.normal(size=(256, size)), tf.float32)
    left, right = tf.split(x, 2, axis=-1)
    for network in networks:
        left, right = transform(left, right, network, False), left
    for network in reversed(networks):
        left, right = right, transform(right, left, network, True)
    return float(tf.reduce_max(tf.abs(tf.concat([left, right], -1) - x)))


def test_a_small_cap_inverts_at_least_ten_times_as_exactly():
    exp = round_trip_error(bounded_log_scale("exp"), gain=1.0)
    capped = round_trip_error(bounded_log_scale("tanh", 0.5), gain=1.0)
    assert not exp <= 10 * capped
    assert capped < 1.0


def test_tails_grow_like_a_logarithm_and_their_log_det_is_the_slope():
    tails = bijectors.SoftLogTails(2.0, dtype="float64")
    x = tf.constant([-1e6, -3.0, -2.0, 0.0, 1.0, 2.5, 1e9], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tails.forward(x)
    slope = tape.gradient(y, x)
    log_det = tails.forward_log_det_jacobian(tf.identity(x))
    np.testing.assert_allclose(log_det, np.log(slope), atol=1e-12)
    np.testing.assert_allclose(y[-1], 2 + np.log1p(1e9 - 2))
    np.testing.assert_allclose(tails.inverse(tf.identity(y)), x, rtol=1e-9)
    with pytest.raises(ValueError, match="positive"):
        bijectors.SoftLogTails(0.0)
