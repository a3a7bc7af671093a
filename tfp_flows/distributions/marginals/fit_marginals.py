"""Marginals estimated from data, ready to be joined by a copula."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows.distributions.marginals.generalized_pareto_tails import (
    GeneralizedParetoTails,
)
from tfp_flows.distributions.marginals.tail_index import (
    checked_columns,
    fit_student_t,
    hill,
)
from tfp_flows.distributions.marginals.with_quantile import WithQuantile
from tfp_flows.estimation.gaussian_mixture import select_gaussian_mixture

__all__ = ["FAMILIES", "choose_marginals", "fit_marginals"]

FAMILIES = ("normal", "laplace", "student-t", "pareto-tails", "mixture")
# A margin of more degrees of freedom counts as light, as in the code of Laszkiewicz
# et al. (2022), arXiv:2206.10311.
_LIGHT_DF = 10.0
_MAX_COMPONENTS, _ROWS_PER_COMPONENT = 5, 200


def fit_marginals(
    x: Any,
    family: str | Sequence[str] = "auto",
    *,
    trainable: bool = False,
    dtype: Any = "float32",
) -> list[tfd.Distribution]:
    """Returns the marginals of data, for `CopulaDistribution(copula, marginals)`.

    Neighboring columns of one family are one batched distribution.

        "normal", "laplace"  maximum likelihood
        "student-t"          maximum likelihood
        "pareto-tails"       a Student-t body, and beyond its 5 % and 95 % quantiles
                             Pareto tails of Hill's index, each side its own
        "mixture"            normals by EM, as many as do best on held-out rows
        "auto"               normal or Student-t by `choose_marginals`

    A flow trained jointly rescales and bends the marginals: what they keep is the
    tail index, which a Lipschitz map cannot change.

    Args:
        x: [N, D], finite.
        family: of all columns, or one for each.
        trainable: whether the parameters are variables that train, constrained to
            their range, or constants.
        dtype: of the distributions.

    Raises:
        ValueError: an unknown family, not one for each column, or too few rows for
            the estimator.

    Example:
        >>> x = np.random.default_rng(0).standard_t(3, [2000, 2])
        >>> [part.batch_shape[0] for part in fit_marginals(x, "student-t")]
        [2]
    """
    x = checked_columns(x, "fit_marginals")
    size = x.shape[1]
    if isinstance(family, str):
        names = choose_marginals(x) if family == "auto" else [family] * size
    else:
        names = list(family)
    if len(names) != size or not set(names) <= set(FAMILIES):
        raise ValueError(
            f'fit_marginals: expected "auto" or one of {", ".join(FAMILIES)} for all '
            f"or each of {size} columns, received {family!r}."
        )
    make = _Maker(trainable, tf.as_dtype(dtype))
    parts, start = [], 0
    for name, group in itertools.groupby(names):
        stop = start + len(list(group))
        parts.append(_FITTERS[name](x[:, start:stop], make))
        start = stop
    return parts


def choose_marginals(x: Any) -> list[str]:
    """Returns "student-t" for heavy-tailed columns of data [N, D], else "normal".

    Heavy is a column whose Student-t likelihood is above the normal one by more than
    Schwarz's criterion asks for the additional parameter, ½ ln N nats, with at most
    10 degrees of freedom.
    """
    fitted = fit_student_t(x)
    heavy = (fitted.gain > 0.5 * math.log(len(x))) & (fitted.df <= _LIGHT_DF)
    return ["student-t" if is_heavy else "normal" for is_heavy in heavy]


class _Maker:
    """Makes parameters: constants, or variables behind a constraining bijector."""

    def __init__(self, trainable: bool, dtype: tf.DType) -> None:
        self._trainable = trainable
        self.dtype = dtype

    def real(self, value: Any, name: str) -> Any:
        value = tf.constant(value, self.dtype)
        return tf.Variable(value, name=name) if self._trainable else value

    def above(self, value: Any, low: float, name: str) -> Any:
        value = tf.constant(value, self.dtype)
        if not self._trainable:
            return value
        constraint = tfb.Softplus(low=tf.constant(low, self.dtype))
        return tfp.util.TransformedVariable(value, constraint, name=name)


def _normal(x: np.ndarray, make: _Maker) -> tfd.Distribution:
    scale = _positive(x.std(axis=0))
    return tfd.Normal(make.real(x.mean(axis=0), "loc"), make.above(scale, 0.0, "scale"))


def _laplace(x: np.ndarray, make: _Maker) -> tfd.Distribution:
    median = np.median(x, axis=0)
    scale = _positive(np.abs(x - median).mean(axis=0))
    return tfd.Laplace(make.real(median, "loc"), make.above(scale, 0.0, "scale"))


def _student_t(x: np.ndarray, make: _Maker) -> tfd.Distribution:
    fitted = fit_student_t(x)
    return tfd.StudentT(
        make.above(fitted.df, 0.1, "df"),
        make.real(fitted.loc, "loc"),
        make.above(fitted.scale, 0.0, "scale"),
    )


def _pareto_tails(x: np.ndarray, make: _Maker) -> tfd.Distribution:
    tails = hill(x)
    return GeneralizedParetoTails(
        _student_t(x, make),
        make.above(1 / tails.lower, 0.0, "lower_concentration"),
        make.above(1 / tails.upper, 0.0, "upper_concentration"),
    )


def _mixture(x: np.ndarray, make: _Maker) -> tfd.Distribution:
    most = max(1, min(_MAX_COMPONENTS, len(x) // _ROWS_PER_COMPONENT))
    fits = [select_gaussian_mixture(column[:, np.newaxis], most) for column in x.T]
    count = max(len(fitted.weights) for fitted in fits)
    shape = [len(fits), count]
    # Columns of fewer components are filled up with copies of next to no weight.
    logits, means, scales = np.full(shape, -15.0), np.zeros(shape), np.ones(shape)
    for row, fitted in enumerate(fits):
        used = len(fitted.weights)
        logits[row, :used] = np.log(fitted.weights)
        means[row] = np.resize(fitted.means[:, 0], count)
        scales[row] = np.resize(fitted.covariances[:, 0, 0] ** 0.5, count)
    return WithQuantile(
        tfd.MixtureSameFamily(
            tfd.Categorical(logits=make.real(logits, "logits")),
            tfd.Normal(make.real(means, "means"), make.above(scales, 0.0, "scales")),
        )
    )


def _positive(scale: np.ndarray) -> np.ndarray:
    if np.any(scale == 0):
        raise ValueError(
            f"fit_marginals: column {int(np.argmin(scale))} has one value in all rows."
        )
    return scale


_FITTERS: dict[str, Callable[[np.ndarray, _Maker], tfd.Distribution]] = {
    "normal": _normal,
    "laplace": _laplace,
    "student-t": _student_t,
    "pareto-tails": _pareto_tails,
    "mixture": _mixture,
}
