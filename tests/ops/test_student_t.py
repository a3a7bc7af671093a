"""Student's t against 40-digit references, and derivatives against each other."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tfp_flows.ops.chebyshev import (
    chebyshev_coefficients,
    chebyshev_nodes,
    chebyshev_sum,
)
from tfp_flows.ops.log_tails import LogTails
from tfp_flows.ops.student_t import (
    student_t_asinh_quantile,
    student_t_log_prob,
    student_t_log_tails,
    student_t_quantile,
)

POINTS = [0.25, 1.0, 3.0, 10.0, 1e3, 1e6]
# ln P(T > x) at the points.
LOG_TAILS = {
    0.1: [
        -0.76289255351770945,
        -0.87628128539299526,
        -0.98390845024715243,
        -1.1040421392488551,
        -1.5645329800382228,
        -2.2553085053173916,
    ],
    1.5: [
        -0.87645760531885359,
        -1.4891350159028487,
        -2.7064433358900354,
        -4.4371438577613785,
        -11.336917729848944,
        -21.698549844752064,
    ],
    4.0: [
        -0.89783458486801436,
        -1.6769114931813459,
        -3.9134748570618905,
        -8.1771494425374412,
        -26.532415493914327,
        -54.163429943195653,
    ],
    30.0: [
        -0.91094080692673275,
        -1.8161281418575997,
        -5.9163637414983266,
        -24.500921553658308,
        -158.84300259171479,
        -366.07522503064175,
    ],
    200.0: [
        -0.9127420965324643,
        -1.8372208091700959,
        -6.488043106030738,
        -43.576221521657771,
        -855.30856535325614,
        -2236.8397221692227,
    ],
    10000.0: [
        -0.91305536631475725,
        -1.8409453930591602,
        -6.6052653152756348,
        -52.977987397102304,
        -23081.121743759861,
        -92108.927903476021,
    ],
}


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 2e-6), ("float64", 1e-12)])
def test_tails_have_all_digits_at_any_degrees_of_freedom(dtype, rtol):
    df = tf.constant(list(LOG_TAILS), dtype)
    expected = np.array(list(LOG_TAILS.values())).T
    x = tf.constant(POINTS, dtype)[:, tf.newaxis]
    above = student_t_log_tails(x, df).above
    below = student_t_log_tails(-x, df).below
    np.testing.assert_allclose(above, expected, rtol=rtol)
    np.testing.assert_array_equal(above, below)
    rest = np.log1p(-np.exp(expected))
    found = student_t_log_tails(x, df).below
    # The least of them are below the range of float32.
    np.testing.assert_allclose(found, rest, rtol=20 * rtol, atol=1e-30)


@pytest.mark.parametrize(("dtype", "atol"), [("float32", 2e-5), ("float64", 1e-9)])
def test_quantiles_undo_the_tails(dtype, atol):
    df = tf.constant(list(LOG_TAILS), dtype)
    log_p = tf.constant(np.array(list(LOG_TAILS.values())).T, dtype)
    x = np.array(POINTS)[:, np.newaxis]
    w = student_t_asinh_quantile(LogTails.from_below(log_p), df)
    np.testing.assert_allclose(w, -np.arcsinh(x / np.sqrt(df)), rtol=10 * atol)
    moderate = [1, 2, 3]
    tails = LogTails.from_below(log_p).flipped()
    x = student_t_quantile(LogTails(*(part[:4] for part in tails)), df)
    for column in moderate:
        np.testing.assert_allclose(x[:, column], POINTS[:4], rtol=10 * atol)


def test_derivatives_are_the_densities_also_at_zero():
    x = tf.constant([-1e4, -2.0, 0.0, 2.0, 1e4], "float64")
    df = tf.constant(4.0, "float64")
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([x, df])
        tails = student_t_log_tails(x, df)
        back = student_t_asinh_quantile(tails, df)
    density = student_t_log_prob(x, df)
    np.testing.assert_allclose(density, stats.t(4).logpdf(x), rtol=1e-12)
    for tail, sign in ((tails.below, 1), (tails.above, -1)):
        expected = sign * np.exp(density - tail)
        np.testing.assert_allclose(tape.gradient(tail, x), expected, rtol=1e-9)
    np.testing.assert_allclose(tape.gradient(back, x), 1 / np.sqrt(4 + x**2), rtol=1e-9)
    # asinh(x / √ν), whatever the way through the tails.
    expected = np.sum(-x / (2 * 4 * np.sqrt(4 + x**2)))
    np.testing.assert_allclose(tape.gradient(back, df), expected, atol=1e-9)


def test_derivative_for_the_degrees_of_freedom_is_a_finite_difference():
    x = tf.constant([-30.0, -1.0, 0.3, 2.0, 1e5], "float64")
    df = tf.Variable([0.7, 3.0, 5.0, 20.0, 90.0], dtype="float64")
    with tf.GradientTape() as tape:
        value = student_t_log_tails(x, df).above
    gradient = tape.gradient(value, df)
    step = 1e-5
    ends = [student_t_log_tails(x, df + sign * step).above for sign in (1, -1)]
    np.testing.assert_allclose(gradient, (ends[0] - ends[1]) / (2 * step), rtol=1e-6)


def test_values_at_nodes_give_the_polynomial():
    y = chebyshev_nodes(4)
    powers = np.stack([1 - y + 3 * y**3, y**2], axis=1)
    found = chebyshev_coefficients(tf.constant(powers), tf.float64)
    y = np.linspace(-1, 1, 7)[:, np.newaxis]
    expected = np.concatenate([1 - y + 3 * y**3, y**2], axis=1)
    np.testing.assert_allclose(
        chebyshev_sum(found, tf.constant(y)), expected, atol=1e-14
    )
