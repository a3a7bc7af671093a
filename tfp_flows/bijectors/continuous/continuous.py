"""The map that following a velocity for a while makes."""

import dataclasses
import warnings
from typing import Any

import keras
import tensorflow as tf

from tfp_flows.bijectors.continuous.augmented import Augmented, split
from tfp_flows.bijectors.continuous.divergence import Divergence, ExactDivergence
from tfp_flows.bijectors.continuous.path import Path, PathOptions, PathRecord
from tfp_flows.bijectors.trainable import TrainableBijector
from tfp_flows.ode import AdaptiveSteps, Solver, Statistics, Status, solve

__all__ = ["Continuous"]


class Continuous(TrainableBijector):
    """y = x(T) of dx/dt = v(t, x; c), x(0) = x: data at t = 0, base at t = T.

    log|det ∂y/∂x| = ∫₀ᵀ ∇ · v dt, found by the same solve. The inverse follows the
    velocity from T back to 0. A map without its log-determinant integrates no
    divergence: samples cost less than densities. Starts as the identity with a network
    that starts at zero.

    A row whose solve fails is NaN, with a warning that says why where TensorFlow runs
    eagerly and the row was finite; other rows do not notice. In a step of training the
    rows share their steps (`training_solver`); otherwise the log-density of a row
    depends on no other row.

    Shapes: x, y: [batch..., event...].

    Args:
        network: velocity, called as network(x, context, t=t), with `event_shape`, such
            as `networks.VelocityMLP`; its method `with_divergence`, if it has one,
            gives the exact divergence.
        end_time: T > 0.
        solver: method, steps and gradient of densities and samples.
        training_solver: those of a step of training. Default: `solver` with
            `control="batch"`, fewer calls for a mean over rows.
        divergence: `ExactDivergence()`, or `HutchinsonDivergence()`: then densities
            are estimates that depend on `seed`.
        training_divergence: that of a step of training. Default: `divergence`.
        validate_args: as in TFP.
        name: name of the bijector; it keys the context in a `tfb.Chain`.

    Call arguments beside the context, all optional:
        seed: stateless seed [2] of an estimated divergence and of what `path` draws.
        training: whether it is a step of training.
        options: `PathOptions`.
        solver: one in place of the layer's.
        record: `PathRecord` that keeps the way of each solve.

    Example:
        >>> from tfp_flows.networks import VelocityMLP
        >>> bijector = Continuous(VelocityMLP(2, hidden_sizes=[8]))
        >>> bijector.forward_log_det_jacobian(tf.zeros([3, 2])).numpy().tolist()
        [0.0, 0.0, 0.0]

    Reference: Chen et al. (2018), "Neural Ordinary Differential Equations",
    arXiv:1806.07366, theorem 1; Grathwohl et al. (2019), "FFJORD", arXiv:1810.01367.
    """

    def __init__(
        self,
        network: keras.layers.Layer,
        *,
        end_time: float = 1.0,
        solver: Solver = Solver(),  # noqa: B008
        training_solver: Solver | None = None,
        divergence: Divergence = ExactDivergence(),  # noqa: B008
        training_divergence: Divergence | None = None,
        validate_args: bool = False,
        name: str = "continuous",
    ) -> None:
        if not 0 < end_time < float("inf"):
            raise ValueError(
                f"end_time: expected a positive number, received {end_time}: data is "
                "at time 0, the base at end_time, and the inverse runs backwards."
            )
        if network.compute_dtype != network.variable_dtype:
            raise ValueError(
                f"network: expected a velocity in one dtype, received {network.name} "
                f"of policy {network.dtype_policy.name}, whose rounding no tolerance "
                'of a solver allows: build it with dtype="float32".'
            )
        self.end_time = float(end_time)
        self.solver = solver
        self.training_solver = training_solver or _sharing_steps(solver)
        self.divergence = divergence
        self.training_divergence = training_divergence or divergence
        super().__init__(
            event_ndims=len(network.event_shape),
            network=network,
            dtype=network.compute_dtype,
        )
        self._in_a_graph = tf.function(
            self._solve_rows, autograph=False, reduce_retracing=True
        )

    def velocity(self, t: Any, x: tf.Tensor, context: Any = None) -> tf.Tensor:
        """Returns v(t, x; c), shaped as x; t: a scalar, or one number a row."""
        t = tf.convert_to_tensor(t, x.dtype)
        if t.shape.rank:
            t = tf.reshape(t, [-1, *[1] * self.forward_min_event_ndims])
        return self.network(x, context, t=t)

    def path(self, x: tf.Tensor, **arguments: Any) -> Path:
        """Returns what was asked of the way from x to the base, by `options`.

        In a graph it is the solve that `forward` of the same tensors makes.
        """
        self.forward(x, **arguments)
        attributes = self._cache.forward_attributes(x, **arguments)
        if "path" not in attributes:
            self._forward(x, **arguments)
        return attributes["path"]

    def log_det_with_error(
        self, x: tf.Tensor, **arguments: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns log|det ∂y/∂x| and the standard error of its estimate, [batch...].

        From the K probes of one solve; 0 of an exact divergence.

        Raises:
            ValueError: the divergence is estimated from a single probe.
        """
        probes = getattr(self.divergence, "num_probes", None)
        if probes == 1:
            raise ValueError(
                "A standard error needs HutchinsonDivergence(num_probes=K) with K at "
                "least 2, received 1."
            )
        x = tf.convert_to_tensor(x, self.dtype)
        _, log_det, path = self._solve(x, forward=True, **arguments)
        error = path.log_det_error
        if error is None:
            return log_det, tf.zeros_like(log_det)
        return log_det, tf.reshape(error, tf.shape(log_det))

    def _forward(self, x: tf.Tensor, **arguments: Any) -> tf.Tensor:
        y, log_det, path = self._solve(x, forward=True, **arguments)
        attributes = self._cache.forward_attributes(x, **arguments)
        attributes["ildj"], attributes["path"] = -log_det, path
        return y

    def _inverse(self, y: tf.Tensor, **arguments: Any) -> tf.Tensor:
        return self._solve(y, forward=False, with_log_det=False, **arguments)[0]

    def _forward_and_log_det(
        self, x: tf.Tensor, **arguments: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self._solve(x, forward=True, **arguments)[:2]

    def _inverse_and_log_det(
        self, y: tf.Tensor, **arguments: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self._solve(y, forward=False, **arguments)[:2]

    def _solve(
        self,
        x: tf.Tensor,
        *,
        context: Any = None,
        seed: Any = None,
        training: bool = False,
        options: PathOptions = PathOptions(),  # noqa: B008
        solver: Solver | None = None,
        record: PathRecord | None = None,
        forward: bool,
        with_log_det: bool = True,
    ) -> tuple[tf.Tensor, tf.Tensor, Path]:
        """[batch..., event...] as rows, and back."""
        ndims = self.forward_min_event_ndims
        batch = tf.shape(x)[: x.shape.rank - ndims]
        event = x.shape[x.shape.rank - ndims :]
        rows = tf.reshape(x, [-1, *event])
        if context is not None:
            shape = tf.concat([batch, [context.shape[-1]]], axis=0)
            context = tf.broadcast_to(tf.cast(context, x.dtype), shape)
            context = tf.reshape(context, [-1, context.shape[-1]])
        run = self._in_a_graph if tf.executing_eagerly() else self._solve_rows
        y, log_det, path = run(
            rows,
            context,
            seed,
            training=training,
            options=options,
            solver=solver or (self.training_solver if training else self.solver),
            forward=forward,
            with_log_det=with_log_det,
        )
        if record is not None:
            record.add(self, path)
        if tf.executing_eagerly():
            message = _of_finite_rows(path.statistics, rows).message()
            if message:
                warnings.warn(f"{self.name}: {message} They are NaN.", stacklevel=2)
        y = tf.ensure_shape(tf.reshape(y, tf.shape(x)), x.shape)
        return y, tf.reshape(log_det, batch), path

    def _solve_rows(
        self,
        x: tf.Tensor,
        context: tf.Tensor | None,
        seed: tf.Tensor | None,
        *,
        training: bool,
        options: PathOptions,
        solver: Solver,
        forward: bool,
        with_log_det: bool,
    ) -> tuple[tf.Tensor, tf.Tensor, Path]:
        divergence = self.training_divergence if training else self.divergence
        equation = Augmented(
            self.network, divergence if with_log_det else None, options
        )
        held = equation.held(x, context, seed)
        state, costs = equation.start(x, held)
        fractions = _times(options.num_times, split(seed, 3), x.dtype)
        start, end = self._limits(options.end_spread, split(seed, 2), x.dtype)
        solution = solve(
            equation.slope,
            state,
            (start, end) if forward else (end, start),
            constants=held or None,
            quadrature=costs or None,
            save_at=fractions,
            solver=solver,
        )
        return equation.answer(solution, fractions)

    def _limits(
        self, spread: float, seed: Any, dtype: tf.DType
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """0 and T, a random T (1 ± spread) where one is asked for."""
        end = tf.constant(self.end_time, dtype)
        if spread:
            end *= 1 + spread * tf.random.stateless_uniform([], seed, -1, 1, dtype)
        return tf.zeros_like(end), end


def _sharing_steps(solver: Solver) -> Solver:
    if not isinstance(solver.steps, AdaptiveSteps):
        return solver
    steps = dataclasses.replace(solver.steps, control="batch")
    return dataclasses.replace(solver, steps=steps)


def _of_finite_rows(statistics: Statistics, rows: tf.Tensor) -> Statistics:
    """Without the failures of rows that nothing could follow: infinite, or nearly."""
    axes = list(range(1, rows.shape.rank))
    is_finite = tf.reduce_all(tf.abs(rows) < rows.dtype.max**0.5, axes)
    status = tf.where(is_finite, statistics.status, Status.REACHED_END)
    return statistics._replace(status=status)


def _times(count: int, seed: Any, dtype: tf.DType) -> tf.Tensor | None:
    if not count:
        return None
    inner = tf.sort(tf.random.stateless_uniform([count], seed, dtype=dtype))
    return tf.concat([[0.0], inner, [1.0]], axis=0)
