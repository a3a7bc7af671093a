"""The copula of independent variables."""

from typing import Any

import tensorflow as tf

from tfp_flows.distributions.copulas.copula import Copula, TailDependence
from tfp_flows.ops.exponential import uniform_log_tails
from tfp_flows.ops.log_tails import LogTails

__all__ = ["IndependenceCopula"]


class IndependenceCopula(Copula):
    """c(u) = 1 on (0, 1)^D: the uniform distribution of the cube.

    Args:
        dimension: D ≥ 2.
        dtype: floating dtype of u.
        validate_args: as in TFP.
        name: name of the distribution.

    Example:
        >>> IndependenceCopula(3).log_prob([0.1, 0.5, 0.9]).numpy().item()
        0.0
    """

    def __init__(
        self,
        dimension: int,
        *,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "IndependenceCopula",
    ) -> None:
        super().__init__(dimension, name=name)

    @property
    def kendall_tau(self) -> tf.Tensor:
        """τ = 0 of each pair; [D, D]."""
        return self._of_each_pair(0)

    @property
    def tail_dependence(self) -> TailDependence:
        """λ_L = λ_U = 0; two of [D, D]."""
        zero = self._of_each_pair(0)
        return TailDependence(zero, zero)

    def log_density(self, tails: LogTails) -> tf.Tensor:
        """Returns 0, [batch...]."""
        return tf.zeros_like(tails.below[..., 0])

    def sample_tails(self, n: Any, seed: Any) -> LogTails:
        """Draws (ln u, ln(1 − u)), each [n, D]."""
        return uniform_log_tails([n, self.dimension], seed, self.dtype)

    def _rosenblatt(self, tails: LogTails) -> tf.Tensor:
        return tf.exp(tails.below)

    def _inverse_rosenblatt(self, w: tf.Tensor) -> LogTails:
        return LogTails.from_probability(w)
