"""What the copulas of one parameter share: its range, its constraint, its name."""

from typing import Any, ClassVar

import tensorflow_probability as tfp
from tensorflow_probability import bijectors as tfb

from tfp_flows.distributions.copulas.copula import Copula, scalar_parameter

__all__ = ["ArchimedeanCopula"]


class ArchimedeanCopula(Copula):
    """Base of C(u) = ψ(Σᵢ ψ⁻¹(uᵢ)): one generator ψ and one θ for all pairs.

    A subclass says which θ it takes; its samples carry gradients to θ, or it says not.

    Args:
        theta: θ, a number or a variable.
        dimension: D ≥ 2.
        dtype: floating dtype where theta is a number.
        validate_args: as in TFP.
        name: name of the distribution; that of the class if None.

    Raises:
        ValueError: θ out of the family's range, or fewer than two dimensions.
    """

    _LEAST_TRAINABLE: ClassVar[float]
    """Bound of the default constraint of a variable."""
    _RANGE: ClassVar[tuple[float, bool]]
    """The least θ, and whether θ is greater than it."""

    def __init__(
        self,
        theta: Any,
        dimension: int,
        *,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str | None = None,
    ) -> None:
        name = type(self).__name__ if name is None else name
        self._theta = self._checked_theta(theta, dimension, dtype, f"theta of {name}")
        super().__init__(
            dimension,
            parameters={"name": name},
            dtype=self._theta.dtype,
            reparameterized=self._is_reparameterized(dimension),
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict:
        return {
            "theta": tfp.util.ParameterProperties(
                default_constraining_bijector_fn=lambda: tfb.Softplus(
                    low=cls._LEAST_TRAINABLE
                )
            )
        }

    @property
    def theta(self) -> Any:
        """θ, the strength of the dependence."""
        return self._theta

    def _checked_theta(self, theta: Any, dimension: int, dtype: Any, label: str) -> Any:
        """Returns θ as a tensor or a reference, after a check of its range."""
        low, strict = self._RANGE
        return scalar_parameter(theta, dtype, low=low, strict=strict, name=label)

    def _is_reparameterized(self, dimension: int) -> bool:
        """Whether samples carry gradients to θ."""
        return True
