"""What Keras offers for any model, and a density has not."""

import pathlib
import warnings
from collections.abc import Iterable
from typing import Any

import keras

from tfp_flows.ops.graphs import release_graphs

__all__ = ["KerasContract", "warn_of_policy"]


class KerasContract(keras.Model):
    """Says in one sentence where a door of Keras leads nowhere.

    Raises:
        NotImplementedError: `quantize`.
        ValueError: a file that is not ``.keras``; metrics of predictions.
    """

    def save(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """As in Keras, to a ``.keras`` file."""
        if pathlib.Path(filepath).suffix in (".h5", ".hdf5"):
            raise ValueError(
                f"HDF5 does not hold a distribution: save to {str(filepath)!r} with "
                'the ending ".keras", or save_weights to ".weights.h5".'
            )
        super().save(filepath, *args, **kwargs)

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """As in Keras; graphs that were traced for it go when the model goes."""
        try:
            return super().fit(*args, **kwargs)
        finally:
            release_graphs()

    def quantize(self, *args: Any, **kwargs: Any) -> None:
        """Refuses: rounded weights give another density, which no file would hold."""
        raise NotImplementedError(
            f"{type(self).__name__} is not quantized: a density of rounded weights is "
            "another density, and its file would not load."
        )

    def _check_compiled(self) -> None:
        """Refuses what `compile` was given and a density has not."""
        if self._compile_loss is not None:
            raise ValueError(
                f"{type(self).__name__} minimizes its own objective: call "
                "compile(optimizer) without a loss."
            )
        if self._compile_metrics is not None:
            raise ValueError(
                f"{type(self).__name__} has no predictions to compare with targets: "
                "call compile(optimizer) without metrics. Terms of an objective are "
                "shown as metrics."
            )


def warn_of_policy(layers: Iterable[keras.layers.Layer]) -> None:
    """Says where a policy of less precision does not reach a density.

    Args:
        layers: of Keras, inside its distribution.
    """
    policy = keras.config.dtype_policy()
    mixed = policy.compute_dtype != policy.variable_dtype
    if mixed and all(layer.dtype_policy != policy for layer in layers):
        warnings.warn(
            f"The policy {policy.name} does not reach a density: it is computed in the "
            "dtype of its distribution, and so are the networks of tfp_flows, but for "
            "those of couplings and autoregressive maps with mixed_bfloat16. Cast the "
            "output of a network of your own to that dtype.",
            stacklevel=4,
        )
