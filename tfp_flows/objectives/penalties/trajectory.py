"""Penalties that keep the paths of a continuous flow cheap to follow."""

import dataclasses
from typing import Any, ClassVar

import keras
import tensorflow as tf

from tfp_flows.bijectors import PathOptions
from tfp_flows.objectives.objective import FromFields, Terms

__all__ = [
    "JacobianNorm",
    "KineticEnergy",
    "RandomEndTime",
    "TrajectoryPolynomial",
    "polynomial_residual",
]


class _PathPenalty(FromFields):
    """Acts in training only: what it asks of the way costs an evaluation nothing."""

    needs: ClassVar[frozenset[str]] = frozenset({"path"})
    in_training_only: ClassVar[bool] = True

    def __post_init__(self) -> None:
        weight = self.get_config()["weight"]
        if not 0 < weight < float("inf"):
            raise ValueError(f"weight must be positive and finite, received {weight}.")


class _RunningCost(_PathPenalty):
    """An integral along the way, under its name in a `Path`."""

    cost: ClassVar[str]

    def __call__(self, evaluation: Any, *, seed: Any, training: bool) -> Terms:
        """Returns the mean over rows, summed over layers."""
        means = [tf.reduce_mean(getattr(path, self.cost)) for path in evaluation.path]
        total = tf.reduce_sum(means)
        return Terms(total, {self.cost: total})


@keras.saving.register_keras_serializable(package="tfp_flows")
@dataclasses.dataclass(frozen=True)
class TrajectoryPolynomial(_PathPenalty):
    """What a polynomial in t of degree d cannot explain of the paths z(t).

        L = Σ over layers of 1/(M N) Σᵢ Σₙ |Σⱼ Pᵢⱼ zₙ(tⱼ)|²,   P = I − G (GᵀG)⁻¹ Gᵀ

    at M = n + 2 times, both ends and n random ones that the batch shares, G the
    polynomials of degree ≤ d at them. The states are read off the solver's own
    polynomials: no more calls of the velocity, in training or later. Straight paths at
    constant speed are the cheapest to follow, and some flow with the same density has
    such paths.

    Args:
        weight: α, for whitened data and a likelihood in nats a row; the paper takes 5.
        degree: d ≥ 0.
        num_times: n ≥ d, random times.

    Reference: Huang and Yeh (2021), "Accelerating Continuous Normalizing Flow with
    Trajectory Polynomial Regularization", arXiv:2012.04228.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"path", "seed"})

    weight: float = 5.0
    degree: int = 1
    num_times: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.degree < 0 or self.num_times < max(self.degree, 1):
            raise ValueError(
                "num_times must be at least the degree, which is at least 0: received "
                f"num_times={self.num_times} and degree={self.degree}. Through so few "
                "points a polynomial explains everything."
            )

    @property
    def path_options(self) -> PathOptions:
        """States at random times."""
        return PathOptions(num_times=self.num_times)

    def __call__(self, evaluation: Any, *, seed: Any, training: bool) -> Terms:
        """Returns L, a scalar."""
        total = tf.reduce_sum(
            [
                polynomial_residual(path.fractions, path.states, self.degree)
                for path in evaluation.path
            ]
        )
        return Terms(total, {"trajectory_polynomial": total})


@keras.saving.register_keras_serializable(package="tfp_flows")
@dataclasses.dataclass(frozen=True)
class KineticEnergy(_RunningCost):
    """½ ∫ |v|² dt, mean over rows: of all flows to one density the shortest paths.

    Args:
        weight: λ. RNODE takes 0.01 for a likelihood in bits a dimension.

    Reference: Finlay et al. (2020), "How to Train Your Neural ODE: the World of
    Jacobian and Kinetic Regularization", arXiv:2002.02798, eq. 5.
    """

    weight: float = 0.01

    path_options: ClassVar[PathOptions] = PathOptions(kinetic_energy=True)

    cost: ClassVar[str] = "kinetic_energy"


@keras.saving.register_keras_serializable(package="tfp_flows")
@dataclasses.dataclass(frozen=True)
class JacobianNorm(_RunningCost):
    """∫ |εᵀ ∂v/∂x|² dt, an estimate of ∫ ‖∂v/∂x‖² dt, mean over rows.

    Args:
        weight: λ, as of `KineticEnergy`.

    Reference: Finlay et al. (2020), arXiv:2002.02798, eq. 6.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"path", "seed"})

    weight: float = 0.01

    path_options: ClassVar[PathOptions] = PathOptions(jacobian_norm=True)

    cost: ClassVar[str] = "jacobian_norm"


@keras.saving.register_keras_serializable(package="tfp_flows")
@dataclasses.dataclass(frozen=True)
class RandomEndTime(_PathPenalty):
    """Lets each step of training end its solves at a random time in T (1 ± b).

    No term of its own: it changes where the likelihood is taken. A density that is
    right at all these times has a velocity that dies out, and is easier to follow.

    Args:
        spread: 0 < b < 1.

    Reference: Ghosh et al. (2020), "STEER: Simple Temporal Regularization for Neural
    ODEs", arXiv:2006.10711, section 3.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"path", "seed"})

    spread: float = 0.25
    weight: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.spread < 1:
            raise ValueError(f"spread must lie in (0, 1), received {self.spread}.")

    @property
    def path_options(self) -> PathOptions:
        """A random end."""
        return PathOptions(end_spread=self.spread)

    def __call__(self, evaluation: Any, *, seed: Any, training: bool) -> Terms:
        """Returns 0."""
        return Terms(tf.zeros([], evaluation.x.dtype))


def polynomial_residual(
    times: tf.Tensor, states: tf.Tensor, degree: int = 1
) -> tf.Tensor:
    """Returns 1/(M N) Σ |P z|² of paths, the mean over times and rows.

    Args:
        times: [M], not all equal where the degree is at least 1.
        states: [M, N, event...].
        degree: d < M.
    """
    num_times = times.shape[0]
    flat = tf.reshape(states, [num_times, -1])
    centered = times - tf.reduce_mean(times)
    residual = flat - tf.reduce_mean(flat, axis=0)
    if degree == 1:
        # P = I − 11ᵀ/M − s sᵀ/(sᵀs): exact also where two times are equal.
        slope = tf.linalg.matvec(flat, centered, transpose_a=True)
        slope /= tf.reduce_sum(centered**2)
        residual -= centered[:, tf.newaxis] * slope
    elif degree > 1:
        powers = tf.stack([centered**k for k in range(degree + 1)], axis=1)
        basis, _ = tf.linalg.qr(powers)
        residual = flat - basis @ tf.matmul(basis, flat, transpose_a=True)
    rows = tf.cast(tf.shape(states)[1], flat.dtype)
    return tf.reduce_sum(residual**2) / (num_times * rows)
