"""The optimum of linear flows against hand values, gradient ascent and its own laws."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tests.reference import linear_flows
from tfp_flows.diagnostics import linear_flow_optimum
from tfp_flows.diagnostics.linear.families import FAMILIES

LOG_2PI = np.log(2 * np.pi)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def rows_with(second, mean=None):
    """Rows whose auto-correlation (about `mean`) is exactly `second`."""
    size = len(second)
    signs = np.sqrt(size) * np.concatenate([np.eye(size), -np.eye(size)])
    rows = signs @ np.linalg.cholesky(second).T
    return rows if mean is None else rows + mean


def value(x, family="full", **options):
    return linear_flow_optimum(x, family, **options).log_likelihood


@pytest.mark.parametrize(
    ("family", "options", "expected"),
    [
        ("full", {}, -3.387183),
        ("diagonal", {}, -3.531024),
        ("scalar", {}, -3.531024),
        ("unit_det", {}, -3.569928),
        ("orthogonal", {}, -3.837877),
        ("full", {"max_scale": 0.8}, -3.430327),
    ],
)
def test_hand_values(family, options, expected):
    rows = rows_with(np.array([[2.0, 1.0], [1.0, 2.0]]))
    found = value(rows, family, centered=False, **options)
    assert found == pytest.approx(expected, abs=1e-6)


def test_hand_values_with_a_mean_and_of_a_diagonal():
    second, mean = np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([1.0, 0.0])
    rows = rows_with(second - np.outer(mean, mean), mean)
    assert value(rows) == pytest.approx(-2.837877, abs=1e-6)
    assert value(rows, centered=False) == pytest.approx(-3.387183, abs=1e-6)
    rows = rows_with(np.diag([4.0, 1.0, 0.25]))
    assert value(rows) == pytest.approx(-4.256816, abs=1e-6)


def test_gain_of_a_bias_is_the_determinant_identity(rng):
    rows = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4)) + rng.normal(size=4)
    second, mean = rows.T @ rows / len(rows), rows.mean(axis=0)
    gain = -0.5 * np.log(1 - mean @ np.linalg.solve(second, mean))
    found = value(rows) - value(rows, centered=False)
    assert found == pytest.approx(gain, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_ladder_of_families(seed):
    rng = np.random.default_rng(seed)
    rows = rows_with(linear_flows.random_second_moments(5, rng))
    ppca = [value(rows, "ppca", rank=rank) for rank in range(5)]
    full, diagonal, scalar, unit, orthogonal = (
        value(rows, f) for f in ("full", "diagonal", "scalar", "unit_det", "orthogonal")
    )
    assert orthogonal < unit < full
    assert orthogonal < scalar < diagonal < full
    assert ppca[0] == pytest.approx(scalar, abs=1e-12)
    assert np.all(np.diff(ppca[:-1]) > 0)
    assert ppca[-1] == pytest.approx(full, abs=1e-12)
    second = rows.T @ rows / len(rows)
    gap = 0.5 * np.log(np.prod(np.diag(second)) / np.linalg.det(second))
    assert full - diagonal == pytest.approx(gap, abs=1e-12)


@pytest.mark.parametrize("family", sorted(linear_flows.projections))
def test_gradient_ascent_ends_at_the_closed_form(family, rng):
    second = linear_flows.random_second_moments(3, rng)
    options = {"min_scale": 0.4, "max_scale": 0.9} if family == "bounded" else {}
    name = "full" if family == "bounded" else family
    closed = value(rows_with(second), name, **options)
    for _ in range(3):
        reached = linear_flows.ascend(second, linear_flows.projections[family], rng)
        assert reached == pytest.approx(closed, abs=1e-9)


def test_ppca_agrees_with_the_density_of_its_model(rng):
    rows = rng.normal(size=(300, 5)) @ rng.normal(size=(5, 5)) + 3.0
    covariance = np.cov(rows, rowvar=False, bias=True)
    values, vectors = np.linalg.eigh(covariance)
    noise = values[:3].mean()
    model = (vectors[:, 3:] * (values[3:] - noise)) @ vectors[:, 3:].T
    normal = stats.multivariate_normal(rows.mean(0), model + noise * np.eye(5))
    fitted = linear_flow_optimum(rows, "ppca", rank=2)
    np.testing.assert_allclose(fitted.log_prob(rows), normal.logpdf(rows), atol=1e-10)
    assert fitted.log_likelihood == pytest.approx(normal.logpdf(rows).mean(), abs=1e-11)


def test_bounds_go_over_into_full_and_orthogonal(rng):
    rows = rng.normal(size=(60, 4)) @ rng.normal(size=(4, 4))
    loose = value(rows, min_scale=1e-9, max_scale=1e9)
    assert loose == pytest.approx(value(rows), abs=1e-10)
    tight = value(rows, min_scale=1.0, max_scale=1.0)
    assert tight == pytest.approx(value(rows, "orthogonal"), abs=1e-12)
    for family in ("diagonal", "scalar"):
        assert value(rows, family, max_scale=0.1) < value(rows, family)


@pytest.mark.parametrize("family", ["conv1x1", "circular_conv"])
def test_convolutions_with_bounds_lie_between_orthogonal_and_free(family, rng):
    images = rng.normal(size=(60, 3, 4, 2)) @ rng.normal(size=(2, 2)) + 1.0
    options = {"family": family, "event_ndims": 3}
    free = value(images, **options)
    loose = value(images, min_scale=1e-6, max_scale=1e6, **options)
    assert loose == pytest.approx(free, abs=1e-9)
    tight = linear_flow_optimum(images, min_scale=1.0, max_scale=1.0, **options)
    centered = images - tight.shift
    unit = -0.5 * (24 * LOG_2PI + np.mean(np.sum(centered**2, axis=(1, 2, 3))))
    assert tight.log_likelihood == pytest.approx(unit, abs=1e-9)
    between = value(images, min_scale=0.9, max_scale=1.1, **options)
    assert unit < between < free


def test_invariances(rng):
    rows = rng.normal(size=(80, 4)) @ rng.normal(size=(4, 4))
    matrix = rng.normal(size=(4, 4))
    moved = value(rows @ matrix.T) + np.linalg.slogdet(matrix)[1]
    assert moved == pytest.approx(value(rows), abs=1e-10)
    rotation, _ = np.linalg.qr(matrix)
    for family in ("scalar", "unit_det", "orthogonal"):
        rotated = value(rows @ rotation.T, family)
        assert rotated == pytest.approx(value(rows, family), abs=1e-12)


def test_every_rotation_of_the_maximiser_attains_the_optimum(rng):
    rows = rng.normal(size=(90, 4)) @ rng.normal(size=(4, 4)) + 5.0
    fitted = linear_flow_optimum(rows)
    covariance = np.cov(rows, rowvar=False, bias=True)
    formula = -0.5 * np.log(fitted.eigenvalues).sum() - 2 * (1 + LOG_2PI)
    assert fitted.log_likelihood == pytest.approx(formula, abs=1e-12)
    rotation, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    for matrix in (fitted.scale, rotation @ fitted.scale):
        attained = linear_flows.log_likelihood(matrix, covariance)
        assert attained == pytest.approx(formula, abs=1e-12)
    worse = linear_flows.log_likelihood(fitted.scale * 1.01, covariance)
    assert worse < formula - 1e-5


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("centered", [False, True])
def test_mean_of_the_row_densities_is_the_value(family, centered, rng):
    mixing = rng.normal(size=(24, 24)) + 3 * np.eye(24)
    images = (rng.normal(size=(120, 24)) @ mixing + 0.7).reshape(-1, 3, 4, 2)
    options = {"rank": 5} if family == "ppca" else {}
    options |= {"event_ndims": 3, "centered": centered, "x_heldout": images[:60]}
    fitted = linear_flow_optimum(images, family, **options)
    scores = fitted.log_prob(images)
    assert scores.shape == (120,)
    assert fitted.log_likelihood == pytest.approx(scores.mean(), abs=1e-10)
    held_out = scores[:60].mean()
    assert fitted.heldout_log_likelihood == pytest.approx(held_out, abs=1e-10)
    assert fitted.event_shape == (3, 4, 2)


def as_dense(kernel_scale, shape):
    """The real matrix of x ↦ F⁻¹ A F x, column by column."""
    columns = []
    for unit in np.eye(int(np.prod(shape))):
        spectrum = np.fft.fftn(unit.reshape(shape), axes=(0, 1), norm="ortho")
        product = np.einsum("...ij,...j->...i", kernel_scale, spectrum)
        image = np.fft.ifftn(product, axes=(0, 1), norm="ortho")
        assert np.abs(image.imag).max() < 1e-12
        columns.append(image.real.ravel())
    return np.array(columns).T


def test_circular_and_pointwise_convolutions_are_attained(rng):
    shape = (4, 3, 2)
    images = rng.normal(size=(400, 24)) @ rng.normal(size=(24, 24)) / 5 + 2.0
    for centered in (False, True):
        options = {"event_ndims": 3, "centered": centered}
        grid = images.reshape(-1, *shape)
        circular = linear_flow_optimum(grid, "circular_conv", **options)
        rows = images - np.broadcast_to(circular.shift, shape).ravel()
        dense = as_dense(circular.scale, shape)
        attained = linear_flows.log_likelihood(dense, rows.T @ rows / len(rows))
        assert circular.log_likelihood == pytest.approx(attained, abs=1e-10)
        pointwise = linear_flow_optimum(grid, "conv1x1", **options)
        dense = np.kron(np.eye(12), pointwise.scale)
        rows = images - np.broadcast_to(pointwise.shift, shape).ravel()
        attained = linear_flows.log_likelihood(dense, rows.T @ rows / len(rows))
        assert pointwise.log_likelihood == pytest.approx(attained, abs=1e-10)
        each = linear_flow_optimum(grid, "conv1x1_per_example", **options)
        full = linear_flow_optimum(grid, **options)
        assert full.log_likelihood > circular.log_likelihood > pointwise.log_likelihood
        assert each.log_likelihood > pointwise.log_likelihood


@pytest.mark.parametrize("centered", [False, True])
def test_gradient_ascent_on_each_example_ends_at_its_own_optimum(centered, rng):
    mixing = rng.normal(size=(5, 2, 2)) + 2 * np.eye(2)
    pixels = rng.normal(size=(5, 12, 2)) @ mixing / 2 + 0.4
    images = pixels.reshape(5, 3, 4, 2)
    fitted = linear_flow_optimum(
        images, "conv1x1_per_example", event_ndims=3, centered=centered
    )
    reached = [
        linear_flows.ascend_one_example(image, rng, centered=centered)
        for image in images
    ]
    np.testing.assert_allclose(fitted.log_prob(images), reached, atol=1e-8)
    assert fitted.log_likelihood == pytest.approx(np.mean(reached), abs=1e-8)


def test_one_frequency_at_a_time_ascends_to_the_circular_optimum(rng):
    signals = rng.normal(size=(300, 5, 1)).cumsum(axis=1)
    power = np.mean(np.abs(np.fft.fft(signals[..., 0], norm="ortho")) ** 2, axis=0)
    gains = np.ones(5)
    for _ in range(20000):
        gains += 0.01 * (1 / gains - gains * power)
    expected = np.sum(np.log(gains) - 0.5 * gains**2 * power) - 2.5 * LOG_2PI
    found = value(signals, "circular_conv", event_ndims=2, centered=False)
    assert found == pytest.approx(expected, abs=1e-9)


def test_optimism_is_half_a_parameter_a_row():
    # d = 10, N = 100, 400 draws: the Monte-Carlo error is below 1 % of the excess.
    rng = np.random.default_rng(3)
    excess = []
    for _ in range(400):
        fitted = linear_flow_optimum(rng.normal(size=(100, 10)), centered=False)
        truth = -5 * (1 + LOG_2PI)
        excess.append(fitted.log_likelihood - truth)
    assert fitted.num_parameters == 55
    assert np.mean(excess) == pytest.approx(55 / 200, rel=0.1)


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("full", 300 + 24),
        ("diagonal", 48),
        ("scalar", 25),
        ("unit_det", 299 + 24),
        ("orthogonal", 24),
        ("ppca", 24 * 2 - 1 + 1 + 24),
        ("conv1x1", 3 + 2),
        ("conv1x1_per_example", 3 + 2),
        # Twelve frequencies, two their own mirror images, five pairs.
        ("circular_conv", 2 * 3 + 5 * 4 + 2),
    ],
)
def test_parameters_are_counted(family, expected, rng):
    images = rng.normal(size=(100, 4, 3, 2))
    options = {"rank": 2} if family == "ppca" else {}
    fitted = linear_flow_optimum(images, family, event_ndims=3, **options)
    assert fitted.num_parameters == expected


def test_streams_agree_with_arrays(rng):
    rows = (rng.normal(size=(1000, 3)) @ rng.normal(size=(3, 3)) + 1e4).astype("f")
    whole = linear_flow_optimum(rows)
    batches = np.array_split(rows, 7)
    dataset = tf.data.Dataset.from_tensor_slices((rows, rows[:, 0])).batch(64)
    for stream in (batches, dataset, tf.constant(rows), (b for b in batches)):
        streamed = linear_flow_optimum(stream)
        assert streamed.num_rows == 1000
        assert streamed.log_likelihood == pytest.approx(whole.log_likelihood, abs=1e-8)
    exact = np.cov(rows.astype("float64"), rowvar=False, bias=True)
    np.testing.assert_allclose(np.linalg.eigvalsh(exact)[::-1], whole.eigenvalues)


def test_single_and_double_precision_agree_where_conditioning_allows(rng):
    rotation, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    scales = np.geomspace(1.0, 1e2, 6)
    rows = rng.normal(size=(2000, 6)) * scales @ rotation
    assert value(rows.astype("f")) == pytest.approx(value(rows), abs=1e-4)


def test_units_of_very_different_size_are_no_singularity(rng):
    rows = rng.normal(size=(200, 3))
    scaled = rows * [1e-9, 1.0, 1e9]
    assert value(scaled) == pytest.approx(value(rows), abs=1e-9)


def test_ridge_reports_what_its_map_attains(rng):
    rows = rng.normal(size=(200, 3))
    rows = np.c_[rows, rows[:, 0]]
    fitted = linear_flow_optimum(rows, ridge=1e-3)
    covariance = np.cov(rows, rowvar=False, bias=True)
    widened = covariance + 1e-3 * np.eye(4)
    expected = stats.multivariate_normal(rows.mean(0), widened).logpdf(rows).mean()
    assert fitted.log_likelihood == pytest.approx(expected, abs=1e-9)
    assert fitted.ridge == 1e-3


def test_few_rows_have_a_finite_value_with_a_remedy(rng):
    rows = rng.normal(size=(4, 10))
    for options in ({"ridge": 0.1}, {"max_scale": 3.0}, {"family": "diagonal"}):
        assert np.isfinite(value(rows, **options))
    assert np.isfinite(value(rows, "ppca", rank=2))


def test_bits_per_dimension_do_not_depend_on_the_units_of_pixels(rng):
    levels = rng.integers(0, 256, (500, 3)) + rng.uniform(size=(500, 3))
    options = {"units": "bits/dim", "x_heldout": levels}
    whole = linear_flow_optimum(levels, **options)
    options["x_heldout"] = levels / 256
    small = linear_flow_optimum(levels / 256, bin_width=1 / 256, **options)
    assert whole.floor == pytest.approx(small.floor, abs=1e-10)
    assert whole.heldout_floor == pytest.approx(small.heldout_floor, abs=1e-10)
    assert whole.floor == pytest.approx(-whole.log_likelihood / (3 * np.log(2)))
    assert "bits/dim on 500 rows" in str(whole)
    # Uniform noise alone: 0 bits would be exact, the Gaussian pays 0.2546.
    noise = linear_flow_optimum(rng.uniform(size=(200_000, 1)), units="bits/dim")
    assert noise.floor == pytest.approx(0.2546, abs=0.005)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (np.ones((50, 3)), {}, "Features 0, 1, 2 are constant"),
        (np.full((50, 3), 0.1), {"family": "diagonal"}, "are constant"),
        (np.zeros((0, 3)), {}, "at least one row"),
        (np.full((5, 3), np.nan), {}, "finite"),
        (np.ones((5, 3), complex), {}, "real numbers, received dtype complex128"),
        (np.full((5, 3), "a"), {}, "real numbers, received dtype <U1"),
        (np.zeros((5, 3, 2)), {}, "Set event_ndims"),
        (np.zeros((5, 3)), {"family": "dense"}, "must be one of"),
        (np.zeros((5, 3)), {"family": "ppca"}, "rank is for"),
        (np.zeros((5, 3)), {"rank": 1}, "rank is for"),
        (np.ones((5, 3)), {"family": "ppca", "rank": 3}, 'family="full"'),
        (np.zeros((5, 3)), {"family": "conv1x1"}, "2 axes"),
        (np.zeros((5, 3)), {"units": "bits"}, "bits/dim"),
        (np.zeros((5, 3)), {"ridge": -1.0}, "ridge"),
        (np.zeros((5, 3)), {"min_scale": 2.0, "max_scale": 1.0}, "min_scale"),
        (np.zeros((5, 3)), {"family": "unit_det", "max_scale": 1.0}, "apply to"),
        (np.zeros((2, 6000)), {}, "Choose conv1x1 or circular_conv"),
    ],
)
def test_unusable_input_is_refused(rows, options, message):
    with pytest.raises(ValueError, match=message):
        linear_flow_optimum(rows, **options)


def test_singular_data_name_the_features_and_three_remedies(rng):
    rows = rng.normal(size=(100, 5))
    rows[:, 3] = 2 * rows[:, 1] - 1
    with pytest.raises(
        ValueError, match="Features 1, 3 are linearly dependent"
    ) as error:
        linear_flow_optimum(rows)
    for remedy in ("Dequantize", "ridge", "structured family"):
        assert remedy in str(error.value)
    for family in ("unit_det",):
        with pytest.raises(ValueError, match="smallest eigenvalue"):
            linear_flow_optimum(rows, family)
    for family in ("full", "unit_det"):
        with pytest.raises(ValueError, match="at least 11 rows, received 10: they do"):
            linear_flow_optimum(rng.normal(size=(10, 10)), family)
    with pytest.raises(ValueError, match="at least 10 rows, received 9: they do not"):
        linear_flow_optimum(rng.normal(size=(9, 10)), centered=False)
    assert np.isfinite(value(rng.normal(size=(10, 10)), centered=False))
    images = rng.normal(size=(20, 2, 1, 1)) * np.ones((1, 1, 1, 3))
    for family in ("circular_conv", "conv1x1_per_example"):
        with pytest.raises(ValueError, match="ridge"):
            linear_flow_optimum(images, family, event_ndims=3)
    assert np.isfinite(value(images, "circular_conv", event_ndims=3, ridge=0.1))


def test_only_the_standard_normal_base_has_a_closed_form(rng):
    from tensorflow_probability import distributions as tfd

    from tfp_flows.distributions import GaussianMixture

    rows = rng.normal(size=(30, 2))
    standard = tfd.Independent(tfd.Normal(tf.zeros(2), tf.ones(2)), 1)
    diagonal = tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))
    assert value(rows, base=standard) == value(rows, base=diagonal) == value(rows)
    identity = tfd.MultivariateNormalTriL(tf.zeros(2), tf.eye(2))
    assert value(rows, base=identity) == value(rows)
    correlated = tfd.MultivariateNormalTriL(tf.zeros(2), [[1.0, 0.0], [0.6, 0.8]])
    for base in (
        GaussianMixture(2),
        correlated,
        tfd.Independent(tfd.Laplace(tf.zeros(2), tf.ones(2)), 1),
        tfd.MultivariateNormalDiag(tf.zeros(2), 2 * tf.ones(2)),
    ):
        with pytest.raises(ValueError, match="standard normal base"):
            value(rows, base=base)


@pytest.mark.parametrize("family", ["full", "circular_conv", "conv1x1_per_example"])
def test_a_base_of_another_size_than_the_data_is_refused(family, rng):
    from tensorflow_probability import distributions as tfd

    images = rng.normal(size=(30, 3, 2, 1))
    options = {"family": family, "event_ndims": 3}
    fitting = tfd.Sample(tfd.Normal(0.0, 1.0), [6])
    assert value(images, base=fitting, **options) == value(images, **options)
    assert value(images, base=tfd.Normal(0.0, 1.0), **options) < 0
    for base in (
        tfd.MultivariateNormalDiag(tf.zeros(5)),
        tfd.Normal(tf.zeros(7), 1.0),
    ):
        with pytest.raises(ValueError, match=r"the 6 numbers .*\(3, 2, 1\), received"):
            value(images, base=base, **options)


def test_gap_to_a_nonlinear_truth_is_its_negentropy(rng):
    # x = sinh(A ε): the exact entropy is known; the floor lies above it.
    mixing = np.array([[1.0, 0.0, 0.0], [0.5, 0.8, 0.0], [0.2, -0.3, 1.0]])
    latent = rng.normal(size=(200_000, 3)) @ mixing.T
    log_det = np.log(np.abs(np.linalg.det(mixing)))
    forward = np.log(np.cosh(latent)).sum(axis=1) + log_det
    noise = np.linalg.solve(mixing, latent.T).T
    truth = -0.5 * (3 * LOG_2PI + (noise**2).sum(1)) - forward
    entropy, base_entropy = -truth.mean(), 1.5 * (1 + LOG_2PI)
    # U3: E log|det J| = H(Z) − H(X) and E|z|² = d for the flow x → ε.
    error = 4 * np.std(forward + truth) / np.sqrt(len(latent))
    assert -forward.mean() == pytest.approx(base_entropy - entropy, abs=error)
    squares = (noise**2).sum(1)
    error = 4 * squares.std() / np.sqrt(len(latent))
    assert squares.mean() == pytest.approx(3.0, abs=error)
    # A rotation of the base changes nothing.
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    rotated = ((noise @ rotation.T) ** 2).sum(1)
    np.testing.assert_allclose(rotated, squares, rtol=1e-9)
    assert -value(np.sinh(latent)) > entropy + 0.3
