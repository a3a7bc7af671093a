"""What the SavedModel of a density answers."""

from typing import Any

import tensorflow as tf

from tfp_flows.models.bridge.adapter import DistributionAdapter
from tfp_flows.models.learned_inverse.log_determinants import LogDeterminants
from tfp_flows.models.paths import log_prob_with_calls

__all__ = ["density_endpoints"]


def density_endpoints(
    model: Any, adapter: DistributionAdapter, log_dets: LogDeterminants
) -> dict[str, Any]:
    """Returns name → (function, signature), see `DensityModel.export`."""
    distribution = model.distribution
    dtype = distribution.dtype
    x = tf.TensorSpec([None, *distribution.event_shape], dtype, name="x")
    count = tf.TensorSpec([], tf.int32, name="n")
    seed = tf.TensorSpec([2], tf.int32, name="seed")
    context = []
    if model.context_size is not None:
        context = [tf.TensorSpec([None, model.context_size], dtype, name="context")]

    def sample(n: tf.Tensor, seed: tf.Tensor, context: Any = None) -> tf.Tensor:
        return model.sample(n, context, seed)

    def quantiles(
        probabilities: tf.Tensor, n: tf.Tensor, seed: tf.Tensor, context: Any = None
    ) -> tf.Tensor:
        return model.quantiles(probabilities, context, n=n, seed=seed)

    def log_prob(x: tf.Tensor, context: Any = None) -> tf.Tensor:
        # With log|det W| as numbers: an exported model has these weights for ever.
        numbers = log_dets.numbers()
        return adapter.log_prob(x, context, None, numbers)

    def with_calls(x: tf.Tensor, context: Any = None) -> tuple:
        numbers = log_dets.numbers()
        return log_prob_with_calls(adapter, x, context, numbers)

    endpoints: dict[str, Any] = {}
    if model.has_density:
        endpoints["log_prob"] = (log_prob, [x, *context])
    endpoints["sample"] = (sample, [count, seed, *context])
    if context or not model.has_density:
        points = tf.TensorSpec([None], dtype, name="probabilities")
        endpoints["quantiles"] = (quantiles, [points, count, seed, *context])
    if adapter.shares_paths:
        endpoints["log_prob_with_calls"] = (with_calls, [x, *context])
    if model.base_event_shape is not None:
        z = tf.TensorSpec([None, *model.base_event_shape], dtype, name="z")
        endpoints["forward"] = (model.forward, [z, *context])
        endpoints["inverse"] = (model.inverse, [x, *context])
    return endpoints
