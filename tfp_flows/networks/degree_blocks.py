"""Solving a masked network for its input, one evaluation of its units in all.

A feature completes only the hidden units of one degree. Units sorted by degree, all
weights are block triangular:

    for each block of ≈ √D features:
        what the blocks before contribute                      one product a layer
        for each of its features: the block's own units, then the feature

The products of the first line add up to one evaluation of the network; those of the
second are √D times those of the diagonal blocks, as much again. Rows of a batch stand
last, so that a block is contiguous.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

__all__ = ["solve"]

_Inverse = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


class _Layer(NamedTuple):
    """A dense layer in K blocks of degrees, padded to equal sizes."""

    kernel: tf.Tensor  # [K, outputs, K, inputs], zero where masked.
    bias: tf.Tensor  # [K, outputs, N or 1].
    activation: Callable[[tf.Tensor], tf.Tensor]


def solve(
    layers: Sequence[Any],
    degrees: Sequence[np.ndarray],
    inverse: _Inverse,
    y: tf.Tensor,
    context: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns x with xᵢ = inverse(yᵢ; θᵢ(x₁ … xᵢ₋₁, c)), and log dx/dy.

    Args:
        layers: dense layers, from features and context to parameters.
        degrees: of the units of each hidden layer, in 0 … D − 1.
        inverse: y, [N], and parameters, [P, N] → x, log dx/dy; elementwise.
        y: [N, D].
        context: [N, C], C ≥ 0.

    Returns:
        Both [N, D].
    """
    size = y.shape[-1]
    block_size = -(-size // round(math.sqrt(size)))
    blocked = _blocked(layers, degrees, size, block_size, tf.transpose(context))
    count = blocked[0].kernel.shape[0]
    padding = [[0, count * block_size - size], [0, 0]]
    rows = tf.shape(y)[0]
    y = tf.reshape(tf.pad(tf.transpose(y), padding), [count, block_size, rows])

    def find_block(block: tf.Tensor, *known: tf.Tensor) -> Any:
        found = _find_block(blocked, block, inverse, y[block], known[1:])
        grown = (
            tf.tensor_scatter_nd_update(blocks, [[block]], [new])
            for blocks, new in zip(known, found, strict=True)
        )
        return block + 1, *grown

    # What is not known yet is zero. The loops have known lengths, which lets XLA
    # compile them and a gradient pass through them.
    widths = [block_size, *(layer.kernel.shape[-1] for layer in blocked)]
    _, *found = tf.while_loop(
        lambda block, *_: block < count,
        find_block,
        (
            tf.constant(0),
            *(tf.zeros([count, units, rows], y.dtype) for units in widths),
        ),
        maximum_iterations=count,
    )
    log_slope, x = (
        tf.reshape(part, [count * block_size, rows])[:size] for part in found[:2]
    )
    return tf.transpose(x), tf.transpose(log_slope)


def _find_block(
    layers: Sequence[_Layer],
    block: tf.Tensor,
    inverse: _Inverse,
    y: tf.Tensor,
    known: Sequence[tf.Tensor],
) -> tuple[tf.Tensor, ...]:
    """Returns log-slopes, features and hidden units of a block, [units, N] each."""
    size, rows = y.shape[0], tf.shape(y)[1]
    before, own = [], []
    for layer, values in zip(layers, known, strict=True):
        kernel = layer.kernel[block]
        outputs, blocks, units_a_block = kernel.shape
        width = blocks * units_a_block
        joined = tf.reshape(kernel, [outputs, width])
        before.append(layer.bias[block] + joined @ tf.reshape(values, [width, rows]))
        own.append(tf.gather(kernel, block, axis=1))
    # The last layer's outputs by feature: its parameters.
    last_before = tf.reshape(before[-1], [size, outputs // size, rows])
    last_own = tf.reshape(own[-1], [size, outputs // size, units_a_block])

    def units(x: tf.Tensor) -> list[tf.Tensor]:
        values = [x]
        for layer, given, kernel in zip(layers[:-1], before, own, strict=False):
            values.append(layer.activation(given + kernel @ values[-1]))
        return values

    def find_feature(step: tf.Tensor, log_slope: tf.Tensor, x: tf.Tensor) -> Any:
        parameters = last_before[step] + last_own[step] @ units(x)[-1]
        found = inverse(y[step], parameters)
        here = tf.range(size)[:, tf.newaxis] == step
        log_slope, x = (
            tf.where(here, new, old)
            for new, old in zip(found[::-1], (log_slope, x), strict=True)
        )
        return step + 1, log_slope, x

    _, log_slope, x = tf.while_loop(
        lambda step, *_: step < size,
        find_feature,
        (tf.constant(0), tf.zeros_like(y), tf.zeros_like(y)),
        maximum_iterations=size,
    )
    return log_slope, *units(x)


def _blocked(
    layers: Sequence[Any],
    degrees: Sequence[np.ndarray],
    size: int,
    block_size: int,
    context: tf.Tensor,
) -> list[_Layer]:
    """The layers, their units sorted by degree, with the context in the first bias."""
    features = np.arange(size)
    parameters = np.tile(features, layers[-1].units // size)
    order = _order(features, size, block_size)
    # Units see a feature from the next degree on, and what pads never.
    seen_from = np.where(order < 0, size, order + 1)
    blocked: list[_Layer] = []
    for layer, degree in zip(layers, [*degrees, parameters], strict=True):
        kernel = tf.transpose(tf.convert_to_tensor(layer.kernel))
        bias = tf.convert_to_tensor(layer.bias)[:, tf.newaxis]
        if not blocked and context.shape[0] != 0:
            bias += kernel[:, size:] @ context
        outputs = _order(degree, size, block_size)
        kernel = _take(_take(kernel, outputs), order, axis=2)
        # Compared in the graph: as a constant the mask would be as large as a kernel.
        mask = tf.constant(degree[outputs])[..., tf.newaxis, tf.newaxis] >= seen_from
        blocked.append(
            _Layer(
                kernel * tf.cast(mask, kernel.dtype),
                _take(bias, outputs),
                layer.activation,
            )
        )
        order, seen_from = outputs, np.where(outputs < 0, size, degree[outputs])
    return blocked


def _order(degrees: np.ndarray, size: int, block_size: int) -> np.ndarray:
    """Units of each block by degree 0 … D − 1, [K, units], padded with −1."""
    order = np.argsort(degrees, kind="stable")
    cuts = np.arange(block_size, size, block_size)
    blocks = np.split(order, np.searchsorted(degrees[order], cuts))
    width = max(map(len, blocks))
    return np.stack(
        [np.pad(b, (0, width - len(b)), constant_values=-1) for b in blocks]
    )


def _take(tensor: tf.Tensor, order: np.ndarray, axis: int = 0) -> tf.Tensor:
    """Gathers by an order; what pads is any unit."""
    return tf.gather(tensor, np.maximum(order, 0), axis=axis)
