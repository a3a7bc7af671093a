"""A distribution that is known by its draws alone."""

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows.distributions.recorded_distribution import RecordedDistribution
from tfp_flows.networks import MLP, MaskedAutoregressiveNetwork

__all__ = ["ImplicitDistribution"]


class ImplicitDistribution(RecordedDistribution):
    """x = μ + σ (z₁ … z_D + f(z, c)), z ~ N(0, I), f a network: draws, no density.

    Trains by what needs draws alone:

        model = FlowModel(ImplicitDistribution(2), objective=EnergyScore())

    f starts at zero; mean μ and standard deviation σ of the columns, and the
    statistics of the context, are set from data by `FlowModel.adapt`, which the first
    `fit` calls, and are not trained.

    With `block_sizes` it draws one block of columns after another, each by noise of its
    own and given those before it, h_b = h(x₁ … x_{b−1}, c) of a masked network:

        x_b = μ_b + σ_b (z_b + f(z_b, h_b))

    which are small events for ``EnergyScore(teacher_forcing=True)``.

    Args:
        event_size: D.
        block_sizes: sizes of blocks of columns, D their sum; None: all at once.
        num_features: size of h_b, in which a block knows those before it.
        noise_size: numbers in z, or in each z_b, at least D, or the largest block;
            default that and 4: with more noise than columns f needs not be invertible
            to spread them.
        hidden_sizes: width of each hidden layer.
        context_size: features of a context c, None without one.
        activation: Keras activation of the network.
        seed: makes the initial weights reproducible.
        dtype: dtype of event and weights.
        validate_args: as in TFP.
        name: name of the distribution.

    Raises:
        ValueError: less noise than columns, blocks that are not the columns.

    Example:
        >>> tuple(ImplicitDistribution(3, hidden_sizes=[8]).sample(5, seed=1).shape)
        (5, 3)
    """

    def __init__(
        self,
        event_size: int,
        *,
        block_sizes: Sequence[int] | None = None,
        num_features: int = 32,
        noise_size: int | None = None,
        hidden_sizes: Sequence[int] = (128, 128),
        context_size: int | None = None,
        activation: str = "relu",
        seed: int | None = None,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "implicit_distribution",
    ) -> None:
        self.block_sizes = tuple(block_sizes or (event_size,))
        largest = max(self.block_sizes)
        self.noise_size = largest + 4 if noise_size is None else noise_size
        self._check_sizes(event_size, noise_size)
        dtype = tf.as_dtype(dtype)
        options: dict[str, Any] = {
            "hidden_sizes": hidden_sizes,
            "activation": activation,
            "seed": seed,
            "dtype": dtype.name,
        }
        self._context_size = context_size
        self.conditioner: Any = None
        if len(self.block_sizes) > 1:
            self.conditioner = self._masked(
                event_size, num_features, name=f"{name}_conditioner", **options
            )
        self.network = MLP(
            self.noise_size,
            largest,
            context_size=context_size if self.conditioner is None else num_features,
            name=f"{name}_network",
            **options,
        )
        if self.conditioner is not None:
            # What f is given is no data, of which it would wait for statistics.
            self.network.initialized.assign(True)
        networks = filter(None, (self.conditioner, self.network))
        self._network_variables = [w.value for part in networks for w in part.variables]
        self._add_statistics(tf.zeros([event_size], dtype), name)
        super().__init__()

    def _add_statistics(self, zeros: tf.Tensor, name: str) -> None:
        def variable(value: Any, part: str) -> tf.Variable:
            return tf.Variable(value, trainable=False, name=f"{name}_{part}")

        self.mean_of_data = variable(zeros, "mean")
        self.standard_deviation = variable(tf.ones_like(zeros), "deviation")
        self.initialized = variable(False, "initialized")

    def _masked(
        self, event_size: int, num_features: int, **options: Any
    ) -> MaskedAutoregressiveNetwork:
        network = MaskedAutoregressiveNetwork(
            event_size,
            block_sizes=self.block_sizes,
            num_parameters=num_features,
            context_size=self._context_size,
            **options,
        )
        # From zeros f would not learn to use it.
        kernel = network.output_layer.kernel
        last = len(options["hidden_sizes"])
        kernel.assign(network.initializer(last)(kernel.shape))
        return network

    def _check_sizes(self, event_size: int, noise_size: int | None) -> None:
        if event_size < 1 or self.noise_size < max(self.block_sizes):
            raise ValueError(
                "event_size must be at least 1 and noise_size at least that, received "
                f"{event_size} and {noise_size}."
            )
        if sum(self.block_sizes) != event_size:
            raise ValueError(
                f"block_sizes must be positive with sum {event_size}, received "
                f"{self.block_sizes}."
            )

    @property
    def context_size(self) -> int | None:
        """Features of the context; None without one."""
        return self._context_size

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
            (self.conditioner or self.network).adapt_context(context)
        self.mean_of_data.assign(tf.cast(rows.mean(axis=0), self.dtype))
        self.standard_deviation.assign(tf.cast(deviation, self.dtype))
        self.initialized.assign(True)

    def _sample_n(self, n: Any, seed: Any = None, context: Any = None) -> tf.Tensor:
        noise_shape = tf.stack([n, self.noise_size])
        if self.conditioner is not None:
            noise_shape = tf.stack([n, len(self.block_sizes), self.noise_size])
        z = tf.random.stateless_normal(
            noise_shape, tfp.random.sanitize_seed(seed), dtype=self.dtype
        )
        if context is not None:
            context = tf.convert_to_tensor(context, self.dtype)
            context = tf.reshape(context, [-1, context.shape[-1]])
            rows = tf.maximum(tf.shape(context)[0], 1)
            context = tf.tile(context, [n // rows, 1])
        make = self._made if self.conditioner is None else self._one_after_another
        standard = make(z, context)
        return self.mean_of_data + self.standard_deviation * standard

    def conditionals(
        self, x: tf.Tensor, n: int, seed: Any, context: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns standardized rows and draws of each block given those before it.

        [N, D], and [n, N, D], whose block b is drawn given blocks 1 … b − 1 of the row.

        Args:
            x: [N, D], rows.
            n: draws.
            seed: of the noise.
            context: [N, C], where there is one.
        """
        x = (x - self.mean_of_data) / self.standard_deviation
        blocks = len(self.block_sizes)
        shape = tf.stack([n, tf.shape(x)[0], blocks, self.noise_size])
        z = tf.random.stateless_normal(shape, seed, dtype=self.dtype)
        if self.conditioner is None:
            given = None if context is None else context[:, tf.newaxis]
        else:
            given = tf.linalg.matrix_transpose(self.conditioner(x, context))
        made = self._made(z, given)
        own = zip(tf.unstack(made, axis=-2), self.block_sizes, strict=True)
        return x, tf.concat([block[..., :size] for block, size in own], axis=-1)

    def _one_after_another(self, z: tf.Tensor, context: Any) -> tf.Tensor:
        blocks = len(self.block_sizes)
        block_of = np.repeat(np.arange(blocks, dtype="int32"), self.block_sizes)
        places = np.concatenate([np.arange(size) for size in self.block_sizes])
        x = tf.zeros([tf.shape(z)[0], len(places)], self.dtype)

        def draw_block(step: tf.Tensor, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            given = self.conditioner(x, context)[..., step]
            made = tf.gather(self._made(z[:, step], given), places, axis=-1)
            return step + 1, tf.where(tf.equal(block_of, step), made, x)

        # The bound on iterations ends the loop, and lets XLA compile it.
        start = tf.constant(0), x
        return tf.while_loop(
            lambda *_: True, draw_block, start, maximum_iterations=blocks
        )[1]

    def _made(self, z: tf.Tensor, given: tf.Tensor | None) -> tf.Tensor:
        """Standardized columns z + f, as many as the largest block has."""
        size = max(self.block_sizes)
        return z[..., :size] + self.network(z, given)[..., 0, :]

    def _log_prob(self, x: tf.Tensor, context: Any = None) -> NoReturn:
        raise NotImplementedError(
            f"{self.name} is known by its draws alone and has no density: train it by "
            "objectives.EnergyScore, judge it by scores of its draws, or take a flow "
            "such as architectures.semi_autoregressive_flow."
        )

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape(self.standard_deviation.shape)
