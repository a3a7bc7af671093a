"""Multi-scale flow: a part of the event leaves after each level."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfp_flows.bijectors.trainable import TrainableBijector

__all__ = ["MultiScale"]


class MultiScale(TrainableBijector):
    """Image → vector: after each level but the last, half of the channels leave.

        h₀ = x;  (hₖ, eₖ) = split(levelₖ(hₖ₋₁));  z = (e₁, …, e_{L−1}, h_L) flattened

    The last half of the channels leaves. A level that ends with a `Coupling` makes
    what leaves conditional on what stays: the learned prior of Glow.
    log|det J| is the sum of the levels' log-determinants.

    Shapes: x: [batch..., H, W, C]; z: [batch..., H · W · C].

    Args:
        event_shape: (H, W, C) of x.
        levels: bijectors from images to images, first the one nearest the data, with
            distinct names. Context reaches them by name, as in a `tfb.Chain`.
        dtype: dtype of the event.
        validate_args: as in TFP.
        name: name of the bijector.

    Example:
        >>> from tfp_flows.bijectors import Squeeze
        >>> levels = [Squeeze((4, 4, 1)), Squeeze((2, 2, 2), name="squeeze_2")]
        >>> tuple(MultiScale((4, 4, 1), levels).forward(tf.zeros([3, 4, 4, 1])).shape)
        (3, 16)

    Reference: Dinh et al. (2017), "Density estimation using Real NVP",
    arXiv:1605.08803, section 3.6, eq. 14 to 16.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        levels: Sequence[tfb.Bijector],
        *,
        dtype: Any = "float32",
        validate_args: bool = False,
        name: str = "multiscale",
    ) -> None:
        self.levels = list(levels)
        self.input_shape = tuple(event_shape)
        self._check_names()
        self.level_shapes = self._shapes_after_levels()
        super().__init__(event_ndims=3, inverse_min_event_ndims=1)

    def _check_names(self) -> None:
        names = [level.name for level in self.levels]
        if not names or len(set(names)) < len(names):
            raise ValueError(
                f"levels must be a non-empty sequence of bijectors with distinct "
                f"names, received names {names}."
            )

    def _shapes_after_levels(self) -> list[tuple[int, ...]]:
        shapes, shape = [], self.input_shape
        for index, level in enumerate(self.levels):
            shape = tuple(level.forward_event_shape(tf.TensorShape(shape)))
            shapes.append(shape)
            if index < len(self.levels) - 1:
                if shape[-1] < 2:
                    raise ValueError(
                        f"Level {level.name} leaves {shape[-1]} channel; a split "
                        "needs two. Squeeze in the level or use fewer levels."
                    )
                shape = (*shape[:-1], shape[-1] - shape[-1] // 2)
        return shapes

    @property
    def event_size(self) -> int:
        """H · W · C, the size of z."""
        height, width, channels = self.input_shape
        return height * width * channels

    def through_levels(
        self,
        x: tf.Tensor,
        apply: Callable[[tfb.Bijector, tf.Tensor, dict[str, Any]], tf.Tensor],
        context: dict[str, Any],
    ) -> tf.Tensor:
        """Returns z, with apply(level, h, arguments) in place of each level's map.

        Args:
            x: [batch..., H, W, C].
            apply: computes the image of h under a level.
            context: arguments by level's name.
        """
        left = []
        for index, level in enumerate(self.levels):
            y = apply(level, x, context.get(level.name, {}))
            if index < len(self.levels) - 1:
                x, y = tf.split(y, _halves(y.shape[-1]), axis=-1)
            left.append(_flatten(y))
        return tf.concat(left, axis=-1)

    def _forward_event_shape(self, input_shape: tf.TensorShape) -> tf.TensorShape:
        return tf.TensorShape([self.event_size])

    def _inverse_event_shape(self, output_shape: tf.TensorShape) -> tf.TensorShape:
        return tf.TensorShape(self.input_shape)

    def _forward_event_shape_tensor(self, input_shape: tf.Tensor) -> tf.Tensor:
        return tf.constant([self.event_size])

    def _inverse_event_shape_tensor(self, output_shape: tf.Tensor) -> tf.Tensor:
        return tf.constant(self.input_shape)

    def _forward_and_log_det(
        self, x: tf.Tensor, **context: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        log_dets = []

        def apply(level: tfb.Bijector, h: tf.Tensor, arguments: Any) -> tf.Tensor:
            y = level.forward(h, **arguments)
            log_dets.append(level.forward_log_det_jacobian(h, 3, **arguments))
            return y

        # A sum of tensors, since a constant log-det may come without batch axes.
        return self.through_levels(x, apply, context), sum(log_dets)

    def _inverse_and_log_det(
        self, y: tf.Tensor, **context: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        parts = tf.split(y, self._part_sizes(), axis=-1)
        x, log_det = None, tf.zeros([], y.dtype)
        for level, shape, part in reversed(
            list(zip(self.levels, self.level_shapes, parts, strict=True))
        ):
            arguments = context.get(level.name, {})
            output = _unflatten(x, part, shape)
            x = level.inverse(output, **arguments)
            log_det += level.inverse_log_det_jacobian(output, 3, **arguments)
        return x, log_det

    def _part_sizes(self) -> list[int]:
        sizes = []
        for index, (height, width, channels) in enumerate(self.level_shapes):
            last = index == len(self.level_shapes) - 1
            sizes.append(height * width * (channels if last else channels // 2))
        return sizes


def _halves(channels: int) -> list[int]:
    return [channels - channels // 2, channels // 2]


def _flatten(x: tf.Tensor) -> tf.Tensor:
    size = x.shape[-1] * x.shape[-2] * x.shape[-3]
    return tf.reshape(x, tf.concat([tf.shape(x)[:-3], [size]], 0))


def _unflatten(
    kept: tf.Tensor | None, part: tf.Tensor, shape: Sequence[int]
) -> tf.Tensor:
    """Joins a level's two halves; the last level has only `part`."""
    height, width, channels = shape
    here = channels if kept is None else channels // 2
    image = tf.reshape(part, tf.concat([tf.shape(part)[:-1], [height, width, here]], 0))
    return image if kept is None else tf.concat([kept, image], axis=-1)
