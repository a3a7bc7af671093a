"""Products with Jacobians and their largest singular values, without the Jacobians.

J = ∂f/∂x of a function that treats every row by itself. Backward through f is w → Jᵀ w.
That is linear in w, so backward through it, towards w, is v → J v.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

__all__ = [
    "Function",
    "jacobian",
    "jacobian_vector",
    "largest_singular_value",
    "power_step",
    "vector_jacobian",
]

Function = Callable[[tf.Tensor], tf.Tensor]
"""f: [N, event...] → [N, event'...], each row from the same row alone."""

_ZERO = tf.UnconnectedGradients.ZERO


def vector_jacobian(
    function: Function, x: tf.Tensor, w: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns f(x) and Jᵀ w of each row, by one pass backward.

    With E[ε εᵀ] = I, E[ε · Jᵀ ε] = tr J: the divergence of a vector field from the one
    pass that gives its value (Hutchinson 1989, "A stochastic estimator of the trace of
    the influence matrix for Laplacian smoothing splines").

    Args:
        function: f.
        x: [N, event...].
        w: shaped as f(x).

    Returns:
        f(x) and Jᵀ w, the latter shaped as x.
    """
    # A fresh tensor: TFP's cache would give an image from before the tape.
    x = tf.identity(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return y, tape.gradient(y, x, w, unconnected_gradients=_ZERO)


def jacobian_vector(
    function: Function, x: tf.Tensor, v: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns f(x) and J v of each row, by two passes backward.

    `tf.autodiff.ForwardAccumulator` does not pass an iterated inverse with a gradient
    of its own, such as `implicit_inverse`; passes backward do.

    Args:
        function: f.
        x: [N, event...].
        v: shaped as x.

    Returns:
        f(x) and J v, both shaped as f(x).
    """
    x = tf.identity(x)
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = function(x)
        w = tf.ones_like(y)
        outer.watch(w)
        pulled = inner.gradient(y, x, w, unconnected_gradients=_ZERO)
    return y, outer.gradient(pulled, w, v, unconnected_gradients=_ZERO)


def jacobian(function: Function, x: tf.Tensor, num_outputs: int) -> tf.Tensor:
    """Returns J of each row, by one pass backward over `num_outputs` copies of all.

    Args:
        function: f of [outputs · N, event...]: all rows, once for each output.
        x: [N, event...].
        num_outputs: size of the image of a row.

    Returns:
        [N, outputs, inputs].
    """
    # `GradientTape.batch_jacobian` finds the same, in up to a third more time, but
    # vectorizes the pass backward op by op: it takes up to six times as long to trace.
    copies = tf.concat([tf.stop_gradient(x)] * num_outputs, axis=0)
    units = tf.repeat(tf.eye(num_outputs, dtype=x.dtype), tf.shape(x)[0], axis=0)

    def flat(x: tf.Tensor) -> tf.Tensor:
        return tf.reshape(function(x), tf.shape(units))

    _, pulled = vector_jacobian(flat, copies, units)
    size = x.shape[1:].num_elements()
    return tf.transpose(tf.reshape(pulled, [num_outputs, -1, size]), [1, 0, 2])


def power_step(
    maps: Callable[[Function], Sequence[tuple[tf.Tensor, tf.Tensor]]],
    vectors: Sequence[tf.Tensor],
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """One step of power iteration on J Jᵀ for each row of several maps at once.

        w ← J Jᵀ w / ‖Jᵀ w‖,   σ = ‖Jᵀ w‖ / ‖w‖

    All maps share one pass backward and one through it: tracing costs as much as the
    maps themselves are large, however many they are.

    Args:
        maps: maps(source) → (x, y) of each map, where x = source(...) marks its input,
            [N, event...], and y is computed from x row by row. An x inside another
            map's computation takes no part in it.
        vectors: w of each map, shaped as its y, of any length but zero.

    Returns:
        The next vectors, and σ of the present ones, [N], which approaches the largest
        singular value from below.
    """
    vectors = [tf.math.divide_no_nan(vector, _norms(vector)) for vector in vectors]
    with tf.GradientTape() as outer:
        outer.watch(vectors)
        with tf.GradientTape() as inner:

            def source(x: tf.Tensor) -> tf.Tensor:
                x = tf.identity(tf.stop_gradient(x))
                inner.watch(x)
                return x

            inputs, images = zip(*maps(source), strict=True)
        pulled = inner.gradient(
            list(images), list(inputs), vectors, unconnected_gradients=_ZERO
        )
    norms = [_norms(vector) for vector in pulled]
    # A map without slope has the singular value 0, and its vector stays 0.
    units = [tf.math.divide_no_nan(*pair) for pair in zip(pulled, norms, strict=True)]
    pushed = outer.gradient(pulled, vectors, units, unconnected_gradients=_ZERO)
    return pushed, [tf.reshape(norm, [-1]) for norm in norms]


def largest_singular_value(
    function: Function,
    x: tf.Tensor,
    start: tf.Tensor,
    *,
    tolerance: float = 1e-5,
    max_iterations: int = 500,
) -> tf.Tensor:
    """Returns the largest singular value of J of each row, by power iteration.

    Approached from below, and slowly where the next one is as large. Ends when no
    row's estimate changes by more than `tolerance` of itself.

    Args:
        function: f.
        x: [N, event...].
        start: w, shaped as f(x), with a part along the singular vector that is sought:
            random numbers.
        tolerance: relative change that ends the iteration.
        max_iterations: the most steps taken.

    Returns:
        [N].
    """

    def one_map(source: Function) -> list[tuple[tf.Tensor, tf.Tensor]]:
        point = source(x)
        return [(point, function(point))]

    def step(w: tf.Tensor, value: tf.Tensor, before: tf.Tensor) -> list[tf.Tensor]:
        (w,), _ = power_step(one_map, [w])
        # w = J v of a unit vector v that is a half step ahead of σ.
        return [w, tf.reshape(_norms(w), [-1]), value]

    def is_unsettled(w: tf.Tensor, value: tf.Tensor, before: tf.Tensor) -> tf.Tensor:
        return tf.reduce_any(tf.abs(value - before) > tolerance * value)

    zero = tf.zeros(tf.shape(x)[:1], x.dtype)
    first = step(start, zero, zero)
    _, value, _ = tf.while_loop(
        is_unsettled, step, first, maximum_iterations=max_iterations - 1
    )
    return value


def _norms(x: tf.Tensor) -> tf.Tensor:
    """Euclidean norm of each row, with axes kept: [N, 1, ...]."""
    axes = list(range(1, x.shape.rank))
    # Scaled first: squares of large entries overflow long before the norm does.
    top = tf.reduce_max(tf.abs(x), axis=axes, keepdims=True)
    squares = tf.math.divide_no_nan(x, top) ** 2
    return top * tf.sqrt(tf.reduce_sum(squares, axis=axes, keepdims=True))
