"""Autoregressive flows for tables."""

from collections.abc import Sequence
from typing import Any

from tensorflow_probability import distributions as tfd

from tfp_flows.architectures import assembly
from tfp_flows.bijectors import Linear, MaskedAutoregressive, Permutation
from tfp_flows.ops import ElementwiseTransform

__all__ = ["autoregressive_flow"]


def autoregressive_flow(
    event_size: int,
    *,
    transform: str | ElementwiseTransform = "spline",
    num_layers: int = 6,
    hidden_sizes: Sequence[int] = (128, 128),
    context_size: int | None = None,
    base: tfd.Distribution | None = None,
    whiten: bool = True,
    activation: str = "relu",
    seed: int | None = None,
    dtype: Any = "float32",
    name: str = "autoregressive_flow",
) -> tfd.TransformedDistribution:
    """Returns a flow of masked autoregressive layers over raw rows [batch..., D].

        whiten → L × (autoregressive → linear → reversed order) → base

    Whitening and the base are set from data by `FlowModel.adapt`, which `fit` calls:
    before its first step the flow is a full-covariance Gaussian, or a Gaussian
    mixture where rows are few for D. Densities take L evaluations of networks,
    samples a few times as many. Often a little better than `coupling_flow`, and slower
    to sample.

    Args:
        event_size: D.
        transform: "spline" (rational-quadratic, 8 bins on [−5, 5]; Durkan et al. use
            8 bins on [−3, 3]), "affine", or an elementwise transform.
        num_layers: L. Papamakarios et al. use 5 or 10.
        hidden_sizes: width of each hidden layer; theirs are 2 × 100 or 2 × 512.
        context_size: features of a context, None without one.
        base: distribution over [D]; default a trainable `GaussianMixture`, N(0, I)
            beyond 128 columns. One with a method `initialize(z)` is set from data.
        whiten: whether columns are decorrelated first, or standardized one by one:
            better where what is simple about single columns, such as bounds, caps,
            spikes and skewness, matters more than strong correlations.
        activation: Keras activation of the networks.
        seed: makes the initial weights reproducible.
        dtype: dtype of event and weights.
        name: name of the distribution.

    Example:
        >>> autoregressive_flow(3, num_layers=1, hidden_sizes=[8]).event_shape
        TensorShape([3])

    Reference: Papamakarios et al. (2017), "Masked Autoregressive Flow for Density
    Estimation", arXiv:1705.07057; splines: Durkan et al. (2019), arXiv:1906.04032.
    """
    assembly.check_sizes(event_size=event_size, num_layers=num_layers)
    layers = assembly.preprocessing(event_size, dtype, whiten=whiten)
    for index in range(num_layers):
        layers += [
            MaskedAutoregressive(
                event_size,
                transform=assembly.elementwise_transform(transform),
                hidden_sizes=hidden_sizes,
                context_size=context_size,
                activation=activation,
                seed=None if seed is None else seed + 1000 * index,
                dtype=dtype,
                name=f"autoregressive_{index}",
            ),
            Linear(event_size, dtype=dtype, name=f"linear_{index}"),
            Permutation(event_size, dtype=dtype, name=f"reverse_{index}"),
        ]
    return assembly.table_density(base, layers, event_size, dtype, name)
