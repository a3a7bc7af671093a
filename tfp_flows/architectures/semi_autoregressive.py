"""Flows of blocks of columns, each given those before it."""

from collections.abc import Sequence
from typing import Any

from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfp_flows.architectures import assembly
from tfp_flows.bijectors import Coupling, Linear, SemiAutoregressive, Standardize
from tfp_flows.ops import ElementwiseTransform

__all__ = ["semi_autoregressive_flow"]


def semi_autoregressive_flow(
    block_sizes: Sequence[int],
    *,
    transform: str | ElementwiseTransform = "spline",
    num_layers: int = 4,
    num_features: int = 32,
    hidden_sizes: Sequence[int] = (128, 128),
    context_size: int | None = None,
    activation: str = "relu",
    seed: int | None = None,
    dtype: Any = "float32",
    name: str = "semi_autoregressive_flow",
) -> tfd.TransformedDistribution:
    """Returns a flow over raw rows [batch..., D] that makes one block after another.

        standardize → block b: L × (linear → coupling), given blocks 1 … b − 1 → N(0, I)

    Densities take one pass, samples one for each of B blocks: fewer than an
    autoregressive flow, and each block an easy event for a score of draws. Train it by
    likelihood, or without one by ``EnergyScore(teacher_forcing=True)``.

    Args:
        block_sizes: B sizes of blocks of columns in order, D their sum. One block is
            a coupling flow, blocks of one column an autoregressive flow.
        transform: "spline" (rational-quadratic, 8 bins on [−5, 5]), "affine", or an
            elementwise transform.
        num_layers: L, in each block.
        num_features: numbers in which a block knows those before it.
        hidden_sizes: width of each hidden layer, of the network of all blocks and of
            the couplings.
        context_size: features of a context, None without one.
        activation: Keras activation of the networks.
        seed: makes the initial weights reproducible.
        dtype: dtype of event and weights.
        name: name of the distribution.

    Example:
        >>> semi_autoregressive_flow([2, 1], num_layers=1, hidden_sizes=[8]).event_shape
        TensorShape([3])

    Reference: Si et al. (2023), "Semi-Autoregressive Energy Flows: Exploring
    Likelihood-Free Training of Normalizing Flows", arXiv:2206.06672.
    """
    smallest = min(block_sizes, default=0)
    assembly.check_sizes(block_sizes=smallest, num_layers=num_layers)

    def block(size: int, place: int) -> tfb.Bijector:
        layers: list[tfb.Bijector] = []
        for index in range(num_layers):
            layers += [
                Linear(size, dtype=dtype, name=f"linear_{index}"),
                Coupling(
                    size,
                    transform=assembly.elementwise_transform(transform),
                    flip=index % 2 == 1,
                    hidden_sizes=hidden_sizes,
                    context_size=num_features,
                    activation=activation,
                    seed=None if seed is None else seed + 1000 * (place + index + 1),
                    dtype=dtype,
                    name=f"coupling_{index}",
                ),
            ]
        return tfb.Chain(layers[::-1], name=f"block_of_{size}")

    distinct = dict.fromkeys(block_sizes)
    layer = SemiAutoregressive(
        block_sizes,
        [block(size, place * num_layers) for place, size in enumerate(distinct)],
        num_features=num_features,
        hidden_sizes=hidden_sizes,
        context_size=context_size,
        activation=activation,
        seed=seed,
        dtype=dtype,
    )
    size = sum(block_sizes)
    layers = [Standardize(size, dtype=dtype), layer]
    return assembly.flow(assembly.standard_normal(size, dtype), layers, name)
