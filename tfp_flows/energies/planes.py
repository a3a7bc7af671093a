"""Energies on the plane that a density exp(−U(z)) / Z has to be matched to."""

from collections.abc import Callable

import tensorflow as tf

__all__ = ["ENERGIES"]


def _bump(z: tf.Tensor, center: float, width: float) -> tf.Tensor:
    """−½ ((z − center) / width)²."""
    return -0.5 * tf.square((z - center) / width)


def _ring(
    z: tf.Tensor, radius: float, width: float, center: float, spread: float
) -> tf.Tensor:
    """A ring, of which two opposite sides are heavy."""
    sides = [_bump(z[..., 0], sign * center, spread) for sign in (1, -1)]
    radial = _bump(tf.norm(z, axis=-1), radius, width)
    return -radial - tf.reduce_logsumexp(tf.stack(sides), axis=0)


def _wave(z: tf.Tensor) -> tf.Tensor:
    """Distance from a sine, z₂ − sin(2π z₁ / 4)."""
    return z[..., 1] - tf.sin(0.5 * 3.141592653589793 * z[..., 0])


def _two_waves(first: tf.Tensor, second: tf.Tensor, widths: tuple) -> tf.Tensor:
    branches = [_bump(d, 0.0, w) for d, w in zip((first, second), widths, strict=True)]
    return -tf.reduce_logsumexp(tf.stack(branches), axis=0)


def _split(z: tf.Tensor) -> tf.Tensor:
    """A sine that splits around z₁ = 1."""
    split = 3.0 * tf.exp(_bump(z[..., 0], 1.0, 0.6))
    return _two_waves(_wave(z), _wave(z) + split, (0.35, 0.35))


def _fork(z: tf.Tensor) -> tf.Tensor:
    """A sine with a second branch right of z₁ = 1."""
    fork = 3.0 * tf.sigmoid((z[..., 0] - 1.0) / 0.3)
    return _two_waves(_wave(z), _wave(z) + fork, (0.4, 0.35))


ENERGIES: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "ring": lambda z: _ring(z, 2.0, 0.4, 2.0, 0.6),
    "wave": lambda z: -_bump(_wave(z), 0.0, 0.4),
    "split": _split,
    "fork": _fork,
    "moons": lambda z: _ring(z, 1.0, 0.5, 1.0, 0.2),
}
"""Name → U, [batch..., 2] → [batch...]; in the literature U₁, U₂, U₃, U₄ and U₆.

The waves go on for ever: their density is proper on a bounded piece of the plane.

Reference: Rezende and Mohamed (2015), "Variational Inference with Normalizing Flows",
arXiv:1505.05770, table 1; constants and "moons" from the code of Giaquinto and
Banerjee (2020), arXiv:2002.11896.
"""
