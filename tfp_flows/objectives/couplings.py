"""Which draw of the base a row of a batch is led to."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

__all__ = ["nearest_in_orbits", "nearest_overall"]

# Rows that are assigned at once: of particles each pair of rows is aligned first.
_ROWS, _CONFIGURATIONS = 1024, 32


def nearest_overall(u: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
    """Z permuted so that Σ |u − z|² over the batch is least, [N, event...]."""

    def assign(u: np.ndarray, z: np.ndarray) -> np.ndarray:
        left, right = u.reshape(len(u), -1), z.reshape(len(z), -1)
        squares = (left**2).sum(1)[:, None] + (right**2).sum(1) - 2 * left @ right.T
        return z[_assigned(squares)]

    return _in_blocks(assign, u, z, _ROWS)


def nearest_in_orbits(u: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
    """Draws of particles permuted, turned or mirrored, and assigned to rows.

    For each row and draw the particles are assigned to each other, the draw is then
    turned onto the row by the singular vectors of their product; Σ |u − z|² over the
    batch of those is least. Both are centered first.

    Args:
        u: [B, N, n], rows.
        z: [B, N, n], draws of a base that the group does not change.

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

    def align(u: np.ndarray, z: np.ndarray) -> np.ndarray:
        u, z = (x - x.mean(axis=1, keepdims=True) for x in (u, z))
        products = np.einsum("aik,bjk->abij", u, z)
        orders = np.array([[_assigned(-p) for p in row] for row in products])
        permuted = z[np.arange(len(z))[:, None], orders]
        left, sizes, right = np.linalg.svd(
            np.einsum("abik,ail->abkl", permuted, u), full_matrices=False
        )
        # |u|² and |z|² are the same in every assignment.
        chosen = np.arange(len(u)), _assigned(-sizes.sum(axis=-1))
        return permuted[chosen] @ (left @ right)[chosen]

    return _in_blocks(align, u, z, _CONFIGURATIONS)


def _assigned(costs: np.ndarray) -> np.ndarray:
    from scipy.optimize import linear_sum_assignment

    return linear_sum_assignment(costs)[1]


def _in_blocks(
    pair: Callable[[np.ndarray, np.ndarray], np.ndarray],
    u: tf.Tensor,
    z: tf.Tensor,
    size: int,
) -> tf.Tensor:
    def paired(u: np.ndarray, z: np.ndarray) -> np.ndarray:
        starts = range(0, len(u), size)
        blocks = [
            pair(u[start : start + size], z[start : start + size]) for start in starts
        ]
        return np.concatenate(blocks).astype(z.dtype)

    found = tf.numpy_function(paired, [u, z], z.dtype, stateful=False)
    return tf.ensure_shape(found, z.shape)
