"""Atoms of a molecule as bonds, angles and torsions."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfp_flows.bijectors.trainable import TrainableBijector
from tfp_flows.ops import from_internal, internal_log_volume, to_internal

__all__ = ["InternalCoordinates"]

_BINS, _SHARPNESS = 72, 20.0


class InternalCoordinates(TrainableBijector):
    """Positions to N − 1 bonds, N − 2 angles, N − 3 torsions: [N, 3] → [3 N − 6].

    How a molecule is shifted and turned goes lost, and its inverse places it: the first
    atom at 0, the second at x > 0, the third at y > 0 of z = 0. With each torsion in
    (−π, π] about its `center`,

        log|det J| = −Σ 2 log r − Σ log sin θ

    of all N − 1 bonds r and N − 2 angles θ, so that a density is one over shapes in
    the volume of all 3 N positions, less that of where the first atom stands and 8π² of
    turning: exp(−U) of an energy that neither changes is in the same units, and needs
    no other factor to weight draws by. A mirror image is another shape.

    Bonds are positive, angles in (0, π), torsions in 2π about their center: `Bounded`
    behind it keeps a flow there,

        shapes = InternalCoordinates(z_matrix)
        flow = coupling_flow(shapes.size)
        layers = [tfb.Invert(shapes), tfb.Invert(Bounded(*shapes.ends)), flow.bijector]
        flow = tfd.TransformedDistribution(flow.distribution, tfb.Chain(layers))

    Shapes: x: [batch..., N, 3], y: [batch..., 3 N − 6].

    Args:
        z_matrix: N rows (a), (a, i), (a, i, j) and then (a, i, j, k): the atom a that
            is placed and those of earlier rows that it is placed by, by its distance
            from i, the angle at i with j, and the torsion about i → j against k.
        dtype: dtype of the event.
        validate_args: as in TFP.
        name: name of the bijector.

    Raises:
        ValueError: rows of other lengths, or that name an atom that is not there yet.

    Example:
        >>> water = InternalCoordinates([(0,), (1, 0), (2, 0, 1)])
        >>> water.forward([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 2.0]]).numpy()
        array([1.       , 2.       , 1.5707964], dtype=float32)

    Reference: Noé et al. (2019), "Boltzmann generators", arXiv:1812.01729.
    """

    def __init__(
        self,
        z_matrix: Sequence[Sequence[int]],
        *,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "internal_coordinates",
    ) -> None:
        rows = tuple(tuple(int(atom) for atom in row) for row in z_matrix)
        _check_rows(rows)
        self.z_matrix = rows
        self.center = tf.Variable(
            tf.zeros([len(rows) - 3], dtype), trainable=False, name=f"{name}_center"
        )
        self.initialized = tf.Variable(
            False, trainable=False, name=f"{name}_initialized"
        )
        super().__init__(
            event_ndims=2, inverse_min_event_ndims=1, parameters={"z_matrix": rows}
        )

    @property
    def size(self) -> int:
        """3 N − 6."""
        return 3 * len(self.z_matrix) - 6

    @property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends of y, each [3 N − 6]."""
        count = len(self.z_matrix)
        counts = [count - 1, count - 2, count - 3]
        low = np.repeat([0.0, 0.0, -math.pi], counts)
        return low, np.repeat([np.inf, math.pi, math.pi], counts)

    def initialize(self, x: Any) -> None:
        """Cuts each torsion where there are fewest rows: opposite to its center.

        Args:
            x: [rows..., N, 3].

        Raises:
            ValueError: x is of other atoms or not finite.
        """
        rows = np.asarray(x, "float64")
        count = len(self.z_matrix)
        if (
            rows.ndim < 3
            or rows.shape[-2:] != (count, 3)
            or not np.isfinite(rows).all()
        ):
            raise ValueError(
                f"{self.name}.initialize: expected finite positions [rows..., {count}, "
                f"3], received shape {rows.shape}: give as many atoms as the Z-matrix."
            )
        found = to_internal(tf.constant(rows), self.z_matrix).numpy()
        torsions = found[..., 2 * count - 3 :].reshape(-1, count - 3)
        self.center.assign([_opposite_of_emptiest(column) for column in torsions.T])
        self.initialized.assign(True)

    def _forward_event_shape(self, input_shape: tf.TensorShape) -> tf.TensorShape:
        return tf.TensorShape([self.size])

    def _inverse_event_shape(self, output_shape: tf.TensorShape) -> tf.TensorShape:
        return tf.TensorShape([len(self.z_matrix), 3])

    def _forward_event_shape_tensor(self, input_shape: tf.Tensor) -> tf.Tensor:
        return tf.constant([self.size])

    def _inverse_event_shape_tensor(self, output_shape: tf.Tensor) -> tf.Tensor:
        return tf.constant([len(self.z_matrix), 3])

    def _forward_and_log_det(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        q = to_internal(x, self.z_matrix)
        lengths, torsions = self._parts(q)
        turned = torsions - self.center
        turned -= 2 * math.pi * tf.round(turned / (2 * math.pi))
        y = tf.concat([lengths, turned], axis=-1)
        return y, -internal_log_volume(q, len(self.z_matrix))

    def _inverse_and_log_det(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        lengths, turned = self._parts(y)
        q = tf.concat([lengths, turned + self.center], axis=-1)
        volume = internal_log_volume(q, len(self.z_matrix))
        return from_internal(q, self.z_matrix), volume

    def _parts(self, q: tf.Tensor) -> list[tf.Tensor]:
        """Bonds and angles, and torsions."""
        count = len(self.z_matrix)
        return tf.split(q, [2 * count - 3, count - 3], axis=-1)


def _check_rows(rows: tuple[tuple[int, ...], ...]) -> None:
    lengths = [min(i + 1, 4) for i in range(len(rows))]
    placed: set[int] = set()
    for row, length in zip(rows, lengths, strict=True):
        known = len(row) == length == len(set(row)) and placed.issuperset(row[1:])
        if not known or row[0] in placed:
            raise ValueError(
                "z_matrix: expected rows (a), (a, i), (a, i, j), (a, i, j, k), … of an "
                f"atom and those of earlier rows it is placed by, received {row}."
            )
        placed.add(row[0])
    if len(rows) < 3 or placed != set(range(len(rows))):
        raise ValueError(
            "z_matrix: expected a row for each of the atoms 0 … N − 1, N ≥ 3, "
            f"received rows for {sorted(placed)}."
        )


def _opposite_of_emptiest(angles: np.ndarray) -> float:
    """π from where a smoothed histogram of angles is lowest, in (−π, π]."""
    edges = np.linspace(-math.pi, math.pi, _BINS + 1)
    counts, _ = np.histogram(angles, edges)
    middle = 0.5 * (edges[1:] + edges[:-1])
    near = np.exp(_SHARPNESS * (np.cos(edges[1:, None] - middle) - 1))
    emptiest = edges[1:][np.argmin(near @ counts)]
    return float(emptiest - math.copysign(math.pi, emptiest))
