"""The seam on the TFP side: bijectors whose Keras weights TFP can see.

TFP looks for `tf.Variable`s in the attributes of a `tf.Module`; a Keras layer is no
`tf.Module`, so the weights of a network inside a bijector would be invisible to it.
`TrainableBijector` lists their `tf.Variable`s beside the network. Keras shares the
same storage, so both worlds train the same weights.
"""

from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfp_flows.bijectors.recorded_parameters import RecordedParameters

__all__ = ["TrainableBijector"]


class TrainableBijector(RecordedParameters, tfb.Bijector):
    """Base of the bijectors that own weights or that share work with their log-det.

    A subclass builds everything in its constructor and writes two methods:

        _forward_and_log_det(x, **context) -> y, log|det ∂y/∂x|
        _inverse_and_log_det(y, **context) -> x, log|det ∂x/∂y|

    where the log-determinant has the batch shape, or is a scalar if it does not
    depend on x. The base class gives TFP the four methods it expects and keeps the
    log-determinant in TFP's own cache, beside the value it was computed with. One
    evaluation of a network therefore serves both: TFP's own couplings evaluate it
    twice.

    Our bijectors normalize: `forward` is data → base. A flow is
    ``tfd.TransformedDistribution(base, tfb.Invert(tfb.Chain([...])))``.

    Two instances are equal only if they are the same object. TFP compares
    constructor arguments instead, and serves one bijector's cached values to another
    with equal arguments and different weights.

    Args:
        event_ndims: rank of the smallest event the map acts on.
        network: Keras layer whose weights belong to the bijector, if any.
        **kwargs: passed to `tfb.Bijector`. `dtype`, that of the event, `validate_args`
            and `name`, which keys the context inside a `tfb.Chain`, are those of the
            subclass's own constructor, see `RecordedParameters`.
    """

    def __init__(
        self,
        *,
        event_ndims: int = 1,
        network: keras.layers.Layer | None = None,
        **kwargs: Any,
    ) -> None:
        self.network: Any = network
        self._network_variables = (
            [] if network is None else [weight.value for weight in network.variables]
        )
        super().__init__(forward_min_event_ndims=event_ndims, **kwargs)

    @property
    def context_size(self) -> int | None:
        """Features of the context the bijector conditions on; None without one."""
        return getattr(self.network, "context_size", None)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict:
        # No argument carries batch axes.
        return {}

    def _forward(self, x: tf.Tensor, **context: tf.Tensor) -> tf.Tensor:
        y, log_det = self._forward_and_log_det(x, **context)
        self._cache.forward_attributes(x, **context)["ildj"] = -log_det
        return y

    def _inverse(self, y: tf.Tensor, **context: tf.Tensor) -> tf.Tensor:
        x, log_det = self._inverse_and_log_det(y, **context)
        self._cache.inverse_attributes(y, **context)["ildj"] = log_det
        return x

    def _forward_log_det_jacobian(
        self, x: tf.Tensor, **context: tf.Tensor
    ) -> tf.Tensor:
        return self._forward_and_log_det(x, **context)[1]

    def _inverse_log_det_jacobian(
        self, y: tf.Tensor, **context: tf.Tensor
    ) -> tf.Tensor:
        return self._inverse_and_log_det(y, **context)[1]
