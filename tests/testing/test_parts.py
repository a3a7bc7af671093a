"""The numerical parts of the audit against values known in closed form."""

import numpy as np
import pytest
import tensorflow as tf

from tests.testing import broken
from tfp_flows.testing.integration.frame import fit_frame
from tfp_flows.testing.integration.integral import integrate
from tfp_flows.testing.integration.proposal import fit_proposal
from tfp_flows.testing.numerics import default_tolerance, log_abs_det, relative_error
from tfp_flows.testing.probes.rows import RowKwargs
from tfp_flows.testing.probes.tracing import perturbed


def normal(size, scale=1.0):
    constant = -0.5 * size * np.log(2 * np.pi) - size * np.log(scale)
    return lambda x: constant - 0.5 * np.sum((x / scale) ** 2, axis=1)


@pytest.mark.parametrize(("size", "tolerance"), [(1, 1e-9), (2, 1e-5), (3, 1e-4)])
def test_grid_integrates_a_normal_density(size, tolerance):
    samples = np.random.default_rng(0).normal(size=[2000, size])
    integral = integrate(normal(size), samples, fit_frame(samples), 100, 0)
    assert "quadrature" in integral.method
    assert abs(integral.mass - 1) < tolerance


@pytest.mark.parametrize("size", [4, 40])
def test_importance_sampling_states_its_error(size):
    samples = np.random.default_rng(0).normal(size=[5000, size])
    integral = integrate(normal(size), samples, fit_frame(samples), 20_000, 0)
    assert "importance" in integral.method
    assert abs(integral.mass - 1) < 4 * integral.error < 0.1


def square(x):
    return np.where(((x > 0) & (x < 1)).all(axis=1), 0, -np.inf)


def spike(x):
    """Three tenths of the mass in a peak far narrower than a cell of the grid."""
    parts = np.log(0.7) + normal(2)(x), np.log(0.3) + normal(2, 1e-3)(x - 0.4)
    return np.logaddexp(*parts)


def test_jumps_and_peaks_between_the_nodes_are_left_to_importance_sampling():
    rng = np.random.default_rng(0)
    bulk = rng.normal(size=[5000, 2])
    peak = np.where(rng.uniform(size=[5000, 1]) < 0.3, 0.4 + 1e-3 * bulk, bulk)
    for log_density, samples in (
        (square, rng.uniform(size=[5000, 2])),
        (spike, peak),
    ):
        integral = integrate(log_density, samples, fit_frame(samples), 20_000, 0)
        assert "importance" in integral.method
        assert abs(integral.mass - 1) < 4 * integral.error < 0.02


@pytest.mark.parametrize(
    ("width", "low", "high"), [(0.3, 0, 5e-3), (0.1, 5e-3, 0.02), (0.01, 0.05, 1)]
)
def test_error_of_a_ridge_grows_as_it_gets_thin(width, low, high):
    """The thinnest one is undecided, never wrong."""
    rng = np.random.default_rng(0)
    first = rng.normal(size=5000)
    ridge = np.stack([first, first**2 + width * rng.normal(size=5000)], axis=1)

    def log_density(x):
        offset = (x[:, 1] - x[:, 0] ** 2) / width
        return normal(2)(np.stack([x[:, 0], offset], axis=1)) - np.log(width)

    integral = integrate(log_density, ridge, fit_frame(ridge), 20_000, 0)
    assert low < integral.error < high
    assert abs(integral.mass - 1) < 4 * integral.error


def test_proposal_is_normalized_and_fits_two_clusters():
    rng = np.random.default_rng(0)
    samples = rng.normal(size=[4000, 2]) * 0.1 + rng.choice([-1, 1], [4000, 1])
    proposal = fit_proposal(samples, 0)
    grid = np.stack(np.meshgrid(*[np.linspace(-10, 10, 401)] * 2), -1).reshape(-1, 2)
    assert np.exp(proposal.log_prob(grid)).sum() * 0.05**2 == pytest.approx(1, abs=0.03)
    drawn = proposal.sample(4000, 1)
    near = np.abs(np.abs(drawn) - 1).max(axis=1) < 0.5
    assert near.mean() > 0.8


def test_average_ignores_the_mass():
    samples = np.random.default_rng(0).normal(size=[4000, 2])
    frame = fit_frame(samples)
    integral = integrate(lambda x: normal(2)(x) + 3, samples, frame, 100, 0)
    mean, _ = integral.average(lambda z: np.cos(frame.to_x(z)))
    assert np.allclose(mean, np.exp(-0.5), atol=1e-4)


def test_frame_standardizes_and_inverts():
    rng = np.random.default_rng(0)
    mixing = np.array([[2.0, 0.0], [1.5, 0.1]])
    x = rng.normal(size=[20_000, 2]) @ mixing.T + [5, -3]
    frame = fit_frame(x)
    z = frame.to_z(x)
    assert np.allclose(np.cov(z, rowvar=False), np.eye(2), atol=0.05)
    assert np.allclose(frame.to_x(z), x)


def test_frame_refuses_samples_without_volume():
    rng = np.random.default_rng(0)
    line = rng.normal(size=[100, 1]) * [1.0, 2.0]
    with pytest.raises(ValueError, match="subspace"):
        fit_frame(line)
    with pytest.raises(ValueError, match="constant"):
        fit_frame(line * [1.0, 0.0])


def test_relative_error():
    assert relative_error([1.0, np.inf], [1.0, np.inf]) == 0
    assert relative_error([99.0], [100.0]) == pytest.approx(1 / 101)
    assert relative_error([1.0], [1.0, 1.0]) == np.inf
    assert relative_error([np.nan], [np.nan]) == np.inf
    assert relative_error([], []) == 0


def test_log_abs_det_of_singular_and_undefined_matrices():
    matrices = np.array(
        [np.diag([2.0, -3.0]), np.zeros([2, 2]), np.full([2, 2], np.nan)]
    )
    values = log_abs_det(matrices)
    assert values[0] == pytest.approx(np.log(6))
    assert values[1] == -np.inf
    assert np.isnan(values[2])


def test_tolerance_grows_with_the_unit_of_round_off():
    dtypes = [tf.float64, tf.float32, tf.float16, tf.bfloat16]
    tolerances = [default_tolerance(dtype) for dtype in dtypes]
    assert tolerances == sorted(tolerances)


def test_row_kwargs_take_rows_of_nested_tensors():
    values = {"a": {"context": np.arange(12.0).reshape(2, 3, 2)}, "flag": True}
    rows = RowKwargs(values, [2, 3]).take([5, 0], [2, 1])
    assert rows["flag"] is True
    assert rows["a"]["context"].numpy().tolist() == [[[10.0, 11.0]], [[0.0, 1.0]]]


def test_perturbed_weights_change_and_come_back_after_an_error():
    bijector = broken.Scaling()
    bijector.zero = tf.Variable([0.0, 1.0])
    seen = []

    def fail():
        with perturbed(bijector.trainable_variables):
            seen.extend([bijector.scale.numpy(), *bijector.zero.numpy()])
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not np.isin(seen, [2, 0, 1]).any()
    assert bijector.scale.numpy() == 2
    assert bijector.zero.numpy().tolist() == [0, 1]
