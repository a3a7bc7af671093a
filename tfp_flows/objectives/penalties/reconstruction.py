"""The penalty that makes the learned inverses follow their layers."""

import dataclasses
from typing import Any, ClassVar

import keras
import tensorflow as tf

from tfp_flows.bijectors import LearnedInverse
from tfp_flows.objectives.objective import FromFields, Terms

__all__ = ["Reconstruction"]


@keras.saving.register_keras_serializable(package="tfp_flows")
@dataclasses.dataclass(frozen=True)
class Reconstruction(FromFields):
    """Eₖ = mean ‖h − Rₖ Wₖ h‖² for each layer k with a learned inverse.

    The loss grows by λ Σₖ Eₖ, in the gradient: each Eₖ sees only its own layer,
    because h carries no gradient. Squares are summed over the event, averaged over
    points, bias excluded.

    The points h are the layer's inputs, as in the paper, Gaussian probes N(0, I), or
    both, their two means added. What each leaves free follows from
    ∂E/∂R = 2 (R − W⁻¹) W P Wᵀ, P the second moment of the points:

    - Probes, P = I, see R badly where W is small, which is where the data varies most
      and R has to be large. Without it nothing keeps W from shrinking there.
    - Data sees R badly where W x varies little. Without it W grows there until it
      does, so training recovers; until then R W is far from I, and so is the tracked
      log-determinant.

    Rows alone are best on images (0.1 % behind the exact gradient, the default 0.4 %,
    64 rows and 4 probes 1.1 %) and leave ‖R W − I‖₂ at 6.7 on strongly correlated
    columns, where rows and probes leave 0.2: `examples/README.md` has the table,
    `python -m tests.benchmarks.self_normalizing_quality penalties` the comparison.

    Args:
        weight: λ > 0, at the start if there is a tolerance. The paper takes 1 for
            dense and convolutional layers, 100 for Glow. Under Adam a penalty that
            trains R alone does not depend on it.
        points: "data", "probes" or "both".
        num_rows: how many rows of the batch are reconstructed; None: all.
        num_probes: how many probes a layer and a step.
        trains: "inverse": Eₖ trains Rₖ alone; "both": also Wₖ, as in the paper, which
            holds W back from changing faster than R can follow.
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

    needs: ClassVar[frozenset[str]] = frozenset({"layer_passages", "seed"})

    weight: float = 1.0
    points: str = "both"
    num_rows: int | None = 64
    num_probes: int = 16
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
        for name in ("num_rows", "num_probes"):
            count = getattr(self, name)
            if count is not None and count < 1:
                raise ValueError(f"{name} must be at least 1, received {count}.")
        points = ("data", "probes", "both")
        self._check_choices(points=points, trains=("inverse", "both"))

    def __call__(self, evaluation: Any, *, seed: tf.Tensor, training: bool) -> Terms:
        """Returns Σₖ Eₖ, unweighted, and each Eₖ by name.

        Args:
            evaluation: an `objectives.Evaluation`.
            seed: stateless seed of shape [2] of the probes.
            training: not used.
        """
        passages = {}
        if self.points != "probes":
            walk = evaluation.layer_passages(self.num_rows)
            passages = {id(layer): (rows, image) for layer, rows, image in walk}
        errors = {}
        layers = [k for k in evaluation.learned_inverses if k.learns_inverse]
        for index, layer in enumerate(layers):
            seed_of_layer = tf.random.fold_in(seed, index)
            passage = passages.get(id(layer))
            points, images = self._points(layer, passage, seed_of_layer)
            error = self._error(layer, points, images)
            errors[f"reconstruction_{layer.name}"] = error
        return Terms(tf.reduce_sum(list(errors.values())) if errors else 0.0, errors)

    def _points(
        self, layer: LearnedInverse, passage: tuple | None, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Points h, scaled so that a sum of squares is a mean of its kind, and W h.

        The product with the rows is the density's own, unless it has to train W.
        """
        kernel, sets = self._kernel(layer), []
        if passage is not None:
            rows, image = passage
            rows = tf.stop_gradient(tf.reshape(rows, [-1, *layer.probe_shape]))
            if image is None or self.trains == "both":
                image = layer.multiply(rows, kernel)
            else:
                image = tf.stop_gradient(image - layer.bias)
            sets.append((rows, tf.reshape(image, tf.shape(rows))))
        if self.points != "data":
            shape = [self.num_probes, *layer.probe_shape]
            probes = tf.random.stateless_normal(shape, seed, dtype=kernel.dtype)
            sets.append((probes, layer.multiply(probes, kernel)))
        scales = [tf.math.rsqrt(tf.cast(tf.shape(h)[0], h.dtype)) for h, _ in sets]
        points, images = (
            tf.concat([s * h for s, h in zip(scales, part, strict=True)], axis=0)
            for part in zip(*sets, strict=True)
        )
        return points, images

    def _kernel(self, layer: LearnedInverse) -> tf.Tensor:
        kernel = tf.convert_to_tensor(layer.kernel)
        return tf.stop_gradient(kernel) if self.trains == "inverse" else kernel

    def _error(
        self, layer: LearnedInverse, points: tf.Tensor, images: tf.Tensor
    ) -> tf.Tensor:
        error = tf.reduce_sum(tf.square(points - layer.multiply_inverse(images)))
        if not self.symmetric:
            return error
        there = layer.multiply(layer.multiply_inverse(points), self._kernel(layer))
        return 0.5 * (error + tf.reduce_sum(tf.square(points - there)))
