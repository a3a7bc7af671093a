"""log|det W| of layers with a learned inverse, known without a factorization a step."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfp_flows.bijectors import LearnedInverse

__all__ = ["LogDeterminants"]


class LogDeterminants:
    """Keeps log|det W| of each layer: exact at rest, advanced along the updates.

    At rest the value is computed once for a set of weights, by a factorization
    outside of any training or test step. In training it is advanced from step to
    step by the derivative, O(D²):

        log|det W′| ≈ log|det W| + ½ ⟨W′ − W, G + G′⟩,  G = ∂ log|det W| / ∂W from R

    The state of a layer is the value, the weights it belongs to and G there; the
    weights tell whether somebody changed them in between.

    Args:
        layers: those that `learned_inverses` finds.

    Attributes:
        drift: Σ (advanced − exact) in nats over the layers, at the last refresh that
            followed training; 0 before.
    """

    def __init__(self, layers: Sequence[LearnedInverse]) -> None:
        self.layers = list(layers)
        self.drift = 0.0
        self._states = [_State(layer) for layer in self.layers]

    def advance(self) -> dict[int, tf.Tensor]:
        """Carries the values to the present weights, O(D²); for a training step.

        Returns:
            id of the layer → log|det W|.
        """
        return {
            id(layer): state.advance(layer)
            for layer, state in zip(self.layers, self._states, strict=True)
        }

    def at_rest(self) -> dict[int, tf.Tensor]:
        """Returns exact values: the kept ones, or computed where weights changed."""
        return {
            id(layer): state.exact_value(layer)
            for layer, state in zip(self.layers, self._states, strict=True)
        }

    def present(self) -> dict[int, tf.Tensor]:
        """Returns the values as they are kept, exact or advanced."""
        return {
            id(layer): tf.identity(state.value)
            for layer, state in zip(self.layers, self._states, strict=True)
        }

    def numbers(self) -> dict[int, tf.Tensor]:
        """Returns the values as constants, for a graph that is kept by itself."""
        with tf.init_scope():
            values = {key: float(value) for key, value in self.present().items()}
        return {
            id(layer): tf.constant(values[id(layer)], layer.kernel.dtype)
            for layer in self.layers
        }

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
    """One layer's value and what it belongs to."""

    def __init__(self, layer: LearnedInverse) -> None:
        self.kernel = _kept(tf.zeros_like(layer.kernel), f"{layer.name}_kernel_before")
        self.gradient = _kept(
            tf.zeros_like(layer.kernel), f"{layer.name}_gradient_before"
        )
        self.value = _kept(
            tf.zeros([], layer.kernel.dtype), f"{layer.name}_log_abs_det"
        )
        self.is_exact = _kept(tf.constant(False), f"{layer.name}_is_exact")
        self.is_advanced = _kept(tf.constant(False), f"{layer.name}_is_advanced")

    def advance(self, layer: LearnedInverse) -> tf.Tensor:
        kernel = tf.convert_to_tensor(layer.kernel)
        gradient = layer.log_abs_det_gradient()
        step = (kernel - self.kernel) * (gradient + self.gradient)
        value = self.value + 0.5 * tf.reduce_sum(step)
        self.kernel.assign(kernel)
        self.gradient.assign(gradient)
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

    def is_fresh(self, layer: LearnedInverse) -> bool:
        exact = tf.convert_to_tensor(self.is_exact)
        return bool(exact & tf.reduce_all(layer.kernel == self.kernel))

    def refresh(self, layer: LearnedInverse) -> float | None:
        """Returns advanced − exact; None where the value was not advanced to here."""
        exact = _checked_log_abs_det(layer)
        drift = None
        if bool(tf.convert_to_tensor(self.is_advanced)):
            # The last update came after the last advance: carry the value to here.
            gradient = layer.log_abs_det_gradient()
            step = (layer.kernel - self.kernel) * (gradient + self.gradient)
            drift = float(self.value + 0.5 * tf.reduce_sum(step)) - float(exact)
        if not layer.learns_inverse:
            layer.refresh_inverse()  # type: ignore[attr-defined]
        self.kernel.assign(layer.kernel)
        self.gradient.assign(layer.log_abs_det_gradient())
        self.value.assign(exact)
        self.is_exact.assign(True)
        self.is_advanced.assign(False)
        return drift


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
