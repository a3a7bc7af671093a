"""log|det W| of layers with a learned inverse, known without a factorization a step."""

from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf

from tfp_flows import ops
from tfp_flows.bijectors import LearnedInverse

__all__ = ["LogDeterminants"]

# Measured on FC-2 and the 9-layer convolutional flow of MNIST in the first epoch:
# without a correction the value drifts by up to 1.4 % of the likelihood, with one
# term by 0.7 %, with two by 0.4 %; two probes do nearly as well as four.
_NUM_PROBES, _NEUMANN_TERMS = 4, 2

# Outside of `fit`, which refreshes after each epoch; and a step, relative to the
# weights, beyond which they must have come from elsewhere.
_EXACT_EVERY, _FAR = 100, 0.1


class LogDeterminants:
    """Keeps log|det W| of each layer: exact at rest, advanced along the updates.

    At rest the value is computed once for a set of weights, by a factorization
    outside of any training or test step. In training it is advanced from the weights
    V of the step before to the present W, O(D²), with R ≈ W⁻¹:

        log|det W| − log|det V| ≈ tr M⁻¹ (W − V),  M = (W + V) / 2
        M⁻¹ = R + E R + E² R + …,  E = I − R M

    to the third order in W − V. The first trace is computed as it stands, the others,
    which are small where R is good, by Hutchinson's estimator with a few probes.

    The state of a layer is the value and the weights it belongs to, which tell
    whether somebody changed them in between.

    Args:
        layers: those that `learned_inverses` finds.

    Attributes:
        drift: Σ (advanced − exact) in nats over the layers, at the last refresh that
            followed training; 0 before.

    Reference: Hutchinson (1990), "A stochastic estimator of the trace of the
    influence matrix for Laplacian smoothing splines".
    """

    def __init__(self, layers: Sequence[LearnedInverse]) -> None:
        self.layers = list(layers)
        self.drift = 0.0
        self._calls = 0
        self._states = [_State(layer) for layer in self.layers]

    def advance(self, seed: tf.Tensor) -> dict[int, dict[str, tf.Tensor]]:
        """Carries the values to the present weights, O(D²); for a training step.

        Args:
            seed: stateless seed of shape [2] of the probes.

        Returns:
            id of the layer → {"log_abs_det": log|det W|}, as the layer takes it.
        """
        pairs = zip(self.layers, self._states, strict=True)
        return self._arguments(
            state.advance(layer, tf.random.fold_in(seed, index))
            for index, (layer, state) in enumerate(pairs)
        )

    def at_rest(self) -> dict[int, dict[str, tf.Tensor]]:
        """Returns exact values: the kept ones, or computed where weights changed."""
        pairs = zip(self.layers, self._states, strict=True)
        return self._arguments(state.exact_value(layer) for layer, state in pairs)

    def present(self) -> dict[int, dict[str, tf.Tensor]]:
        """Returns the values as they are kept, exact or advanced."""
        return self._arguments(tf.identity(state.value) for state in self._states)

    def numbers(self) -> dict[int, dict[str, tf.Tensor]]:
        """Returns the values as constants, for a graph that is kept by itself."""
        with tf.init_scope():
            values = [float(tf.identity(state.value)) for state in self._states]
        return self._arguments(
            tf.constant(value, layer.kernel.dtype)
            for layer, value in zip(self.layers, values, strict=True)
        )

    def _arguments(
        self, values: Iterable[tf.Tensor]
    ) -> dict[int, dict[str, tf.Tensor]]:
        pairs = zip(self.layers, values, strict=True)
        return {id(layer): {"log_abs_det": value} for layer, value in pairs}

    def refresh_sometimes(self) -> None:
        """Makes values exact that are advanced no further, or by now too far.

        For a step of training outside of `fit`: a value that was advanced by the step
        before is advanced again, unless it was a hundred times, or somebody changed
        the weights by more than a step does.
        """
        self._calls += 1
        pairs = zip(self.layers, self._states, strict=True)
        if self._calls % _EXACT_EVERY == 0 or not all(s.is_near(k) for k, s in pairs):
            self.refresh()

    def refresh(self) -> None:
        """Makes all values exact; costs a factorization where weights changed.

        Raises:
            ValueError: a layer is singular, or has weights that are not finite.
        """
        drifts = []
        for layer, state in zip(self.layers, self._states, strict=True):
            if not state.is_fresh(layer):
                drifts.append(state.refresh(layer))
        measured = [drift for drift in drifts if drift is not None]
        if measured:
            self.drift = float(sum(measured))


