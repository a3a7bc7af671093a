"""Laws of the interface of a distribution: shapes, dtypes, seeds, compiled sampling."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfp_flows.testing.laws.computation_laws import values_of_dtype, xla_refusal
from tfp_flows.testing.numerics import relative_error
from tfp_flows.testing.probes.distribution_probe import (
    DistributionProbe,
    stateless_seed,
)
from tfp_flows.testing.report import LawResult, judge, unchecked

__all__ = [
    "dtypes",
    "log_prob_shapes",
    "sample_seed",
    "sample_shapes",
    "sample_xla",
]

_SHAPES = ((), (1,), (2, 3))
_ROWS = 6


def sample_shapes(probe: DistributionProbe) -> LawResult:
    """Samples have the shape sample_shape + batch_shape + event_shape.

    With per-row keyword arguments only one sample for each row is asked for: TFP
    flattens longer sample shapes before it calls a bijector with a context.
    """
    shapes: Sequence[tuple[int, ...]] = _SHAPES
    if probe.kwargs:
        shapes = [(len(probe.x),)]
    seed = stateless_seed(probe.options.seed)
    kwargs = probe.kwargs.take(np.arange(len(probe.x)), [len(probe.x)])
    wrong = []
    for shape in shapes:
        drawn = probe.subject.sample(shape, seed=seed, **kwargs)
        if tuple(drawn.shape) != (*shape, *probe.batch_shape, *probe.event_shape):
            wrong.append(f"{tuple(drawn.shape)} for sample_shape={tuple(shape)}")
    failure = (
        f"Expected samples of shape sample_shape + {probe.batch_shape} + "
        f"{probe.event_shape}. Received: {', '.join(wrong)}."
    )
    return judge("sample_shapes", len(wrong), 0, failure)


def sample_seed(probe: DistributionProbe) -> LawResult:
    """The same seed draws the same rows, another seed draws others."""
    seed = probe.options.seed
    draws = [_draw(probe, number) for number in (seed, seed, seed + 1)]
    error = relative_error(draws[1], draws[0])
    failure = (
        "Expected equal samples from equal seeds (shape [2], TFP's stateless form). "
        "Likely cause: a random number that does not use the seed."
    )
    if error == 0 and np.array_equal(draws[2], draws[0]):
        error, failure = np.inf, (
            "Expected other samples from another seed; they are equal. Likely cause: "
            "a seed fixed inside the object."
        )  # fmt: skip
    return judge("sample_seed", error, 0, failure)


def sample_xla(probe: DistributionProbe) -> LawResult:
    """Sampling compiles under XLA, to finite values of the same shape.

    The values may be others: XLA may choose another generator for the same seed.
    """
    refusal = xla_refusal(probe)
    if refusal:
        return unchecked("sample_xla", refusal)
    computation = probe.computation.only("sample")
    drawn = computation.traced(jit=True)(computation.inputs)["sample"].numpy()
    faulty = np.sum(~np.isfinite(drawn)) + (drawn.shape != tuple(probe.x.shape))
    failure = (
        f"Expected finite samples of shape {tuple(probe.x.shape)} from XLA. Received: "
        f"shape {drawn.shape}, {np.sum(~np.isfinite(drawn))} values not finite."
    )
    return judge("sample_xla", int(faulty), 0, failure)


def dtypes(probe: DistributionProbe) -> LawResult:
    """Samples and log-densities have the dtype of the distribution."""
    return values_of_dtype(probe, probe.subject.dtype, "the distribution")


def log_prob_shapes(probe: DistributionProbe) -> LawResult:
    """Sample shapes (), (1,) and (2, 3) give the same values as one batch of rows."""
    indices = np.arange(_ROWS) % len(probe.x)
    rows = _log_prob(probe, indices, (_ROWS,))
    errors = {f"shape ({_ROWS},)": 0 if rows.shape[1:] == probe.batch_shape else np.inf}
    for shape in _SHAPES:
        size = int(np.prod(shape))
        expected = rows[:size].reshape(shape + rows.shape[1:])
        found = _log_prob(probe, indices[:size], shape)
        errors[f"shape {shape}"] = relative_error(found, expected)
    worst = max(errors, key=lambda name: errors[name])
    failure = (
        f"Expected log_prob of shape sample_shape + {probe.batch_shape}, each row's "
        f"value depending on that row alone; violated for {worst}. Likely cause: a "
        "reduction over the wrong axes, or an axis number counted from the left."
    )
    return judge("log_prob_shapes", errors[worst], probe.tolerance, failure)


def _draw(probe: DistributionProbe, seed: int) -> np.ndarray:
    computation = probe.computation.only("sample")
    inputs = dict(computation.inputs, seed=stateless_seed(seed))
    return computation.evaluate(inputs)["sample"].numpy()


def _log_prob(
    probe: DistributionProbe, indices: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    x = tf.gather(probe.x, indices)
    x = tf.reshape(x, [*shape, *probe.x.shape[1:]])
    return probe.subject.log_prob(x, **probe.kwargs.take(indices, shape)).numpy()
