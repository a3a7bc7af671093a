"""check_bilipschitz against maps whose constants are known."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows import bijectors
from tfp_flows.ops import Affine, bounded_log_scale
from tfp_flows.testing import AuditError, check_bilipschitz

tfb = tfp.bijectors

X = np.random.default_rng(0).normal(size=[20, 3])


def constants(bijector, x=X, **options):
    report = check_bilipschitz(bijector, x, **options)
    return report["forward"].error, report["inverse"].error


def test_linear_maps_have_the_constants_of_their_matrices():
    assert constants(tfb.ScaleMatvecDiag(np.array([4.0, 1.0, 0.1]))) == pytest.approx(
        (4.0, 10.0)
    )
    tril = np.array([[1.0, 0.0, 0.0], [2.0, 0.5, 0.0], [0.0, 1.0, 3.0]])
    values = np.linalg.svd(tril, compute_uv=False)
    found = constants(tfb.ScaleMatvecTriL(tril))
    assert found == pytest.approx((values.max(), 1 / values.min()))


def test_additive_coupling_keeps_its_bound_and_affine_has_none():
    # Lip = ½ (L + √(L² + 4)) both ways for an L-Lipschitz shift.
    slope = 3.0

    def shift(x, _):
        return slope * x, None

    additive = tfb.RealNVP(1, shift_and_log_scale_fn=shift)
    x = np.random.default_rng(1).normal(size=[10, 2])
    bound = 0.5 * (slope + np.sqrt(slope**2 + 4))
    assert constants(additive, x) == pytest.approx((bound, bound))

    capped = bounded_log_scale("tanh", 0.5)

    def affine(x, _):
        return tf.zeros_like(x), capped(4 * x)

    coupling = tfb.RealNVP(1, shift_and_log_scale_fn=affine)
    near, far = (constants(coupling, x * [[0.1, scale]])[0] for scale in (1, 1e3))
    assert far > 100 * near > 100


def test_secants_see_what_lies_between_the_rows():
    # A steep step at zero, of slope 0.196 at the two rows themselves.
    step = tfb.Chain([tfb.Shift(np.float64(0)), tfb.Sinh()])
    inverse = tfb.Invert(step)
    found, _ = constants(inverse, np.array([[-5.0], [5.0]]), event_ndims=1)
    assert found == pytest.approx(np.arcsinh(5.0) / 5.0)


def test_broken_bounds_are_named():
    scale = tfb.Scale(np.float64(10.0))
    with pytest.raises(AuditError, match="forward map to expand by at most 5") as error:
        check_bilipschitz(scale, X, 5.0, 5.0)
    assert error.value.report.failed == ("forward",)
    report = check_bilipschitz(tfb.Invert(scale), X, 5.0, 5.0, raise_on_failure=False)
    assert report.failed == ("inverse",)
    singular = tfb.Scale(np.float64(np.nan))
    with pytest.raises(AuditError):
        check_bilipschitz(singular, X)


def test_context_and_images():
    coupling = bijectors.Coupling(3, context_size=2, hidden_sizes=(8,), dtype="float64")
    context = np.random.default_rng(2).normal(size=[20, 2])
    found = constants(coupling, kwargs={"context": context})
    assert found == pytest.approx((1.0, 1.0))
    image = bijectors.Coupling(
        (2, 2, 2),
        hidden_sizes=(8,),
        dtype="float64",
        transform=Affine(log_scale=bounded_log_scale("sigmoid")),
    )
    x = np.random.default_rng(3).normal(size=[5, 2, 2, 2])
    contraction = 1 + np.exp(-2.0)
    assert constants(image, x) == pytest.approx((1.0, contraction))


class Padded(tfb.Bijector):
    """Appends a zero."""

    def __init__(self):
        super().__init__(forward_min_event_ndims=1)

    def _forward(self, x):
        return tf.concat([x, 0 * x[..., :1]], axis=-1)

    def _forward_event_shape(self, shape):
        return tf.TensorShape([shape[0] + 1])


def test_unusable_arguments_are_refused():
    with pytest.raises(ValueError, match="positive"):
        check_bilipschitz(tfb.Scale(2.0), X, 0.0)
    with pytest.raises(ValueError, match="number of dimensions"):
        check_bilipschitz(Padded(), X)
