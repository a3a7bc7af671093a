"""The served artifact: a SavedModel with the functions of a model."""

from typing import Any

import keras

__all__ = ["export_endpoints"]


def export_endpoints(
    model: keras.Model,
    filepath: str,
    endpoints: dict[str, Any],
    *,
    verbose: bool = True,
    format: str = "tf_saved_model",
) -> None:
    """Writes functions of a model, name → (function, signature), to a directory.

    Raises:
        ValueError: another format than a SavedModel.
    """
    if format != "tf_saved_model":
        raise ValueError(
            'A density is exported as format="tf_saved_model", with a function for '
            f"each of {', '.join(endpoints)}; received {format!r}."
        )
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, (function, signature) in endpoints.items():
        archive.add_endpoint(name, function, signature)
    archive.write_out(filepath, verbose=verbose)
