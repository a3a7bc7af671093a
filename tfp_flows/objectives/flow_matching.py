"""Training a velocity by regression: no equation is solved."""

import dataclasses
import math
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from tfp_flows.objectives.objective import FromFields, Terms

__all__ = ["FlowMatching"]


@keras.saving.register_keras_serializable(package="tfp_flows")
@dataclasses.dataclass(frozen=True)
class FlowMatching(FromFields):
    """|v(t, xₜ) − dxₜ/dt|² at a random time of a path from a row to a draw of the base.

        straight: xₜ = (1 − s) u + s z,                  s = t/T uniform in [0, 1]
        gaussian: xₜ = cos(πs/2) u + sin(πs/2) z

    u is the row as it arrives at the continuous layer, z a draw of the base. The best
    velocity carries the density of u to that of z, as the likelihood's does, and costs
    one call of the velocity a step. Evaluation shows the exact likelihood beside. The
    base and other layers stay as they are: nothing here tells how to train them.

    A step is so small that Keras' own work takes most of its time: run many at once,
    with a large rate. Then matching soon is where the likelihood is much later.

        model = FlowModel(continuous_flow(2), objective=FlowMatching())
        model.compile(keras.optimizers.Adam(1e-2), steps_per_execution=100)
        model.fit(x, epochs=500)
        model = FlowModel(model.distribution)      # the same weights, by likelihood
        model.compile("adam"); model.fit(x, epochs=5)

    Args:
        path: "straight" or "gaussian".
        coupling: "independent", or "optimal": the draws are permuted in the batch so
            that Σ |u − z|² is least, which straightens the paths, at O(N³) by SciPy's
            assignment solver; not under XLA, and of up to 1,024 rows at once.

    Reference: Lipman et al. (2023), "Flow Matching for Generative Modeling",
    arXiv:2210.02747, eq. 9 and 22; the coupling: Tong et al. (2024),
    arXiv:2302.00482, section 3.2.3.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"seed", "velocity"})

    path: str = "straight"
    coupling: str = "independent"

    def __post_init__(self) -> None:
        allowed = {
            "path": ("straight", "gaussian"),
            "coupling": ("independent", "optimal"),
        }
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise ValueError(
                    f"{name} must be one of {', '.join(map(repr, values))}, received "
                    f"{getattr(self, name)!r}."
                )

    def __call__(self, evaluation: Any, *, seed: tf.Tensor, training: bool) -> Terms:
        """Returns the squared distance of each row, [N], summed over the event."""
        velocity, end_time = evaluation.velocity
        seeds = tf.unstack(tf.random.split(seed, 2))
        u, z = map(tf.stop_gradient, evaluation.ends(seeds[0]))
        if self.coupling == "optimal":
            z = _nearest_overall(u, z)
        # One time in each of N equal parts of the way: less noise than N times apart.
        rows = tf.shape(u)[0]
        order, offsets = tf.unstack(
            tf.random.stateless_uniform([2, rows], seeds[1], dtype=u.dtype)
        )
        order = tf.argsort(order)
        s = (tf.cast(order, u.dtype) + offsets) / tf.cast(rows, u.dtype)
        axes = list(range(1, u.shape.rank))
        s_column = tf.reshape(s, [-1, *[1] * len(axes)])
        if self.path == "straight":
            x, target = (1 - s_column) * u + s_column * z, z - u
        else:
            angle = 0.5 * math.pi * s_column
            x = tf.cos(angle) * u + tf.sin(angle) * z
            target = 0.5 * math.pi * (tf.cos(angle) * z - tf.sin(angle) * u)
        found = velocity(s * end_time, x)
        return Terms(tf.reduce_sum((found - target / end_time) ** 2, axis=axes))


def _nearest_overall(u: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
    def assign(u: np.ndarray, z: np.ndarray) -> np.ndarray:
        from scipy.optimize import linear_sum_assignment

        order = np.arange(len(z))
        for start in range(0, len(z), 1024):
            here = slice(start, start + 1024)
            left, right = u[here], z[here]
            squares = (left**2).sum(1)[:, None] + (right**2).sum(1) - 2 * left @ right.T
            order[here] = start + linear_sum_assignment(squares)[1]
        return order

    flat = [tf.reshape(one, [tf.shape(one)[0], -1]) for one in (u, z)]
    order = tf.numpy_function(assign, flat, tf.int64, stateful=False)
    return tf.ensure_shape(tf.gather(z, order), z.shape)
