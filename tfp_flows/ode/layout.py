"""A structure of tensors as the columns of one matrix, and back."""

from typing import Any

import tensorflow as tf

__all__ = ["Layout"]


class Layout:
    """Where the components of a state and of its quadrature stand in [B, F].

    One matrix makes one operation of what would be one for each component. Columns of
    the quadrature come last.

    Args:
        state: structure of [B, ...] tensors.
        quadrature: structure of [B, ...] tensors; () for none.

    Raises:
        ValueError: a component has no axis of rows, or dtypes differ.
    """

    def __init__(self, state: Any, quadrature: Any = ()) -> None:
        self._structure = (state, quadrature)
        parts = tf.nest.flatten(self._structure)
        for part in parts:
            if part.shape.rank in (None, 0) or not part.shape[1:].is_fully_defined():
                raise ValueError(
                    "state: expected tensors of a known shape [B, ...], rows first, "
                    f"received shape {part.shape}; one row is y[tf.newaxis]."
                )
            if part.dtype != parts[0].dtype or not part.dtype.is_floating:
                raise ValueError(
                    "state: expected one floating dtype, received "
                    f"{parts[0].dtype.name} and {part.dtype.name}."
                )
        self._shapes = [part.shape[1:].as_list() for part in parts]
        self.sizes = [part.shape[1:].num_elements() for part in parts]
        self.num_components = len(tf.nest.flatten(state))
        self.dtype = parts[0].dtype
        # Time broadcasts against the first component.
        self._time_axes = [1] * (parts[0].shape.rank - 1)

    @property
    def components(self) -> list[slice]:
        """Columns of each component of the state, the quadrature left out."""
        ends = [sum(self.sizes[: index + 1]) for index in range(self.num_components)]
        return [
            slice(end - size, end) for end, size in zip(ends, self.sizes, strict=False)
        ]

    def pack(self, state: Any, quadrature: Any = ()) -> tf.Tensor:
        """Returns [B, F]."""
        parts = tf.nest.flatten((state, quadrature))
        flat = [
            tf.reshape(part, [-1, size])
            if size
            else tf.reshape(part, [tf.shape(part)[0], 0])
            for part, size in zip(parts, self.sizes, strict=True)
        ]
        return flat[0] if len(flat) == 1 else tf.concat(flat, axis=-1)

    def unpack(self, flat: tf.Tensor) -> tuple[Any, Any]:
        """Returns state and quadrature of [..., F]."""
        leading = tf.shape(flat)[:-1]
        static = flat.shape[:-1]
        parts = []
        for part, shape in zip(
            tf.split(flat, self.sizes, axis=-1), self._shapes, strict=True
        ):
            if len(shape) != 1:
                part = tf.reshape(part, tf.concat([leading, shape], axis=0))
            parts.append(tf.ensure_shape(part, [*static, *shape]))
        return tf.nest.pack_sequence_as(self._structure, parts)

    def time(self, t: tf.Tensor) -> tf.Tensor:
        """[B] → [B, 1, ...], which broadcasts against the first component."""
        return tf.reshape(t, [-1, *self._time_axes])

    def pack_slope(self, slope: Any) -> tf.Tensor:
        """Returns [B, F] of what a velocity returned.

        Raises:
            ValueError: it has not the state's structure, shapes or dtype.
        """
        expected_state, expected_quadrature = self._structure
        state, quadrature = slope, ()
        if tf.nest.flatten(expected_quadrature):
            if not isinstance(slope, tuple) or len(slope) != 2:
                raise ValueError(
                    "velocity: expected (velocity, slope of the quadrature), received "
                    f"{type(slope).__name__}."
                )
            state, quadrature = slope
        for name, got, wanted in (
            ("velocity", state, expected_state),
            ("slope of the quadrature", quadrature, expected_quadrature),
        ):
            self._check(name, got, wanted)
        return self.pack(state, quadrature)

    def _check(self, name: str, received: Any, expected: Any) -> None:
        try:
            tf.nest.assert_same_structure(expected, received)
        except (TypeError, ValueError):
            raise ValueError(
                f"{name}: expected the structure of the state, "
                f"{tf.nest.map_structure(lambda part: part.shape, expected)}, received "
                f"{tf.nest.map_structure(lambda part: part.shape, received)}."
            ) from None
        for got, wanted in zip(
            tf.nest.flatten(received), tf.nest.flatten(expected), strict=True
        ):
            got = tf.convert_to_tensor(got)
            is_same = got.dtype == wanted.dtype and got.shape.rank == wanted.shape.rank
            if not is_same or not got.shape[1:].is_compatible_with(wanted.shape[1:]):
                raise ValueError(
                    f"{name}: expected shape {wanted.shape} and {wanted.dtype.name} as "
                    f"its state has, received {got.shape} and {got.dtype.name}."
                )
