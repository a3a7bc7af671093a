"""Trainable Gaussian mixture, a base for multimodal data."""

import math
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfp_flows.distributions.recorded_distribution import RecordedDistribution
from tfp_flows.estimation.gaussian_mixture import (
    FittedMixture,
    select_gaussian_mixture,
)

__all__ = ["GaussianMixture"]

# Rows that the mixture is set from.
_MAX_ROWS = 10_000
# Rows that a component needs for each of D + 1: below, it would fit single rows.
_ROWS_PER_FEATURE = 5
# With more than this times D² rows the flow finds the modes itself, and ends better
# from one Gaussian. Held-out nats after 40 epochs from a mixture and from N(0, I):
# satimage (rows / D² = 4) 4.5 and 1.1; segment (6) 45.4 and 38.1; penbased (34) 0.03
# and −0.18; magic (152) −4.82 and −4.53; phoneme (173) −3.36 and −3.27. Against the
# rule stands spambase (1), whose columns are nearly all zeros: 39 and 98.
_ENOUGH_ROWS = 100
_ABSENT_LOGIT = -15.0


class GaussianMixture(RecordedDistribution):
    """p(z) = Σₖ wₖ N(z; μₖ, (Uₖᵀ Uₖ)⁻¹), trainable; N(0, I) until `initialize`.

        log p(z) = logsumexpₖ(log wₖ + Σᵢ log Uₖ,ᵢᵢ − ½ |Uₖ (z − μₖ)|²) − (D/2) log 2π

    Uₖ is upper triangular with the diagonal exp(dₖ). A flow is continuous and its
    base has to supply the modes: between two modes a flow from a single Gaussian
    keeps a bridge of probability. Set by `initialize` at the mixture's own maximum
    likelihood, the flow starts where a Gaussian mixture ends. `log_prob` costs
    O(K D²) a row.

    Args:
        event_size: D.
        num_components: K, the most there may be.
        dtype: dtype of event and weights.
        validate_args: as in TFP.
        name: name of the distribution.

    Example:
        >>> mixture = GaussianMixture(1, num_components=2)
        >>> mixture.initialize(np.r_[np.zeros(20), np.ones(20) * 8][:, None])
        >>> sorted(mixture.means.numpy().round(3).ravel().tolist())
        [0.0, 8.0]

    Reference: McLachlan and Peel (2000), "Finite Mixture Models", section 3.2.
    """

    def __init__(
        self,
        event_size: int,
        *,
        num_components: int = 20,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "gaussian_mixture",
    ) -> None:
        if event_size < 1 or num_components < 1:
            raise ValueError(
                "event_size and num_components must be at least 1, received "
                f"{event_size} and {num_components}."
            )
        dtype = tf.as_dtype(dtype)
        shape = [num_components, event_size]
        self.logits = tf.Variable(tf.zeros(shape[:1], dtype), name=f"{name}_logits")
        self.means = tf.Variable(tf.zeros(shape, dtype), name=f"{name}_means")
        self.log_diagonal = tf.Variable(
            tf.zeros(shape, dtype), name=f"{name}_log_diagonal"
        )
        self.upper = tf.Variable(
            tf.zeros([*shape, event_size], dtype), name=f"{name}_upper"
        )
        self.initialized = tf.Variable(
            False, trainable=False, name=f"{name}_initialized"
        )
        one = num_components == 1
        super().__init__(
            # Which component is drawn has no gradient; of one there is no choice.
            reparameterization_type=tfd.FULLY_REPARAMETERIZED
            if one
            else tfd.NOT_REPARAMETERIZED,
        )

    @property
    def precision_factors(self) -> tf.Tensor:
        """Uₖ, [K, D, D], upper triangular with a positive diagonal."""
        size = self.log_diagonal.shape[-1]
        above = tf.constant(np.tri(size, k=-1).T, self.dtype)
        return self.upper * above + tf.linalg.diag(tf.exp(self.log_diagonal))

    def initialize(self, z: Any) -> None:
        """Sets the mixture to its maximum likelihood on rows z by EM.

        As many components are used as do best on held-out rows, at most one for each
        5 (D + 1) rows, and one alone where there are more than 100 D² rows: then a
        flow finds the modes itself. The others start with next to no weight. Up to
        10,000 rows are looked at.

        Args:
            z: [N, D], finite.
        """
        count, size = self.means.shape
        rows = np.asarray(z, "float64").reshape(-1, size)
        count = min(count, max(1, len(rows) // (_ROWS_PER_FEATURE * (size + 1))))
        if len(rows) > _ENOUGH_ROWS * size**2:
            count = 1
        self.set_components(
            *select_gaussian_mixture(rows[:: -(-len(rows) // _MAX_ROWS)], count)
        )

    def set_components(
        self, weights: np.ndarray, means: np.ndarray, covariances: np.ndarray
    ) -> None:
        """Sets the first k ≤ K components; the others get next to no weight.

        Args:
            weights: [k], positive, with sum one.
            means: [k, D].
            covariances: [k, D, D], positive definite.
        """
        fitted = FittedMixture(weights, means, covariances)
        factors = fitted.precision_factors
        diagonal = np.diagonal(factors, axis1=1, axis2=2)
        self.initialized.assign(True)
        self._assign(self.logits, np.log(fitted.weights), absent=_ABSENT_LOGIT)
        self._assign(self.means, fitted.means)
        self._assign(self.log_diagonal, np.log(diagonal))
        self._assign(self.upper, np.triu(factors, 1))

    def _assign(
        self, variable: tf.Variable, values: np.ndarray, absent: float = 0.0
    ) -> None:
        """Sets the first components; the others get the numbers of N(0, I)."""
        filled = np.full(variable.shape, absent)
        filled[: len(values)] = values
        variable.assign(tf.cast(filled, self.dtype))

    def _log_prob(self, value: tf.Tensor) -> tf.Tensor:
        # Components first: one matrix product each, and nothing to transpose.
        rows = tf.reshape(value, [-1, self.means.shape[1]])
        difference = rows - self.means[:, tf.newaxis, :]
        white = tf.matmul(difference, self.precision_factors, transpose_b=True)
        log_weights = tf.nn.log_softmax(self.logits)
        log_scales = tf.reduce_sum(self.log_diagonal, axis=-1)
        distance = tf.reduce_sum(white**2, axis=-1)
        joint = (log_weights + log_scales)[:, tf.newaxis] - 0.5 * distance
        constant = 0.5 * self.means.shape[1] * math.log(2 * math.pi)
        log_prob = tf.reduce_logsumexp(joint, axis=0) - constant
        return tf.reshape(log_prob, tf.shape(value)[:-1])

    def _sample_n(self, n: tf.Tensor, seed: Any = None) -> tf.Tensor:
        component_seed, noise_seed = tfp.random.split_seed(seed, 2)
        component = tfd.Categorical(logits=self.logits).sample(n, seed=component_seed)
        shape = tf.concat([[n], self.means.shape[1:]], 0)
        noise = tf.random.stateless_normal(shape, noise_seed, dtype=self.dtype)
        # One inverse a component, not one solve a row.
        eye = tf.eye(self.means.shape[1], dtype=self.dtype)
        scales = tf.linalg.triangular_solve(
            self.precision_factors, eye + tf.zeros_like(self.upper), lower=False
        )
        scale = tf.gather(scales, component)
        return tf.gather(self.means, component) + tf.linalg.matvec(scale, noise)

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([self.means.shape[1]])
