"""Masked autoregressive bijector."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfp_flows.bijectors.trainable import TrainableBijector
from tfp_flows.networks import MaskedAutoregressiveNetwork
from tfp_flows.networks.conditioner import network_policy
from tfp_flows.ops import Affine, ElementwiseTransform

__all__ = ["MaskedAutoregressive"]


class MaskedAutoregressive(TrainableBijector):
    """yᵢ = g(xᵢ; θᵢ(x₁ … xᵢ₋₁, c)): every feature given those before it.

    log|det J| = Σᵢ log g′(xᵢ; θᵢ), the Jacobian being triangular. `forward`
    (data → base) is one evaluation of a masked network; `inverse` finds one feature
    after the other and costs a few. Starts as the identity.

    Shapes: x, y: [batch..., D].

    Args:
        event_size: D.
        transform: the elementwise map g. Default: `ops.Affine()`.
        hidden_sizes: width of each hidden layer of the masked network.
        context_size: features of the context c, None without one.
        activation: Keras activation of the network.
        seed: makes the initial weights reproducible.
        dtype: dtype of the event and the weights.
        network_dtype: policy of the network, see `network_policy`.
        validate_args: as in TFP.
        name: name of the bijector; it keys the context in a `tfb.Chain`.

    Example:
        >>> bijector = MaskedAutoregressive(3, hidden_sizes=[8])
        >>> tuple(bijector.inverse(tf.zeros([2, 3])).shape)
        (2, 3)

    Reference: Papamakarios et al. (2017), "Masked Autoregressive Flow for Density
    Estimation", arXiv:1705.07057, eq. 3 to 5.
    """

    def __init__(
        self,
        event_size: int,
        *,
        transform: ElementwiseTransform | None = None,
        hidden_sizes: Sequence[int] = (128, 128),
        context_size: int | None = None,
        activation: str = "relu",
        seed: int | None = None,
        dtype: Any = "float32",
        network_dtype: str | None = None,
        validate_args: bool = False,
        name: str = "masked_autoregressive",
    ) -> None:
        if event_size < 1:
            raise ValueError(f"event_size must be at least 1, received {event_size}.")
        if getattr(transform, "mixes_features", False):
            raise ValueError(
                "A zero-sum log-scale makes every feature depend on all others, which "
                "no autoregressive map is. Use it in a Coupling, or zero_sum=False."
            )
        self.event_size = event_size
        self.transform = Affine() if transform is None else transform
        policy = network_policy(dtype, network_dtype)
        network = MaskedAutoregressiveNetwork(
            event_size,
            hidden_sizes=hidden_sizes,
            num_parameters=self.transform.num_parameters,
            context_size=context_size,
            activation=activation,
            seed=seed,
            dtype=policy,
            name=f"{name}_network",
        )
        super().__init__(parameters={"network_dtype": policy}, network=network)

    def _forward_and_log_det(
        self, x: tf.Tensor, context: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        y, log_slope = self.transform.forward(x, self.network(x, context))
        return y, tf.reduce_sum(log_slope, axis=-1)

    def _inverse_and_log_det(
        self, y: tf.Tensor, context: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        x, log_slope = self.network.solve(self.transform.inverse, y, context)
        return x, tf.reduce_sum(log_slope, axis=-1)
