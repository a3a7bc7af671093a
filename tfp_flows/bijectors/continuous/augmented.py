"""The equation that a continuous flow solves, and what its solution says."""

from typing import Any, NamedTuple

import tensorflow as tf

from tfp_flows.bijectors.continuous.divergence import Divergence, rademacher
from tfp_flows.bijectors.continuous.path import Path, PathOptions
from tfp_flows.ode import Solution
from tfp_flows.ops import vector_jacobian

__all__ = ["Augmented", "split"]


class Augmented(NamedTuple):
    """d(x, log|det|, costs)/dt = (v, ∇ · v, …): what is asked for beside x.

    Attributes:
        network: v.
        divergence: ∇ · v; None where no log-determinant is asked for.
        options: which costs.
    """

    network: Any
    divergence: Divergence | None
    options: PathOptions

    def held(self, x: tf.Tensor, context: Any, seed: Any) -> dict[str, tf.Tensor]:
        """Returns what stays the same for a whole solve: the context, noise."""
        noise = probe = None
        if self.divergence is not None:
            noise = self.divergence.noise(x, seed)
        if self.options.jacobian_norm:
            probe = rademacher(tf.shape(x), split(seed, 1), x.dtype)
        held = {"context": context, "noise": noise, "probe": probe}
        return {key: value for key, value in held.items() if value is not None}

    def start(self, x: tf.Tensor, held: dict[str, tf.Tensor]) -> tuple[dict, list]:
        """Returns the state, and the costs: nothing yet."""
        zero = _zeros(x)
        state = {"x": x}
        if self.divergence is not None:
            estimates = held["noise"].shape[1] if "noise" in held else 1
            state["log_det"] = tf.stack([zero] * estimates, axis=-1)
        return state, [zero] * self._num_costs

    def slope(self, t: tf.Tensor, state: dict, held: Any = None) -> Any:
        """Returns the slopes of the state, and of the costs if there are any."""
        held, x = held or {}, state["x"]
        context = held.get("context")
        # Time broadcasts against the first component, the log-determinant if there
        # is one.
        t = tf.reshape(t, [-1, *[1] * (x.shape.rank - 1)])
        slopes = {}
        if self.divergence is None:
            slopes["x"] = self.network(x, context, t=t)
        else:
            slopes["x"], slopes["log_det"] = self.divergence(
                self.network, x, context, t, held.get("noise")
            )
        if not self._num_costs:
            return slopes
        axes, costs = list(range(1, x.shape.rank)), []
        if self.options.kinetic_energy:
            costs.append(0.5 * tf.reduce_sum(slopes["x"] ** 2, axis=axes))
        if self.options.jacobian_norm:
            _, pulled = vector_jacobian(
                lambda x: self.network(x, context, t=t), x, held["probe"]
            )
            costs.append(tf.reduce_sum(pulled**2, axis=axes))
        return slopes, costs

    def answer(
        self, solution: Solution, fractions: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor, Path]:
        """Returns x at the end, [N, event...], log|det|, [N], and the way.

        A row whose solve failed is NaN; without a divergence log|det| is 0.
        """
        x = solution.state["x"]
        nan = tf.where(solution.statistics.failed, float("nan"), 0.0)
        nan = tf.cast(nan, x.dtype)
        log_det, error = _zeros(x), None
        if self.divergence is not None:
            found = solution.state["log_det"]
            log_det = tf.reduce_mean(found, axis=-1) + nan
            if found.shape[-1] > 1:
                count = tf.cast(found.shape[-1], x.dtype)
                error = tf.math.reduce_std(found, axis=-1) / tf.sqrt(count - 1) + nan
        costs = iter(solution.quadrature or ())
        path = Path(
            solution.statistics,
            fractions,
            None if fractions is None else solution.saved["x"],
            next(costs) if self.options.kinetic_energy else None,
            next(costs) if self.options.jacobian_norm else None,
            error,
        )
        return x + tf.reshape(nan, [-1, *[1] * (x.shape.rank - 1)]), log_det, path

    @property
    def _num_costs(self) -> int:
        return self.options.kinetic_energy + self.options.jacobian_norm


def split(seed: Any, index: int) -> Any:
    """Returns another seed for each index; None for none."""
    return None if seed is None else tf.random.fold_in(seed, index)


def _zeros(x: tf.Tensor) -> tf.Tensor:
    """[N]."""
    return tf.zeros_like(tf.reshape(x, [tf.shape(x)[0], -1])[:, 0])
