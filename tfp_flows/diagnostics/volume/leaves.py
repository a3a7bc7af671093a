"""The maps that a flow is made of, data → base."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfp_flows.bijectors.structure.walk import inverted, parts, walk
from tfp_flows.ops.jacobian import Function

__all__ = ["Leaf", "Visit", "first_trained", "stages", "visits"]


@dataclasses.dataclass(frozen=True, eq=False)
class Leaf:
    """A bijector, which map of it is meant, and its arguments."""

    bijector: tfb.Bijector
    is_inverse: bool
    arguments: dict[str, Any]

    @property
    def is_trained(self) -> bool:
        """Whether it has weights to train."""
        return bool(self.bijector.trainable_variables)

    @property
    def inverse(self) -> "Leaf":
        """The other map."""
        return dataclasses.replace(self, is_inverse=not self.is_inverse)

    @property
    def _direction(self) -> str:
        return "inverse" if self.is_inverse else "forward"

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the images of rows x, [N, event...]."""
        return getattr(self.bijector, self._direction)(x, **self.arguments)

    def log_det(self, x: tf.Tensor) -> tf.Tensor:
        """Returns log|det J| of each row of x: [N, event...], [N]."""
        log_det = getattr(self.bijector, f"{self._direction}_log_det_jacobian")
        value = log_det(x, x.shape.rank - 1, **self.arguments)
        # A constant one comes without batch axes.
        return tf.broadcast_to(value, x.shape[:1])

    def tiled(self, times: int) -> "Leaf":
        """The same map of so many copies of the rows, one after the other."""
        arguments = tf.nest.map_structure(
            lambda value: tf.concat([value] * times, axis=0), self.arguments
        )
        return dataclasses.replace(self, arguments=arguments)

    def of_both(self, x: tf.Tensor, own: tf.Tensor) -> list[tf.Tensor]:
        """Images of two copies at once, of which each is differentiated by itself."""
        return tf.split(self.tiled(2)(tf.concat([x, own], axis=0)), 2)


@dataclasses.dataclass(frozen=True, eq=False)
class Visit:
    """A leaf on the way of some rows, with an input of its own and the image of that.

    The input has the values that arrive at the leaf.
    """

    leaf: Leaf
    x: tf.Tensor
    y: tf.Tensor


def stages(
    bijector: tfb.Bijector, arguments: dict[str, Any], *, is_inverse: bool = False
) -> list[Leaf]:
    """Returns the parts of the outermost chain in the order of the map that is meant.

    Args:
        bijector: a flow's.
        arguments: nested as from `context_arguments`.
        is_inverse: whether its inverse is meant.
    """
    if (inner := inverted(bijector)) is not None:
        return stages(inner, arguments, is_inverse=not is_inverse)
    chain = parts(bijector)
    if not chain or hasattr(bijector, "through_levels"):
        return [Leaf(bijector, is_inverse, arguments)]
    return [
        stage
        for part in (reversed(chain) if is_inverse else chain)
        for stage in stages(part, arguments.get(part.name, {}), is_inverse=is_inverse)
    ]


def first_trained(leaves: Sequence[Leaf]) -> int:
    """Returns the index of the first with weights to train; 0 where there is none."""
    trained = [leaf.is_trained for leaf in leaves]
    return trained.index(True) if any(trained) else 0


def visits(
    stage: Leaf, x: tf.Tensor, source: Function | None = None
) -> tuple[list[Visit], tf.Tensor]:
    """Returns what rows x meet in a stage, and their image; levels are gone through.

    Args:
        stage: one of `stages`.
        x: [N, event...].
        source: marks the inputs that the visits keep as in `power_step`; None keeps
            those of the way itself.
    """
    met: list[Visit] = []

    def visit(
        bijector: tfb.Bijector, x: tf.Tensor, inverse: bool, arguments: dict[str, Any]
    ) -> tf.Tensor:
        leaf = Leaf(bijector, inverse, arguments)
        if source is None:
            own, (y, own_y) = x, [leaf(x)] * 2
        else:
            y, own_y = leaf.of_both(x, own := source(x))
        met.append(Visit(leaf, own, own_y))
        return y

    y = walk(stage.bijector, x, visit, stage.arguments, inverse=stage.is_inverse)
    return met, y
