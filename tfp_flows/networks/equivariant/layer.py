"""What one layer of a graph network computes, from its weights by name."""

from typing import Any

import tensorflow as tf

from tfp_flows.networks.equivariant.dual import Dual, nearness, sigmoid, silu, tanh

__all__ = ["kernels_of_ends", "messages", "through", "updated"]


def through(layer: dict[str, Any], x: Dual) -> Dual:
    """X W + b."""
    return (x @ layer["kernel"]).plus(layer["bias"])


def kernels_of_ends(block: dict[str, Any]) -> list[tf.Tensor]:
    """Parts of W for hᵢ and hⱼ: products of particles, not of pairs."""
    weights = tf.identity(block["edge"]["kernel"])
    return tf.split(weights[:-2], 2)


def messages(
    block: dict[str, Any], ends: Dual, squared: Dual, origin: Dual, farthest: float
) -> tuple[Dual, Dual]:
    """Message of each pair, and its push over their difference, [B, N, N, 1]."""
    weights = tf.identity(block["edge"]["kernel"])
    hidden = ends.plus(block["edge"]["bias"])
    hidden += squared.linear(lambda d: d * weights[-2])
    hidden += origin.linear(lambda d: d * weights[-1])
    message = hidden.map(silu)
    message = through(block["message"], message).map(silu)
    if "gate" in block:
        message *= through(block["gate"], message).map(sigmoid)
    length = through(block["push"], message).map(silu)
    length = (length @ block["length"]["kernel"]).map(tanh)
    length *= squared.map(nearness)
    return message, length.linear(lambda v: farthest * v)


def updated(block: dict[str, Any], h: Dual, message: Dual) -> Dual:
    """What a layer adds to the features of each particle."""
    weights = tf.identity(block["node"]["kernel"])
    own, received = tf.split(weights, 2)
    hidden = h @ own + message @ received
    hidden = hidden.plus(block["node"]["bias"]).map(silu)
    return through(block["update"], hidden)
