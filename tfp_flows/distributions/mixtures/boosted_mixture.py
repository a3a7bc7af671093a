"""A mixture of whole distributions, such as flows that were boosted one by one."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfp_flows.distributions.recorded_distribution import RecordedDistribution

__all__ = ["BoostedMixture"]

# How far weights may be from summing to one.
_TOLERANCE = 1e-4


class BoostedMixture(RecordedDistribution):
    """G(x) = Σⱼ wⱼ gⱼ(x) over components gⱼ that are any distributions.

        log G(x) = logsumexpⱼ(log wⱼ + log gⱼ(x))

    One simplex w for all components. The recursion of boosting,
    G_c = (1 − r_c) G_{c−1} + r_c g_c with r_c = ρ_c / (ρ_1 + … + ρ_c), is this
    mixture with w = ρ / Σρ. Components may be of different families, and share
    event shape, batch shape and dtype.

    A sample is drawn by ancestral choice: j ~ w, then x ~ gⱼ. It costs a sample of
    every component, of which one is kept, so that shapes are static and it compiles
    under XLA. `log_prob` costs one evaluation of every component.

    Args:
        components: distributions gⱼ, C ≥ 1.
        weights: wⱼ ≥ 0 with sum one, shape [C]; or
        logits: log wⱼ up to a constant, [C] or a sequence of C scalars, numbers or
            variables. Neither: uniform weights.
        validate_args: as in TFP.
        name: name of the distribution.

    Call arguments of `log_prob` and `sample`:
        component_kwargs: keyword arguments of each component, a sequence of C
            mappings, such as the context of conditional flows.

    Raises:
        ValueError: no component, components that differ in event shape, batch shape
            or dtype, the same object twice, weights off the simplex.
        TypeError: a component that is no distribution.

    Example:
        >>> mixture = BoostedMixture(
        ...     [tfd.Normal(-3.0, 1.0), tfd.Laplace(3.0, 1.0)], weights=[0.8, 0.2])
        >>> round(float(mixture.log_prob(-3.0)), 3)
        -1.141

    Reference: Giaquinto and Banerjee (2020), "Gradient Boosted Normalizing Flows",
    arXiv:2002.11896, section 3, additive form. Their multiplicative form is no
    density: see `geometric_score`.
    """

    def __init__(
        self,
        components: Sequence[tfd.Distribution],
        *,
        weights: Any = None,
        logits: Any = None,
        validate_args: bool = False,
        name: str = "boosted_mixture",
    ) -> None:
        self._components = tuple(components)
        _check_components(self._components)
        if weights is not None:
            if logits is not None:
                raise ValueError("Pass weights or logits, received both.")
            logits = _logits_of(weights, len(self._components))
        dtype = self._components[0].dtype
        if logits is None:
            logits = tf.zeros([len(self._components)], dtype)
        self._logits = logits
        _check_count(self.logits, len(self._components), "logits")
        super().__init__(dtype=dtype, reparameterization_type=tfd.NOT_REPARAMETERIZED)

    @property
    def components(self) -> tuple[tfd.Distribution, ...]:
        """The densities gⱼ."""
        return self._components

    @property
    def logits(self) -> tf.Tensor:
        """The numbers log wⱼ up to a constant, [C]."""
        parts = self._logits
        if isinstance(parts, (list, tuple)):
            return tf.stack([self._number(part) for part in parts])
        return self._number(parts)

    @property
    def weights(self) -> tf.Tensor:
        """wⱼ, [C], non-negative with sum one."""
        return tf.nn.softmax(self.logits)

    def component_log_prob(
        self, x: Any, component_kwargs: Sequence[Mapping[str, Any]] | None = None
    ) -> tf.Tensor:
        """Returns log gⱼ(x), [sample..., batch..., C]."""
        x = tf.convert_to_tensor(x, self.dtype)
        pairs = zip(self.components, self._each(component_kwargs), strict=True)
        return tf.stack([g.log_prob(x, **kwargs) for g, kwargs in pairs], axis=-1)

    def responsibilities(
        self, x: Any, component_kwargs: Sequence[Mapping[str, Any]] | None = None
    ) -> tf.Tensor:
        """Returns p(j | x) = wⱼ gⱼ(x) / G(x), [sample..., batch..., C]."""
        joint = self._joint(x, component_kwargs)
        return tf.nn.softmax(joint, axis=-1)

    def _joint(self, x: Any, component_kwargs: Any) -> tf.Tensor:
        each = self.component_log_prob(x, component_kwargs)
        return each + tf.nn.log_softmax(self.logits)

    def _log_prob(self, x: tf.Tensor, component_kwargs: Any = None) -> tf.Tensor:
        return tf.reduce_logsumexp(self._joint(x, component_kwargs), axis=-1)

    # Not by `_sample_n`, which gets a flat number: a conditional component needs the
    # batch axes of its context.
    def _call_sample_n(
        self, sample_shape: Any, seed: Any, component_kwargs: Any = None
    ) -> tf.Tensor:
        choice_seed, seed = tfp.random.split_seed(
            tfp.random.sanitize_seed(seed), 2, salt=self.name
        )
        seeds = tf.unstack(tfp.random.split_seed(seed, len(self.components)))
        each = self._each(component_kwargs)
        draws = [
            component.sample(sample_shape, seed=own, **kwargs)
            for component, own, kwargs in zip(self.components, seeds, each, strict=True)
        ]
        event_rank = len(self.event_shape)
        shape = tf.shape(draws[0])
        outer = shape[: tf.rank(draws[0]) - event_rank]
        chosen = tfd.Categorical(logits=self.logits).sample(outer, seed=choice_seed)
        chosen = tf.reshape(chosen, tf.concat([outer, [1] * event_rank], 0))
        kept = draws[0]
        for index, draw in enumerate(draws[1:], start=1):
            kept = tf.where(tf.equal(chosen, index), draw, kept)
        kept.set_shape(draws[0].shape)
        return kept

    def _number(self, value: Any) -> tf.Tensor:
        return tf.convert_to_tensor(value, self._components[0].dtype)

    def _each(
        self, component_kwargs: Sequence[Mapping[str, Any]] | None
    ) -> Sequence[Mapping[str, Any]]:
        if component_kwargs is None:
            return [{}] * len(self.components)
        if len(component_kwargs) != len(self.components):
            raise ValueError(
                f"component_kwargs must hold {len(self.components)} mappings, one a "
                f"component; received {len(component_kwargs)}."
            )
        return component_kwargs

    def _mean(self) -> tf.Tensor:
        return self._weighted([component.mean() for component in self.components])

    def _variance(self) -> tf.Tensor:
        """Σⱼ wⱼ (σⱼ² + μⱼ²) − μ²."""
        second = [c.variance() + tf.square(c.mean()) for c in self.components]
        return self._weighted(second) - tf.square(self._mean())

    def _weighted(self, values: Sequence[tf.Tensor]) -> tf.Tensor:
        return tf.tensordot(self.weights, tf.stack(values), axes=1)

    def _event_shape(self) -> tf.TensorShape:
        return self._components[0].event_shape

    def _event_shape_tensor(self) -> tf.Tensor:
        return self._components[0].event_shape_tensor()

    def _batch_shape(self) -> tf.TensorShape:
        return self._components[0].batch_shape

    def _batch_shape_tensor(self) -> tf.Tensor:
        return self._components[0].batch_shape_tensor()

    def _default_event_space_bijector(self) -> Any:
        return self._components[0].experimental_default_event_space_bijector()


def _check_components(components: tuple[Any, ...]) -> None:
    if not components:
        raise ValueError("components must hold at least one distribution.")
    for component in components:
        if not isinstance(component, tfd.Distribution):
            raise TypeError(
                "components must be tfp.distributions.Distribution objects, received "
                f"{type(component).__name__}."
            )
    if len({id(component) for component in components}) < len(components):
        raise ValueError(
            "The same distribution stands twice among the components, so that both "
            "would train as one. Build a fresh one for each, or add up its weights."
        )
    first = components[0]
    for index, other in enumerate(components):
        for what in ("event_shape", "batch_shape", "dtype"):
            expected, received = getattr(first, what), getattr(other, what)
            if expected != received:
                raise ValueError(
                    f"All components need the same {what}: component 0 has {expected}, "
                    f"component {index} has {received}."
                )


def _check_count(values: Any, count: int, what: str) -> None:
    if tuple(values.shape) != (count,):
        raise ValueError(
            f"{what} must have shape [{count}], one number a component; received "
            f"shape {tuple(values.shape)}."
        )


def _logits_of(weights: Any, count: int) -> np.ndarray:
    """Returns logs of numbers on the simplex, −∞ for a weight of zero."""
    values = np.asarray(weights, "float64")
    _check_count(values, count, "weights")
    if not np.all(values >= 0) or not math.isclose(
        values.sum(), 1.0, abs_tol=_TOLERANCE
    ):
        raise ValueError(
            "weights must be non-negative numbers with sum one, received "
            f"{values.tolist()} with sum {values.sum():.6g}."
        )
    return np.log(values, where=values > 0, out=np.full(count, -np.inf))
