"""What the self-normalizing layers have in common: W beside R ≈ W⁻¹, and options."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfp_flows import ops
from tfp_flows.bijectors.structure.walk import leaves

__all__ = [
    "LearnedInverse",
    "check_options",
    "learned_inverses",
    "solve_by",
]

_OPTIONS = {
    "gradient": ("self_normalizing", "relative", "exact"),
    "density": ("forward", "mixture"),
    "inverse": ("exact", "learned", "refined"),
}


@runtime_checkable
class LearnedInverse(Protocol):
    """A linear layer y = W x + b that keeps R ≈ W⁻¹ beside W.

    Attributes:
        name: name of the bijector.
        gradient: of log|det W|; "exact" keeps no inverse.
        density: "forward" or "mixture", what its gradients maximize.
        kernel: the weights of W.
        bias: b.
        learns_inverse: whether R is trained, by reconstruction. If not, it is set to
            W⁻¹ by `refresh_inverse`.
        probe_shape: shape of the points that W acts on.
    """

    name: str
    gradient: str
    density: str
    kernel: tf.Variable
    bias: tf.Variable
    learns_inverse: bool
    probe_shape: tuple[int, ...]

    def multiply(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """The linear map of a kernel, [N, event...] → [N, event...]."""

    def multiply_inverse(self, y: tf.Tensor) -> tf.Tensor:
        """Returns R y, [N, event...] → [N, event...]."""

    def adjoint(self, kernel: tf.Tensor) -> tf.Tensor:
        """The kernel of the transposed map."""

    def log_abs_det(self) -> tf.Tensor:
        """Exact log|det W|, by a factorization."""

    def log_abs_det_of_inverse(self) -> tf.Tensor:
        """Exact log|det R|, by a factorization."""

    def log_abs_det_gradient(self) -> tf.Tensor:
        """What stands for ∂ log|det W| / ∂ kernel, from R."""

    def solve(self, y: tf.Tensor, inverse: str) -> tf.Tensor:
        """W⁻¹ y, without the bias, by the named kind of inverse."""


def learned_inverses(bijector: tfb.Bijector) -> list[LearnedInverse]:
    """Returns the layers of `bijector` that keep an approximate inverse."""
    return [
        leaf
        for leaf in leaves(bijector)
        if isinstance(leaf, LearnedInverse) and leaf.gradient != "exact"
    ]


def check_options(gradient: str, density: str, inverse: str) -> None:
    """Refuses unknown options and pairs that contradict each other."""
    received = {"gradient": gradient, "density": density, "inverse": inverse}
    for name, allowed in _OPTIONS.items():
        if received[name] not in allowed:
            raise ValueError(
                f"{name} must be one of {', '.join(map(repr, allowed))}, received "
                f"{received[name]!r}."
            )
    if gradient != "self_normalizing" and density == "mixture":
        raise ValueError(
            'density="mixture" is the density of a learned inverse: expected '
            f'gradient="self_normalizing" with it, received {gradient!r}.'
        )
    if gradient == "exact" and inverse != "exact":
        raise ValueError(
            'gradient="exact" keeps no approximate inverse: expected '
            f'inverse="exact" with it, received {inverse!r}.'
        )


def solve_by(
    inverse: str,
    exact: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    layer: Any,
    y: tf.Tensor,
    tolerance: float,
) -> tf.Tensor:
    """Returns W⁻¹ y, [N, event...], exact, learned or refined.

    The gradient is that of the implicit function for the exact and the refined
    inverse; the learned one is a linear map like any other.

    Args:
        inverse: the kind.
        exact: (y, kernel) → W⁻¹ y.
        layer: a `LearnedInverse`.
        y: [N, event...].
        tolerance: of the refined inverse.
    """
    if inverse == "learned":
        return layer.multiply_inverse(y)
    # Read here: a function with its own gradient must not read variables.
    kernel = tf.convert_to_tensor(layer.kernel)
    learned = None if inverse == "exact" else tf.identity(layer.inverse_kernel)

    def solve(y: tf.Tensor, transpose: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
        if inverse == "exact":
            return exact(y, transpose(kernel))
        approximate = transpose(learned)
        return ops.refined_inverse(
            lambda x: layer.multiply(x, transpose(kernel)),
            lambda r: layer.multiply(r, approximate),
            y,
            tolerance=tolerance,
        )

    return ops.implicit_inverse(
        lambda y: solve(y, tf.identity),
        lambda cotangent: solve(cotangent, layer.adjoint),
        layer.multiply,
        y,
        kernel,
    )
