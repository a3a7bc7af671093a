"""Marginals joined by a copula: a base for heavy-tailed and dependent data."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfp_flows.distributions.copulas.copula import Copula
from tfp_flows.distributions.copulas.elliptical_copula import EllipticalCopula
from tfp_flows.distributions.copulas.gaussian_copula import GaussianCopula
from tfp_flows.distributions.copulas.independence_copula import IndependenceCopula
from tfp_flows.distributions.copulas.student_t_copula import StudentTCopula
from tfp_flows.distributions.marginals.log_tails import (
    check_marginal,
    log_tails_of,
    quantile_of,
)
from tfp_flows.distributions.recorded_distribution import RecordedDistribution
from tfp_flows.ops.log_tails import LogTails

__all__ = ["CopulaDistribution"]


class CopulaDistribution(RecordedDistribution):
    """p(z) = c(F₁(z₁), …, F_D(z_D)) Πᵢ fᵢ(zᵢ), over [D].

    A flow with a bounded Lipschitz constant L cannot make a light tail heavy:
    P(|T(z)| > t) ≤ P(|z| > (t − |T(0)|) / L). So tails, and dependence in the tails,
    belong into its base. N(0, I) is the independence copula of normal marginals.

    Between marginals and copula goes (ln u, ln(1 − u)), never u, so that float32 is
    enough for |z| of 10⁶. A Gaussian copula of normal marginals and a Student-t
    copula of t marginals with its own degrees of freedom are computed as the
    multivariate distributions that they are.

    A flow trained jointly can make much of the dependence itself, so that the
    copula's parameter is not identified: it is a start, not an estimate.

    Args:
        copula: of D variables.
        marginals: one distribution of batch shape [D] and event shape (), or a
            sequence of them, whose batch shapes [] (one column) and [k] (k columns)
            add up to D. Each has a cdf and a quantile; others, such as mixtures,
            become marginals by `WithQuantile`.
        validate_args: as in TFP.
        name: name of the distribution.

    Raises:
        TypeError: no copula, or a marginal that is no distribution.
        ValueError: marginals without cdf or quantile, of another dtype, or not as
            many as the copula joins.

    Example:
        >>> from tfp_flows.distributions import GumbelCopula
        >>> marginals = tfd.StudentT(df=[2.0, 3.0], loc=0.0, scale=1.0)
        >>> base = CopulaDistribution(GumbelCopula(2.5, 2), marginals)
        >>> base.log_prob([1e6, 1e6]).numpy().round().item()
        -86.0

    Reference: Laszkiewicz, Lederer, Fischer (2021), "Copula-Based Normalizing Flows",
    arXiv:2107.07352; Sklar (1959).
    """

    def __init__(
        self,
        copula: Copula,
        marginals: tfd.Distribution | Sequence[tfd.Distribution],
        *,
        validate_args: bool = False,
        name: str = "CopulaDistribution",
    ) -> None:
        if not isinstance(copula, Copula):
            raise TypeError(
                f"copula of {name}: expected a copula such as GaussianCopula or "
                f"GumbelCopula, received {type(copula).__name__}."
            )
        is_one = isinstance(marginals, tfd.Distribution)
        self._copula = copula
        self._parts: list[Any] = [marginals] if is_one else list(marginals)
        self._widths = _checked_widths(self._parts, copula, name)
        self._native = [_is_native(copula, part) for part in self._parts]
        super().__init__(
            dtype=copula.dtype, reparameterization_type=copula.reparameterization_type
        )

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict:
        return {
            "copula": tfp.util.BatchedComponentProperties(),
            "marginals": tfp.util.BatchedComponentProperties(event_ndims=1),
        }

    @property
    def copula(self) -> Copula:
        """What joins the marginals."""
        return self._copula

    @property
    def marginals(self) -> list[tfd.Distribution]:
        """The marginals in order of columns, as they were passed."""
        return list(self._parts)

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        columns = self._split(x)
        copula = self._copula
        if isinstance(copula, EllipticalCopula):
            if all(self._native):
                return self._native_log_prob(columns)
            joint = copula.log_density_of_scores(self._scores(columns))
        elif isinstance(copula, IndependenceCopula):
            joint = tf.zeros([], self.dtype)
        else:
            joint = copula.log_density(self._log_tails(columns))
        log_probs = self._each(lambda part, column: part.log_prob(column), columns)
        return joint + tf.reduce_sum(log_probs, axis=-1)

    def _sample_n(self, n: Any, seed: Any = None) -> tf.Tensor:
        copula = self._copula
        if isinstance(copula, EllipticalCopula) and all(self._native):
            columns = self._split(copula.sample_quantiles(n, seed))
            return self._each(lambda part, q: part.loc + part.scale * q, columns)
        tails = copula.sample_tails(n, seed)
        pairs = map(LogTails, self._split(tails.below), self._split(tails.above))
        return self._each(quantile_of, pairs)

    def _split(self, x: tf.Tensor) -> list[tf.Tensor]:
        """Columns by part: [batch...] for a part of batch shape [], else [..., k]."""
        sizes = [1 if width is None else width for width in self._widths]
        split = tf.split(x, sizes, axis=-1)
        return [
            piece[..., 0] if width is None else piece
            for piece, width in zip(split, self._widths, strict=True)
        ]

    def _each(self, function: Callable[..., Any], *columns: Iterable[Any]) -> tf.Tensor:
        """What a function makes of each part and its columns, side by side."""
        return self._joined(list(map(function, self._parts, *columns)))

    def _joined(self, columns: Sequence[tf.Tensor]) -> tf.Tensor:
        """Undoes `_split`."""
        if len(columns) == 1 and self._widths[0] is not None:
            return columns[0]
        wide = [
            column[..., tf.newaxis] if width is None else column
            for column, width in zip(columns, self._widths, strict=True)
        ]
        return tf.concat(wide, axis=-1)

    def _log_tails(self, columns: Sequence[tf.Tensor]) -> LogTails:
        pairs = list(map(log_tails_of, self._parts, columns))
        return LogTails(
            self._joined([pair.below for pair in pairs]),
            self._joined([pair.above for pair in pairs]),
        )

    def _native_log_prob(self, columns: Sequence[tf.Tensor]) -> tf.Tensor:
        """The multivariate distribution's, without u."""
        quantiles = self._each(_standardized, columns)
        log_scales = self._each(_log_scale, self._widths)
        joint = self._copula.joint_log_prob(quantiles)
        return joint - tf.reduce_sum(log_scales)

    def _scores(self, columns: Sequence[tf.Tensor]) -> tf.Tensor:
        """Scores of an elliptical copula, without u where marginals are its own."""
        copula = self._copula

        def scores(part: tfd.Distribution, column: tf.Tensor, native: bool) -> Any:
            if native:
                return copula.scores_of_quantiles(_standardized(part, column))
            return copula.scores(log_tails_of(part, column))

        return self._each(scores, columns, self._native)

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([self._copula.dimension])

    def _batch_shape(self) -> tf.TensorShape:
        return tf.TensorShape([])

    def _batch_shape_tensor(self, **parameter_kwargs: Any) -> tf.Tensor:
        return tf.zeros([0], tf.int32)