class _State:
    """One layer's value and the weights it belongs to."""

    def __init__(self, layer: LearnedInverse) -> None:
        kernel = tf.zeros_like(layer.kernel)
        self.kernel = _kept(kernel, f"{layer.name}_kernel_before")
        self.value = _kept(kernel[(0,) * kernel.shape.rank], f"{layer.name}_log_det")
        self.is_exact = _kept(tf.constant(False), f"{layer.name}_is_exact")
        self.is_advanced = _kept(tf.constant(False), f"{layer.name}_is_advanced")

    def advance(self, layer: LearnedInverse, seed: tf.Tensor) -> tf.Tensor:
        step = layer.kernel - self.kernel
        value = self.value + _log_det_change(layer, step, seed)
        # By the step and not by the kernel: the update then needs the old weights,
        # and no optimization of the graph can let it overtake their reading.
        self.kernel.assign_add(step)
        self.value.assign(value)
        self.is_exact.assign(False)
        self.is_advanced.assign(True)
        return tf.stop_gradient(value)

    def exact_value(self, layer: LearnedInverse) -> tf.Tensor:
        unchanged = tf.reduce_all(layer.kernel == self.kernel)
        return tf.cond(
            tf.identity(self.is_exact) & unchanged,
            lambda: tf.identity(self.value),
            lambda: layer.log_abs_det(),
        )

    def is_near(self, layer: LearnedInverse) -> bool:
        """Whether the value is right, or that of a step before."""
        known = tf.convert_to_tensor(self.is_exact | self.is_advanced)
        step = tf.norm(layer.kernel - self.kernel)
        return bool(known & (step <= _FAR * tf.norm(self.kernel)))

    def is_fresh(self, layer: LearnedInverse) -> bool:
        exact = tf.convert_to_tensor(self.is_exact)
        return bool(exact & tf.reduce_all(layer.kernel == self.kernel))

    def refresh(self, layer: LearnedInverse) -> float | None:
        """Returns advanced − exact; None where the value was not advanced to here."""
        exact = _checked_log_abs_det(layer)
        if not bool(tf.convert_to_tensor(self.is_advanced)):
            _check_regular(layer)
        drift = None
        if bool(tf.convert_to_tensor(self.is_advanced)):
            # The last update came after the last advance: carry the value to here.
            step = layer.kernel - self.kernel
            change = _log_det_change(layer, step, tf.constant([0, 0]))
            drift = float(self.value + change) - float(exact)
        if not layer.learns_inverse:
            layer.refresh_inverse()  # type: ignore[attr-defined]
        self.kernel.assign(layer.kernel)
        self.value.assign(exact)
        self.is_exact.assign(True)
        self.is_advanced.assign(False)
        return drift


def _log_det_change(
    layer: LearnedInverse, step: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    """log|det W| − log|det (W − step)|, see `LogDeterminants`."""
    kernel = tf.convert_to_tensor(layer.kernel)
    probes = tf.random.stateless_normal(
        [_NUM_PROBES, *layer.probe_shape], seed, dtype=kernel.dtype
    )
    term = layer.multiply_inverse(layer.multiply(probes, step))
    correction = tf.zeros_like(term)
    for _ in range(_NEUMANN_TERMS):
        image = layer.multiply(term, kernel) - 0.5 * layer.multiply(term, step)
        term -= layer.multiply_inverse(image)
        correction += term
    stochastic = tf.reduce_sum(probes * correction) / _NUM_PROBES
    return tf.reduce_sum(step * layer.log_abs_det_gradient()) + stochastic


def _kept(value: tf.Tensor, name: str) -> tf.Variable:
    """State that every replica computes alike, so that the first one's is all's."""
    return tf.Variable(
        value,
        trainable=False,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        name=name,
    )


def _checked_log_abs_det(layer: LearnedInverse) -> tf.Tensor:
    value = layer.log_abs_det()
    if not np.isfinite(float(value)):
        raise ValueError(
            f"Layer {layer.name} is singular or not finite: log|det W| = "
            f"{float(value)}. Its density does not exist. Load other weights; after "
            "training, lower the learning rate or clip the gradient."
        )
    return value


def _check_regular(layer: LearnedInverse) -> None:
    """Refuses dense weights from outside that are singular but for rounding."""
    if layer.kernel.shape.rank != 2:
        return
    ratio = float(ops.pivot_ratio(tf.convert_to_tensor(layer.kernel)))
    if ratio < 8 * np.finfo(layer.kernel.dtype.as_numpy_dtype).eps:
        raise ValueError(
            f"Layer {layer.name} is singular to rounding: its smallest pivot is "
            f"{ratio:.1e} of its largest. Its density does not exist. Load other "
            "weights, or start from an invertible matrix."
        )
