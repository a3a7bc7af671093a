"""A bijector at a batch, as objectives and penalties ask for it."""

import tensorflow_probability as tfp

from tfp_flows.models.bridge.adapter import DistributionAdapter
from tfp_flows.models.bridge.evaluation import BatchEvaluation

tfb, tfd = tfp.bijectors, tfp.distributions


def evaluation_of(bijector, x, **options):
    """At x: [N, event...], with normal numbers as base; `bijector` maps data to it."""
    zero = tfd.Normal(x.dtype.as_numpy_dtype(0), x.dtype.as_numpy_dtype(1))
    base = tfd.Sample(zero, bijector.forward_event_shape(x.shape[1:]))
    flow = tfd.TransformedDistribution(base, tfb.Invert(bijector))
    return BatchEvaluation(DistributionAdapter(flow), x, **options)
