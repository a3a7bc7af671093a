"""The penalty that makes the learned inverses follow their layers."""

import dataclasses
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfp_flows.bijectors import LearnedInverse, layer_inputs, learned_inverses

__all__ = ["Reconstruction"]


@keras.saving.register_keras_serializable(package="tfp_flows")
@dataclasses.dataclass(frozen=True)
class Reconstruction:
    """Eₖ = mean ‖h − Rₖ Wₖ h‖² for each layer k with a learned inverse.

    The loss grows by λ Σₖ Eₖ, in the gradient: each Eₖ sees only its own layer,
    because h carries no gradient. Squares are summed over the event, averaged over
    points, bias excluded.

    The points h are Gaussian probes ε ~ N(0, I), for which E[Eₖ] = ‖Rₖ Wₖ − I‖_F²
    whatever the data, or the layer's inputs as in the paper, which leave Rₖ free in
    the directions in which the inputs vary little.

    Args:
        weight: λ > 0, at the start if there is a tolerance. The paper takes 1 for
            dense and convolutional layers, 100 for Glow.
        points: "probes" or "data".
        num_probes: number of probes a layer and a step.
        trains: "inverse": Eₖ trains Rₖ alone; "both": also Wₖ, as in the paper.
        symmetric: average Eₖ with mean ‖h − Wₖ Rₖ h‖².
        tolerance: if given, λ is adapted: λ ← λ exp(rate · (C − tolerance)) at each
            step, C the running mean of Σₖ Eₖ with decay 0.9, so that λ grows while
            the error is above the tolerance and falls below it.
        rate: of the adaptation.

    Raises:
        ValueError: λ ≤ 0 or an unknown option.

    Reference: Keller et al. (2021), "Self Normalizing Flows", arXiv:2011.07248,
    eq. 3; variants and adaptation from the released code, which subtracts no
    tolerance, so that λ can only grow.
    """

    weight: float = 1.0
    points: str = "probes"
    num_probes: int = 4
    trains: str = "inverse"
    symmetric: bool = False
    tolerance: float | None = None
    rate: float = 1e-3

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise ValueError(
                f"weight must be positive, received {self.weight}: without "
                "reconstruction the learned inverse does not follow its layer."
            )
        if self.num_probes < 1:
            raise ValueError(
                f"num_probes must be at least 1, received {self.num_probes}."
            )
        allowed = {"points": ("probes", "data"), "trains": ("inverse", "both")}
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise ValueError(
                    f"{name} must be {values[0]!r} or {values[1]!r}, received "
                    f"{getattr(self, name)!r}."
                )

    def __call__(
        self, bijector: tfb.Bijector, x: tf.Tensor, *, seed: Any, **arguments: Any
    ) -> dict[str, tf.Tensor]:
        """Returns Eₖ by name, unweighted scalars.

        Args:
            bijector: data → base.
            x: [N, event...], what the bijector is trained on.
            seed: stateless seed of shape [2] of the probes.
            **arguments: nested arguments of the bijector.
        """
        layers = [k for k in learned_inverses(bijector) if k.learns_inverse]
        inputs = {}
        if self.points == "data":
            walk = layer_inputs(bijector, x, **arguments)
            inputs = {id(layer): value for layer, value in walk}
        terms = {}
        for index, layer in enumerate(layers):
            if self.points == "data":
                points = tf.reshape(inputs[id(layer)], [-1, *layer.probe_shape])
            else:
                points = tf.random.stateless_normal(
                    [self.num_probes, *layer.probe_shape],
                    tf.random.fold_in(seed, index),
                    dtype=layer.kernel.dtype,
                )
            terms[f"reconstruction_{layer.name}"] = self._error(layer, points)
        return terms

    def _error(self, layer: LearnedInverse, points: tf.Tensor) -> tf.Tensor:
        points = tf.stop_gradient(points)
        kernel = tf.convert_to_tensor(layer.kernel)
        if self.trains == "inverse":
            kernel = tf.stop_gradient(kernel)
        there_and_back = layer.multiply_inverse(layer.multiply(points, kernel))
        error = _mean_square(points - there_and_back)
        if not self.symmetric:
            return error
        back_and_there = layer.multiply(layer.multiply_inverse(points), kernel)
        return 0.5 * (error + _mean_square(points - back_and_there))

    def get_config(self) -> dict[str, Any]:
        """The arguments by name."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Reconstruction":
        """Rebuilds the penalty."""
        return cls(**config)


def _mean_square(error: tf.Tensor) -> tf.Tensor:
    """Sum over the event, mean over points."""
    count = tf.cast(tf.shape(error)[0], error.dtype)
    return tf.reduce_sum(tf.square(error)) / count
