"""Training a velocity by regression: no equation is solved."""

import dataclasses
import math
from typing import Any, ClassVar

import keras
import tensorflow as tf

from tfp_flows.objectives.couplings import nearest_in_orbits, nearest_overall
from tfp_flows.objectives.objective import FromFields, Terms

__all__ = ["FlowMatching"]

_COUPLINGS = {"optimal": nearest_overall, "orbit": nearest_in_orbits}


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
            assignment solver; not under XLA, and of up to 1,024 rows at once. Or
            "orbit", for a flow of particles that rotations and permutations do not
            change: before that each draw's particles are assigned to a row's, and
            turned onto them; of up to 32 rows at once. With node features only rows
            and particles whose features are equal exchange anything.

    Reference: Lipman et al. (2023), "Flow Matching for Generative Modeling",
    arXiv:2210.02747, eq. 9 and 22; the coupling: Tong et al. (2024),
    arXiv:2302.00482, section 3.2.3; of orbits:
    Klein et al. (2023), arXiv:2306.15030.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"seed", "velocity"})

    path: str = "straight"
    coupling: str = "independent"

    def __post_init__(self) -> None:
        couplings = ("independent", *_COUPLINGS)
        self._check_choices(path=("straight", "gaussian"), coupling=couplings)

    def __call__(self, evaluation: Any, *, seed: tf.Tensor, training: bool) -> Terms:
        """Returns the squared distance of each row, [N], summed over the event."""
        velocity, end_time = evaluation.velocity
        seeds = tf.unstack(tf.random.split(seed, 2))
        u, z = map(tf.stop_gradient, evaluation.ends(seeds[0]))
        if self.coupling in _COUPLINGS:
            z = _COUPLINGS[self.coupling](u, z, evaluation.node_features)
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
