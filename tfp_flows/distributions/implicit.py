"""A distribution that is known by its draws alone."""

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfp_flows.bijectors.recorded_parameters import RecordedParameters
from tfp_flows.networks import MLP

__all__ = ["ImplicitDistribution"]


class ImplicitDistribution(RecordedParameters, tfd.Distribution):
    """x = μ + σ (z₁ … z_D + f(z, c)), z ~ N(0, I), f a network: draws, no density.

    Trains by what needs draws alone:

        model = FlowModel(ImplicitDistribution(2), objective=EnergyScore())

    f starts at zero; mean μ and standard deviation σ of the columns, and the
    statistics of the context, are set from data by `FlowModel.adapt`, which the first
    `fit` calls, and are not trained.

    Args:
        event_size: D.
        noise_size: numbers in z, at least D; default D + 4: with more noise than
            columns f needs not be invertible to spread them.
        hidden_sizes: width of each hidden layer.
        context_size: features of a context c, None without one.
        activation: Keras activation of the network.
        seed: makes the initial weights reproducible.
        dtype: dtype of event and weights.
        validate_args: as in TFP.
        name: name of the distribution.

    Raises:
        ValueError: less noise than columns.

    Example:
        >>> tuple(ImplicitDistribution(3, hidden_sizes=[8]).sample(5, seed=1).shape)
        (5, 3)
    """

    def __init__(
        self,
        event_size: int,
        *,
        noise_size: int | None = None,
        hidden_sizes: Sequence[int] = (128, 128),
        context_size: int | None = None,
        activation: str = "relu",
        seed: int | None = None,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "implicit_distribution",
    ) -> None:
        self.noise_size = event_size + 4 if noise_size is None else noise_size
        if event_size < 1 or self.noise_size < event_size:
            raise ValueError(
                "event_size must be at least 1 and noise_size at least that, received "
                f"{event_size} and {noise_size}."
            )
        dtype = tf.as_dtype(dtype)
        self.network = MLP(
            self.noise_size,
            event_size,
            hidden_sizes=hidden_sizes,
            context_size=context_size,
            activation=activation,
            seed=seed,
            dtype=dtype.name,
            name=f"{name}_network",
        )
        self._network_variables = [weight.value for weight in self.network.variables]

        def variable(value: Any, part: str) -> tf.Variable:
            return tf.Variable(value, trainable=False, name=f"{name}_{part}")

        self.mean_of_data = variable(tf.zeros([event_size], dtype), "mean")
        self.standard_deviation = variable(tf.ones([event_size], dtype), "deviation")
        self.initialized = variable(False, "initialized")
        super().__init__(
            dtype=dtype,
            reparameterization_type=tfd.FULLY_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=True,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict:
        return {}

    @property
    def context_size(self) -> int | None:
        """Features of the context; None without one."""
        return self.network.context_size

    def initialize(self, x: Any, context: Any = None) -> None:
        """Sets μ, σ and the statistics of the context from rows.

        Args:
            x: [N, D].
            context: [N, C], where there is one.

        Raises:
            ValueError: a column is constant or not finite.
        """
        rows = np.asarray(x, "float64")
        deviation = rows.std(axis=0)
        useless = ~(np.isfinite(deviation) & (deviation > 0))
        if useless.any():
            raise ValueError(
                f"{self.name}: column {int(np.argmax(useless))} is constant or not "
                "finite: leave it out."
            )
        if context is not None:
            self.network.adapt_context(context)
        self.mean_of_data.assign(tf.cast(rows.mean(axis=0), self.dtype))
        self.standard_deviation.assign(tf.cast(deviation, self.dtype))
        self.initialized.assign(True)

    def _sample_n(self, n: Any, seed: Any = None, context: Any = None) -> tf.Tensor:
        noise_shape = tf.stack([n, self.noise_size])
        z = tf.random.stateless_normal(
            noise_shape, tfp.random.sanitize_seed(seed), dtype=self.dtype
        )
        if context is not None:
            context = tf.convert_to_tensor(context, self.dtype)
            context = tf.reshape(context, [-1, context.shape[-1]])
            rows = tf.maximum(tf.shape(context)[0], 1)
            context = tf.tile(context, [n // rows, 1])
        size = self.standard_deviation.shape[0]
        standard = z[:, :size] + self.network(z, context)[..., 0, :]
        return self.mean_of_data + self.standard_deviation * standard

    def _log_prob(self, x: tf.Tensor, context: Any = None) -> NoReturn:
        raise NotImplementedError(
            f"{self.name} is known by its draws alone and has no density: train it by "
            "objectives.EnergyScore, judge it by scores of its draws, or take a flow "
            "such as architectures.semi_autoregressive_flow."
        )

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape(self.standard_deviation.shape)

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant(self.standard_deviation.shape)

    def _batch_shape(self) -> tf.TensorShape:
        return tf.TensorShape([])

    def _default_event_space_bijector(self) -> Any:
        return tfp.bijectors.Identity()
