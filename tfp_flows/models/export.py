"""The served artifact: a SavedModel with the distribution's functions."""

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

if TYPE_CHECKING:
    from tfp_flows.models.flow_model import FlowModel

__all__ = ["export_endpoints", "export_saved_model"]


def export_saved_model(model: "FlowModel", filepath: str, verbose: bool = True) -> None:
    """Writes the endpoints described in `FlowModel.export` to a directory."""
    export_endpoints(model, filepath, _endpoints(model), verbose=verbose)


def export_endpoints(
    model: keras.Model, filepath: str, endpoints: dict[str, Any], *, verbose: bool
) -> None:
    """Writes functions of a model, name → (function, signature), to a directory."""
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, (function, signature) in endpoints.items():
        archive.add_endpoint(name, function, signature)
    archive.write_out(filepath, verbose=verbose)


def _endpoints(model: "FlowModel") -> dict[str, Any]:
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

    def log_prob(x: tf.Tensor, context: Any = None) -> tf.Tensor:
        return model.frozen_log_prob(x, context)

    endpoints: dict[str, Any] = {
        "log_prob": (log_prob, [x, *context]),
        "sample": (sample, [count, seed, *context]),
    }
    if model.base_event_shape is not None:
        z = tf.TensorSpec([None, *model.base_event_shape], dtype, name="z")
        endpoints["forward"] = (model.forward, [z, *context])
        endpoints["inverse"] = (model.inverse, [x, *context])
    return endpoints
