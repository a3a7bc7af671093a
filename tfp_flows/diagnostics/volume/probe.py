"""Measuring what a flow does to volumes on a fixed batch of rows.

Events of up to `exact_size` numbers: singular values of the whole Jacobian of every
layer; that of the trained part is their product. Larger events: power iteration, the
smallest values from the same iteration on the inverse map. Its estimates approach from
below (from above for the smallest) and go on from the vectors of the last measurement,
so that a few steps suffice while weights move slowly.
"""

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows.bijectors import context_arguments
from tfp_flows.bijectors.structure.walk import Visit, walk
from tfp_flows.diagnostics.volume.parts import apply, apply_to_both, stages
from tfp_flows.diagnostics.volume.record import LayerVolume, VolumeReport
from tfp_flows.diagnostics.volume.singular_values import Map, jacobians, power_step
from tfp_flows.distributions import Dequantized

__all__ = ["VolumeProbe", "measure_volume"]

# From a random start, 30 steps bring a ratio of singular values of 1.1 within 1 %.
_FIRST_ITERATIONS = 30


def measure_volume(
    distribution: tfd.Distribution,
    x: Any,
    context: Any = None,
    *,
    iterations: int | None = None,
    exact_size: int = 32,
    seed: int = 0,
) -> VolumeReport:
    """Returns log-dets, singular values and round-trip error of a flow on rows x.

    Args:
        distribution: a `tfd.TransformedDistribution`, or a `Dequantized` of one; its
            bijector is base → data, whose inverse is measured.
        x: [N, event...].
        context: [N, C] for a conditional flow.
        iterations: steps of power iteration, 30 by default.
        exact_size: largest event whose whole Jacobian is computed.
        seed: of the first vectors.

    Raises:
        TypeError: the distribution has no bijector.
        ValueError: x has no rows, or rows of another event shape than the flow's; a
            context of another number of rows.

    Example:
        >>> import tensorflow_probability as tfp
        >>> normal = tfp.distributions.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))
        >>> flow = tfp.distributions.TransformedDistribution(
        ...     normal, tfp.bijectors.Scale([2.0, 0.5]))
        >>> found = measure_volume(flow, tf.ones([4, 2]))
        >>> round(found.largest, 4), round(found.smallest, 4)
        (2.0, 0.5)
    """
    probe = VolumeProbe(distribution, x, context, exact_size=exact_size, seed=seed)
    return probe.measure(iterations)


