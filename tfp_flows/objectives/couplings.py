"""Which draw of the base a row of a batch is led to."""

import itertools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfp_flows.ops import centered

__all__ = ["nearest_in_orbits", "nearest_overall"]

# Rows that are assigned at once: of particles each pair of rows is aligned first.
_ROWS, _CONFIGURATIONS, _PLANAR = 1024, 32, 256
# Few enough particles that all their orders can be tried.
_FEW = 4


def nearest_overall(
    u: tf.Tensor, z: tf.Tensor, features: tf.Tensor | None = None
) -> tf.Tensor:
    """Z permuted so that Σ |u − z|² over the batch is least, [N, event...].

    With features of particles, [N, places, K], among rows whose features are equal.
    """

    def assign(u: np.ndarray, z: np.ndarray, features: np.ndarray) -> np.ndarray:
        left, right = u.reshape(len(u), -1), z.reshape(len(z), -1)
        squares = (left**2).sum(1)[:, None] + (right**2).sum(1) - 2 * left @ right.T
        return z[_assigned(np.where(_alike(features), squares, np.inf))]

    return _in_blocks(assign, u, z, features, _ROWS)


def nearest_in_orbits(
    u: tf.Tensor, z: tf.Tensor, features: tf.Tensor | None = None
) -> tf.Tensor:
    """Draws of particles permuted, turned or mirrored, and assigned to rows.

    For each row and draw the particles are assigned to each other, the draw is then
    turned onto the row by the singular vectors of their product; Σ |u − z|² over the
    batch of those is least. Both are centered first. Of up to four particles in the
    plane the order is the best one of all, turned: no orbit comes nearer.

    Of particles of several kinds only those with equal features change places, and
    only rows whose features are equal their draws: anything else would lead a draw to
    a row whose base it is not of.

    Args:
        u: [B, N, n], rows.
        z: [B, N, n], draws of a base that the group does not change.
        features: [B, N, K], all 0 in a place without a particle, which keeps its place;
            None: equal particles.

    Returns:
        [B, N, n].

    Raises:
        ValueError: events are no positions of particles, [N, n].

    Reference: Klein et al. (2023), "Equivariant flow matching", arXiv:2306.15030,
    section 4.2.
    """
    if u.shape.rank != 3:
        raise ValueError(
            'coupling "orbit": expected positions of particles, events [N, n], '
            f'received events of shape {tuple(u.shape[1:])}: take "optimal".'
        )

    count, dimension = u.shape[1:]
    is_planar = count <= _FEW and dimension <= 2 and features is None
    present = None
    if features is not None:
        present = tf.reduce_any(features != 0, axis=-1, keepdims=True)
        present = tf.cast(present, u.dtype)
    u, z = centered(u, present), centered(z, present)

    def align(u: np.ndarray, z: np.ndarray, features: np.ndarray) -> np.ndarray:
        if is_planar:
            orders, scores = _best_of_all(u, z)
        else:
            orders, scores = _assigned_particles(u, z, features)
        rows, chosen = np.arange(len(u)), _assigned(-scores)
        permuted = z[chosen[:, None], orders[rows, chosen]]
        left, _, right = np.linalg.svd(np.swapaxes(permuted, 1, 2) @ u)
        return permuted @ (left @ right)

    size = _PLANAR if is_planar else _CONFIGURATIONS
    return _in_blocks(align, u, z, features, size)


def _assigned_particles(
    u: np.ndarray, z: np.ndarray, features: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Orders of z's particles for each row, [A, B, N], and Σ of products turned.

    The sum is −∞ for a row and a draw of another one's features.
    """
    alike = _alike(features)
    exchanged = (features[:, :, None] == features[:, None]).all(axis=-1)
    costs = np.where(exchanged[:, None], -np.einsum("aik,bjk->abij", u, z), np.inf)
    orders = np.broadcast_to(np.arange(u.shape[1]), costs.shape[:3]).copy()
    for row, draw in np.argwhere(alike):
        orders[row, draw] = _assigned(costs[row, draw])
    permuted = z[np.arange(len(z))[:, None], orders]
    cross = np.einsum("abik,ail->abkl", permuted, u)
    # |u|² and |z|² are the same in every assignment.
    scores = np.linalg.svd(cross, compute_uv=False).sum(axis=-1)
    return orders, np.where(alike, scores, -np.inf)


def _alike(features: np.ndarray) -> np.ndarray:
    """Which two rows have equal features, [A, A]."""
    rows = features.reshape(len(features), -1)
    _, kinds = np.unique(rows, axis=0, return_inverse=True)
    kinds = kinds.reshape(-1)
    return kinds[:, None] == kinds


def _best_of_all(u: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `_assigned_particles`, of all orders of few particles in the plane."""
    orders = np.array(list(itertools.permutations(range(u.shape[1]))))
    u, z = (np.pad(x, [(0, 0), (0, 0), (0, 2 - x.shape[2])]) for x in (u, z))
    rows = np.concatenate([u[..., 0], u[..., 1]], axis=1)
    x, y = (z[:, orders, axis].reshape(-1, u.shape[1]).T for axis in (0, 1))

    def square(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return (rows @ np.concatenate([first, second])) ** 2

    # As complex numbers: |Σ ū z| is Σ of products of z turned, |Σ u z| of z mirrored.
    turned = square(x, y) + square(y, -x)
    squares = np.maximum(turned, square(x, -y) + square(y, x))
    squares = squares.reshape(len(u), len(z), -1)
    return orders[squares.argmax(axis=-1)], np.sqrt(squares.max(axis=-1))


def _assigned(costs: np.ndarray) -> np.ndarray:
    from scipy.optimize import linear_sum_assignment

    return linear_sum_assignment(costs)[1]


def _in_blocks(
    pair: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    u: tf.Tensor,
    z: tf.Tensor,
    features: tf.Tensor | None,
    size: int,
) -> tf.Tensor:
    if features is None:
        features = tf.zeros([tf.shape(u)[0], u.shape[1], 1], u.dtype)

    def paired(*parts: np.ndarray) -> np.ndarray:
        starts = range(0, len(parts[0]), size)
        blocks = [pair(*(x[start : start + size] for x in parts)) for start in starts]
        return np.concatenate(blocks).astype(parts[1].dtype)

    found = tf.numpy_function(paired, [u, z, features], z.dtype, stateful=False)
    return tf.ensure_shape(found, z.shape)