def _checked_widths(
    parts: Sequence[Any], copula: Copula, name: str
) -> list[int | None]:
    """Columns of each part; None for one column without a batch axis."""
    widths: list[int | None] = []
    for index, part in enumerate(parts):
        label = f"marginal {index} of {name}"
        check_marginal(part, label)
        shape = part.batch_shape
        if shape.rank is None or shape.rank > 1 or not shape.is_fully_defined():
            raise ValueError(
                f"{label}, {part.name!r}: expected batch shape [] or [k], received "
                f"{shape}."
            )
        if part.dtype != copula.dtype:
            raise ValueError(
                f"{label}, {part.name!r}: expected the copula's dtype "
                f"{copula.dtype.name}, received {part.dtype.name}."
            )
        widths.append(shape[0] if shape.rank else None)
    count = sum(1 if width is None else width for width in widths)
    if count != copula.dimension:
        raise ValueError(
            f"marginals of {name}: expected as many columns as {copula.name!r} joins, "
            f"{copula.dimension}, received {count}. One batched distribution has batch "
            "shape [D]; a sequence has one distribution a column."
        )
    return widths


def _standardized(part: tfd.Distribution, column: tf.Tensor) -> tf.Tensor:
    return (column - part.loc) / part.scale


def _log_scale(part: tfd.Distribution, width: int | None) -> tf.Tensor:
    return tf.math.log(tf.broadcast_to(part.scale, [] if width is None else [width]))


def _is_native(copula: Copula, part: tfd.Distribution) -> bool:
    """Whether the marginal is the copula's own up to location and scale."""
    if isinstance(copula, GaussianCopula):
        return isinstance(part, tfd.Normal)
    if not (isinstance(copula, StudentTCopula) and isinstance(part, tfd.StudentT)):
        return False
    if part.df is copula.df:
        return True
    # Variables that are equal now may part later.
    if any(not isinstance(df, tf.Tensor) for df in (part.df, copula.df)):
        return False
    known = [tf.get_static_value(df) for df in (part.df, copula.df)]
    return all(k is not None for k in known) and bool((known[0] == known[1]).all())