class VolumeProbe:
    """A flow and a fixed batch of rows, measured again and again as weights change.

    Args:
        distribution: as in `measure_volume`.
        x: [N, event...].
        context: [N, C] for a conditional flow.
        exact_size: largest event whose whole Jacobian is computed.
        seed: of the first vectors.
    """

    def __init__(
        self,
        distribution: tfd.Distribution,
        x: Any,
        context: Any = None,
        *,
        exact_size: int = 32,
        seed: int = 0,
    ) -> None:
        is_gridded = isinstance(distribution, Dequantized)
        flow = distribution.distribution if is_gridded else distribution
        if not hasattr(flow, "bijector"):
            raise TypeError(
                "Expected a flow, a tfd.TransformedDistribution or a Dequantized one, "
                f"received {type(distribution).__name__}: it has no map whose volume "
                "change could be measured."
            )
        x = tf.cast(tf.convert_to_tensor(x), distribution.dtype)
        if x.shape.rank < 1 or x.shape[0] == 0:
            raise ValueError(
                f"Expected a probe of at least one row, received shape {x.shape}. Give "
                "some rows of the data, [N, event...]."
            )
        event_shape = distribution.event_shape
        if not event_shape.is_compatible_with(x.shape[1:]):
            raise ValueError(
                f"Expected a probe of rows of event shape {event_shape} as "
                f"{distribution.name!r} has them, [N, event...], received shape "
                f"{x.shape}. Give rows as they are passed to `fit`."
            )
        self._flow, self._x = flow, distribution.dequantize(x) if is_gridded else x
        arguments: dict[str, Any] = {}
        if context is not None:
            context = tf.cast(context, distribution.dtype)
            if context.shape[:1] != x.shape[:1]:
                raise ValueError(
                    f"Expected a context of as many rows as the probe, {x.shape[0]}, "
                    f"received shape {context.shape}."
                )
            arguments = context_arguments(flow.bijector, context)
        self._stages = stages(tfb.Invert(flow.bijector), arguments, inverse=False)
        trained = [bool(s.bijector.trainable_variables) for s in self._stages]
        self._num_fixed = trained.index(True) if any(trained) else 0
        self._leaves: list[tuple[str, bool]] = []
        inputs, outputs = self._start()
        rng = np.random.default_rng(seed)
        self._vectors = [
            tf.constant(rng.normal(size=shape), distribution.dtype)
            for shape in (*outputs, *inputs)
        ]
        self._size = outputs[-1][1:].num_elements()
        # Where a part of the event has left, Jacobians of layers do not multiply.
        sizes = {shape[1:].num_elements() for shape in outputs}
        self._is_exact = self._size <= exact_size and sizes == {self._size}
        self._iterate = tf.function(self._one_iteration, autograph=False)
        self._differentiate = tf.function(self._all_jacobians, autograph=False)
        self._summarize = tf.function(self._one_summary, autograph=False)
        self._is_first = True

    def measure(self, iterations: int | None = None) -> VolumeReport:
        """Measures the flow with its present weights.

        Args:
            iterations: steps of power iteration; by default 30 the first time and 2
                from then on.
        """
        if iterations is None:
            iterations = _FIRST_ITERATIONS if self._is_first else 2
        self._is_first = False
        # What is not finite is reported as such, with no warning besides.
        with np.errstate(all="ignore"):
            if self._is_exact:
                largest, smallest = self._exact_extremes()
            else:
                largest, smallest = self._iterated_extremes(iterations)
            summary = tf.nest.map_structure(np.asarray, self._summarize())
            return self._report(summary, largest, smallest)

    def _exact_extremes(self) -> tuple[list[float], list[float]]:
        """Largest and smallest singular value of every leaf and the trained part."""
        found = [np.asarray(jacobian, "float64") for jacobian in self._differentiate()]
        trained = np.eye(self._size)
        for jacobian in found[self._first_trained :]:
            trained = jacobian @ trained
        found.append(np.broadcast_to(trained, [len(self._x), *trained.shape[-2:]]))
        # Without this an infinite entry would raise in place of being reported.
        finite = [
            jacobian if np.isfinite(jacobian).all() else None for jacobian in found
        ]
        values = [
            np.full(1, np.nan) if jacobian is None else _singular_values(jacobian)
            for jacobian in finite
        ]
        return [float(v.max()) for v in values], [float(v.min()) for v in values]

    def _iterated_extremes(self, iterations: int) -> tuple[list[float], list[float]]:
        values: list[tf.Tensor] = []
        for _ in range(max(1, iterations)):
            self._vectors, values = self._iterate(self._vectors)
        found = [float(np.max(value)) for value in values]
        half = len(found) // 2
        return found[:half], [float(np.float64(1) / value) for value in found[half:]]

    @property
    def _first_trained(self) -> int:
        """Index of the first leaf with weights; 0 where there is none."""
        trained = [is_trained for _, is_trained in self._leaves]
        return trained.index(True) if any(trained) else 0

    def _start(self) -> tuple[list[tf.TensorShape], list[tf.TensorShape]]:
        """Shapes of the inputs and the outputs of every leaf and the trained part."""
        inputs: list[tf.TensorShape] = []
        outputs: list[tf.TensorShape] = []

        def visit(
            leaf: tfb.Bijector, x: tf.Tensor, inverse: bool, arguments: dict[str, Any]
        ) -> tf.Tensor:
            y = apply(leaf, x, inverse, arguments)
            self._leaves.append((leaf.name, bool(leaf.trainable_variables)))
            inputs.append(x.shape)
            outputs.append(y.shape)
            return y

        h, z = self._walk_all(visit)
        return [*inputs, h.shape], [*outputs, z.shape]

    def _walk_all(
        self, visit: Visit, source: Map = tf.identity
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the input of the trained part, marked, and the base's event."""
        h = z = source(self._x)
        for index, stage in enumerate(self._stages):
            z = walk(stage.bijector, z, visit, stage.arguments, inverse=stage.inverse)
            if index < self._num_fixed:
                h = z = source(z)
        return h, z

    def _one_iteration(
        self, vectors: list[tf.Tensor]
    ) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        return power_step(self._maps, vectors)

    def _maps(self, source: Map) -> list[tuple[tf.Tensor, tf.Tensor]]:
        """Every leaf and the trained part, data → base, then the inverses of all."""
        pairs: list[tuple[tf.Tensor, tf.Tensor]] = []
        visited: list[tuple[tfb.Bijector, bool, dict[str, Any], tf.Tensor]] = []

        def visit(
            leaf: tfb.Bijector, x: tf.Tensor, inverse: bool, arguments: dict[str, Any]
        ) -> tf.Tensor:
            own = source(x)
            y, own_y = apply_to_both(leaf, (x, own), inverse, arguments)
            pairs.append((own, own_y))
            visited.append((leaf, not inverse, arguments, y))
            return y

        pairs.append(self._walk_all(visit, source))
        back: dict[int, tuple[tf.Tensor, tf.Tensor]] = {}

        def visit_back(
            leaf: tfb.Bijector, y: tf.Tensor, inverse: bool, arguments: dict[str, Any]
        ) -> tf.Tensor:
            for index in reversed(range(len(visited))):
                if index not in back and visited[index][0] is leaf:
                    own = source(visited[index][3])
                    x, own_x = apply_to_both(leaf, (y, own), inverse, arguments)
                    back[index] = own, own_x
                    return x
            return apply(leaf, y, inverse, arguments)

        z = source(pairs[-1][1])
        h = self._inverse_of_trained_part(z, visit_back)
        for index, (leaf, inverse, arguments, y) in enumerate(visited):
            if index not in back:
                own = source(y)
                back[index] = own, apply(leaf, own, inverse, arguments)
        return [*pairs, *(back[index] for index in range(len(visited))), (z, h)]

    def _all_jacobians(self) -> list[tf.Tensor]:
        found: list[tf.Tensor] = []

        def visit(
            leaf: tfb.Bijector, x: tf.Tensor, inverse: bool, arguments: dict[str, Any]
        ) -> tf.Tensor:
            y = apply(leaf, x, inverse, arguments)
            size = y.shape[1:].num_elements()
            repeated = tf.nest.map_structure(
                lambda value: tf.repeat(value, size, axis=0), arguments
            )

            def function(rows: tf.Tensor) -> tf.Tensor:
                return apply(leaf, rows, inverse, repeated)

            found.append(jacobians(function, x, size))
            return y

        self._walk_all(visit)
        return found

    def _one_summary(self) -> dict[str, Any]:
        log_dets: list[tf.Tensor] = []

        def visit(
            leaf: tfb.Bijector, x: tf.Tensor, inverse: bool, arguments: dict[str, Any]
        ) -> tf.Tensor:
            rank = x.shape.rank - 1
            name = "inverse" if inverse else "forward"
            log_det = getattr(leaf, f"{name}_log_det_jacobian")(x, rank, **arguments)
            # A constant one comes without batch axes.
            log_dets.append(tf.broadcast_to(log_det, x.shape[:1]))
            return apply(leaf, x, inverse, arguments)

        h, z = self._walk_all(visit)
        # A fresh tensor: TFP's cache would give back h itself.
        error = tf.abs(self._inverse_of_trained_part(tf.identity(z), apply) - h)
        deviation = tf.math.reduce_std(h)
        base = self._flow.distribution.log_prob(tf.identity(z))
        return {
            "z": z,
            "log_dets": tf.stack(log_dets),
            # One number a row and one row, say, have no deviation to count in.
            "round_trip": tf.reduce_max(error)
            / tf.where(tf.equal(deviation, 0), tf.ones_like(deviation), deviation),
            "nll": -tf.reduce_mean(base + tf.add_n(log_dets)),
        }

    def _inverse_of_trained_part(self, z: tf.Tensor, visit: Visit) -> tf.Tensor:
        for stage in reversed(self._stages[self._num_fixed :]):
            inverse = not stage.inverse
            z = walk(stage.bijector, z, visit, stage.arguments, inverse=inverse)
        return z

    def _report(
        self, summary: dict[str, Any], largest: list[float], smallest: list[float]
    ) -> VolumeReport:
        size = self._size
        log_dets = summary["log_dets"].astype("float64") / size
        cumulative = np.cumsum(log_dets.mean(axis=1))
        layers = tuple(
            LayerVolume(
                name=name,
                log_det=float(log_dets[index].mean()),
                log_det_min=float(log_dets[index].min()),
                log_det_max=float(log_dets[index].max()),
                cumulative=float(cumulative[index]),
                largest=largest[index],
                smallest=smallest[index],
                is_trained=is_trained,
            )
            for index, (name, is_trained) in enumerate(self._leaves)
        )
        first = self._first_trained
        before = cumulative[first - 1] if first else 0.0
        z = summary["z"].astype("float64")
        return VolumeReport(
            layers=layers,
            mean_square=float(np.mean(z**2)),
            max_abs=float(np.max(np.abs(z))),
            nll=float(summary["nll"]),
            imbalance=float(np.max(np.abs(cumulative[first:] - before))),
            largest=largest[-1],
            smallest=smallest[-1],
            round_trip=float(summary["round_trip"]),
        )


def _singular_values(matrices: np.ndarray) -> np.ndarray:
    return np.linalg.svd(matrices, compute_uv=False)
