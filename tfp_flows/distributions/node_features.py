"""Kinds and whole numbers of the nodes of a graph, and how many nodes there are."""

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows import bijectors
from tfp_flows.distributions.recorded_distribution import RecordedDistribution
from tfp_flows.ops import (
    argmax_lift,
    interval_lift,
    place_features,
    uniform_from_hash,
)

__all__ = ["NodeFeatures"]


class NodeFeatures(RecordedDistribution):
    """log p(M) + a lower bound of log p(h | M), of M nodes in the first of P places.

        log p(h | M) ≥ E_q[log p(v | M) − log q(v | h)],    v ∈ ℝ^{P (K + I)}

    A node is one of K classes and has I whole numbers. It is the argmax and the floor
    of v, which has a density p; q draws v for given h: uₗ = μₗ(h) + σₗ(h) εₗ, linear in
    the node's features and learned, lifted so that the rounding is h. Where no node is
    v may be anything, and q is learned too. M is a categorical: one more than the data
    have of each size, over all.

    With a seed, as in training, the bound is from one draw; without one the mean over S
    draws that a row hashes to. E_q of its exponential is p(h, M) itself.

    Shapes: event [P (K + I)]: K numbers that are 0 but a 1 of the class, and I whole
    ones, for each place; zeros where no node is. Flat as the context of
    `architectures.equivariant_flow(..., node_features=K + I)`. Anything else, or less
    than two nodes, has the log-probability −∞.

    Args:
        distribution: density p over [P (K + I)]; conditions on M, [..., 1], if it is a
            flow with a context, else v is independent of M.
        num_places: P ≥ 2.
        num_classes: K ≥ 2.
        num_integers: I.
        num_samples: S ≥ 1.
        validate_args: as in TFP.
        name: name of the distribution.

    Raises:
        ValueError: the density is over events of another size.

    Reference: Hoogeboom et al. (2021), "Argmax Flows", arXiv:2102.05379; Garcia
    Satorras et al. (2021), arXiv:2105.09016, section 4.
    """

    def __init__(
        self,
        distribution: tfd.Distribution,
        num_places: int,
        num_classes: int,
        *,
        num_integers: int = 0,
        num_samples: int = 1,
        validate_args: bool = False,
        name: str = "node_features",
    ) -> None:
        if min(num_places, num_classes) < 2 or num_integers < 0 or num_samples < 1:
            raise ValueError(
                "num_places and num_classes must be at least 2, num_integers at least "
                f"0 and num_samples 1, received {num_places}, {num_classes}, "
                f"{num_integers} and {num_samples}."
            )
        width, dtype = num_classes + num_integers, distribution.dtype
        if distribution.event_shape != [num_places * width]:
            raise ValueError(
                f"distribution: expected a density over [{num_places * width}], "
                f"{width} numbers for each place, received "
                f"{list(distribution.event_shape)}."
            )
        self._distribution, self._num_samples = distribution, num_samples
        self._num_places, self._num_classes = num_places, num_classes
        self._kernel = tf.Variable(tf.zeros([width, 2 * width], dtype), name="kernel")
        self._bias = tf.Variable(tf.zeros([2 * width], dtype), name="bias")
        sizes = tf.fill([num_places - 1], -tf.math.log(num_places - tf.ones([], dtype)))
        self.log_sizes = tf.Variable(sizes, trainable=False, name="log_sizes")
        self.initialized = tf.Variable(False, trainable=False, name="initialized")
        super().__init__(dtype=dtype, reparameterization_type=tfd.NOT_REPARAMETERIZED)

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict:
        return {"distribution": tfp.util.BatchedComponentProperties()}

    @property
    def step(self) -> np.ndarray:
        """Grid of each feature, [P (K + I)]: all are whole numbers."""
        return np.ones(self.event_shape.as_list())

    def initialize(self, h: Any, context: Any = None) -> None:
        """Sets p(M) from data, and what of the density is set from data.

        Args:
            h: [N, P (K + I)].
            context: None, for there is none.

        Raises:
            ValueError: a row that is no features of at least two nodes.
        """
        del context
        h = tf.cast(h, self.dtype)
        sizes, is_valid = self._sizes(h)
        if not np.all(is_valid):
            raise ValueError(
                f"{self.name}.initialize: expected of two or more nodes, in the first "
                f"places, one of {self._num_classes} classes and whole numbers each, "
                f"and zeros behind; received row {int(np.argmin(is_valid))} otherwise."
            )
        counts = np.bincount(np.int64(sizes), minlength=self._num_places + 1)[2:] + 1
        self.log_sizes.assign(np.log(counts / counts.sum()))
        self.initialized.assign(True)
        flow = self._distribution
        if getattr(flow, "bijector", None) is None:
            return
        nested = self._arguments(sizes).get("bijector_kwargs", {})
        # Not hashed: rows of one molecule would have one noise, and no spread.
        noise = tf.random.stateless_normal(tf.shape(h), (0, 0), dtype=self.dtype)
        v, _ = self._lifted(h, noise)
        z = bijectors.initialize(tfb.Invert(flow.bijector), v, **nested)
        if hasattr(flow.distribution, "initialize"):
            flow.distribution.initialize(z)

    def _log_prob(self, value: tf.Tensor, seed: Any = None) -> tf.Tensor:
        sizes, is_valid = self._sizes(value)
        h = tf.where(is_valid[..., tf.newaxis], value, tf.zeros_like(value))
        if seed is not None:
            noise = tf.random.stateless_normal(tf.shape(h), seed, dtype=self.dtype)
            bound = self._bound(h, sizes, noise)
        else:
            draws = [self._hashed_noise(h, salt) for salt in range(self._num_samples)]
            bound = tf.reduce_mean(self._bound(h, sizes, tf.stack(draws)), axis=0)
        index = tf.where(is_valid, tf.cast(sizes, tf.int32) - 2, 0)
        bound += tf.gather(tf.convert_to_tensor(self.log_sizes), index)
        return tf.where(is_valid, bound, tf.constant(-np.inf, self.dtype))

    def _bound(self, h: tf.Tensor, sizes: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        v, log_q = self._lifted(h, noise)
        return self._distribution.log_prob(v, **self._arguments(sizes)) - log_q

    def _lifted(self, h: tf.Tensor, noise: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """A draw of q(v | h), [..., P (K + I)], and its log-density."""
        features, noise = (place_features(a, self._num_places) for a in (h, noise))
        moments = tf.tensordot(features, self._kernel, 1) + self._bias
        loc, log_scale = tf.split(moments, 2, axis=-1)
        u = loc + tf.exp(log_scale) * noise
        classes = features[..., : self._num_classes]
        by_class, slope = argmax_lift(u[..., : self._num_classes], classes)
        by_number, slope_of_numbers = interval_lift(
            u[..., self._num_classes :], features[..., self._num_classes :]
        )
        present = tf.reduce_sum(classes, axis=-1)
        lifted = tf.concat([by_class, by_number], axis=-1)
        v = tf.where(present[..., tf.newaxis] > 0, lifted, u)
        normal = -0.5 * (noise**2 + np.log(2 * np.pi)) - log_scale
        log_q = tf.reduce_sum(normal, axis=-1) - present * (slope + slope_of_numbers)
        shape = tf.concat([tf.shape(v)[:-2], self.event_shape], axis=0)
        return tf.reshape(v, shape), tf.reduce_sum(log_q, axis=-1)

    def _hashed_noise(self, h: tf.Tensor, salt: int) -> tf.Tensor:
        return tf.math.ndtri(uniform_from_hash(h, salt=salt))

    def _arguments(self, sizes: tf.Tensor) -> dict[str, Any]:
        """M for a density that conditions on it."""
        flow = getattr(self._distribution, "bijector", None)
        if flow is None or not bijectors.conditional_bijectors(flow):
            return {}
        nested = bijectors.context_arguments(flow, sizes[..., tf.newaxis])
        return {"bijector_kwargs": nested}

    def _sizes(self, h: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """M of each row, and whether it is one: nodes first, whole numbers."""
        features = place_features(h, self._num_places)
        classes = features[..., : self._num_classes]
        present = tf.reduce_sum(classes, axis=-1)
        sizes = tf.reduce_sum(present, axis=-1)
        expected = self._present(sizes)
        is_class = tf.reduce_all((classes == 0) | (classes == 1), axis=[-2, -1])
        in_front = tf.reduce_all(present == expected, axis=-1)
        whole = tf.floor(features) * expected[..., tf.newaxis]
        is_whole = tf.reduce_all(features == whole, axis=[-2, -1])
        return sizes, is_class & in_front & is_whole & (sizes >= 2)

    def _present(self, sizes: tf.Tensor) -> tf.Tensor:
        """1 in the first M places, [..., P]."""
        return tf.sequence_mask(sizes, self._num_places, dtype=self.dtype)

    def _call_sample_n(self, sample_shape: Any, seed: Any) -> tf.Tensor:
        seeds = tfp.random.split_seed(seed, 2)
        sample_shape = tf.cast(tf.reshape(sample_shape, [-1]), tf.int32)
        categorical = tfd.Categorical(tf.convert_to_tensor(self.log_sizes))
        sizes = 2 + categorical.sample(sample_shape, seed=seeds[0])
        arguments = self._arguments(tf.cast(sizes, self.dtype))
        v = self._distribution.sample(sample_shape, seed=seeds[1], **arguments)
        v = place_features(v, self._num_places)
        largest = tf.argmax(v[..., : self._num_classes], axis=-1)
        classes = tf.one_hot(largest, self._num_classes, dtype=self.dtype)
        features = tf.concat([classes, tf.floor(v[..., self._num_classes :])], axis=-1)
        features *= self._present(sizes)[..., tf.newaxis]
        drawn = tf.reshape(features, tf.concat([tf.shape(sizes), self.event_shape], 0))
        return self._set_sample_static_shape(drawn, sample_shape)

    def _event_shape(self) -> tf.TensorShape:
        return self._distribution.event_shape
