"""The served artifact: a SavedModel with the functions of a model."""

from typing import Any

import keras
import tensorflow as tf

__all__ = ["export_endpoints"]


def export_endpoints(
    model: keras.Model,
    filepath: str,
    endpoints: dict[str, Any],
    *,
    verbose: bool = True,
) -> None:
    """Writes functions of a model, name → (function, signature), to a directory."""
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, (function, signature) in endpoints.items():
        archive.add_endpoint(name, function, signature)
    options = None
    if model.continuous_layers:
        # Their gradient walks back along steps that a file cannot name.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    archive.write_out(filepath, options=options, verbose=verbose)
