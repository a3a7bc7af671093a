"""Blocks of features given those before them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfp_flows.bijectors.structure.walk import context_arguments, leaves
from tfp_flows.bijectors.trainable import TrainableBijector
from tfp_flows.networks import MaskedAutoregressiveNetwork
from tfp_flows.networks.conditioner import network_policy

__all__ = ["SemiAutoregressive"]


class _Group(NamedTuple):
    """The blocks of one size, which one bijector transforms."""

    bijector: tfb.Bijector
    blocks: np.ndarray  # [G].
    columns: np.ndarray  # [G, k].


class SemiAutoregressive(TrainableBijector):
    """y_b = τ(x_b; h_b), h_b a function of the blocks x₁ … x_{b−1} and a context.

    log|det J| = Σ_b log|det τ′(x_b; h_b)|, the Jacobian being block triangular.
    `forward` (data → base) is one evaluation of a masked network and of τ; `inverse`
    finds one block after the other, with an evaluation of the network for each.
    One block is no condition at all, blocks of one feature an autoregressive map.

    Shapes: x, y: [batch..., D].

    Args:
        block_sizes: B sizes, D their sum.
        transforms: τ, for each distinct size in the order of its first block: a
            bijector of events of that size that conditions on `num_features`.
        num_features: H, size of h_b.
        hidden_sizes: width of each hidden layer of the masked network.
        context_size: features of the context, None without one.
        activation: Keras activation of the network.
        seed: makes the initial weights reproducible.
        dtype: dtype of the event and the weights.
        network_dtype: policy of the network, see `network_policy`.
        validate_args: as in TFP.
        name: name of the bijector; it keys the context in a `tfb.Chain`.

    Raises:
        ValueError: not one conditional bijector for each size.

    Example:
        >>> from tfp_flows.bijectors import Coupling
        >>> part = Coupling(2, hidden_sizes=[8], context_size=4)
        >>> bijector = SemiAutoregressive([2, 2], [part], num_features=4)
        >>> tuple(bijector.inverse(tf.zeros([5, 4])).shape)
        (5, 4)

    Reference: Si et al. (2023), "Semi-Autoregressive Energy Flows", arXiv:2206.06672.
    """

    def __init__(
        self,
        block_sizes: Sequence[int],
        transforms: Sequence[tfb.Bijector],
        *,
        num_features: int = 32,
        hidden_sizes: Sequence[int] = (128, 128),
        context_size: int | None = None,
        activation: str = "relu",
        seed: int | None = None,
        dtype: Any = "float32",
        network_dtype: str | None = None,
        validate_args: bool = False,
        name: str = "semi_autoregressive",
    ) -> None:
        self.block_sizes = tuple(block_sizes)
        self.transforms = list(transforms)
        _check_transforms(self.block_sizes, self.transforms, num_features)
        self._groups = _groups(self.block_sizes, self.transforms)
        joined = np.concatenate([group.columns.reshape(-1) for group in self._groups])
        self._order = np.argsort(joined)
        policy = network_policy(dtype, network_dtype)
        network = MaskedAutoregressiveNetwork(
            sum(self.block_sizes),
            block_sizes=self.block_sizes,
            hidden_sizes=hidden_sizes,
            num_parameters=num_features,
            context_size=context_size,
            activation=activation,
            seed=seed,
            dtype=policy,
            name=f"{name}_network",
        )
        # From zeros no transform would learn to use them.
        kernel = network.output_layer.kernel
        kernel.assign(network.initializer(len(hidden_sizes))(kernel.shape))
        super().__init__(parameters={"network_dtype": policy}, network=network)

    def conditionals(
        self, x: tf.Tensor, z: tf.Tensor, context: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Returns draws of each block given the blocks of x before it, [n, N, D].

        Block b of a draw is τ⁻¹(z_b; h_b(x)): of the noise it sees its own block alone.

        Args:
            x: [N, D], rows.
            z: [n, N, D], draws of the base.
            context: [N, C], where there is one.
        """
        return self._map("inverse", z, self._features(x, context))[0]

    def _forward_and_log_det(
        self, x: tf.Tensor, context: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self._map("forward", x, self._features(x, context))

    def _inverse_and_log_det(
        self, y: tf.Tensor, context: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        x, log_det = tf.zeros_like(y), tf.zeros(tf.shape(y)[:-1], y.dtype)
        sizes = np.array(self.block_sizes)
        # Blocks of one size that stand beside each other are one loop, whose known
        # length lets XLA compile it and a gradient pass through it.
        for run in np.split(np.arange(len(sizes)), np.flatnonzero(np.diff(sizes)) + 1):
            size, first = int(sizes[run[0]]), int(sizes[: run[0]].sum())
            group = next(g for g in self._groups if run[0] in g.blocks)

            def find_block(
                step: tf.Tensor,
                x: tf.Tensor,
                log_det: tf.Tensor,
                run: np.ndarray = run,
                place: tuple[int, int] = (first, size),
                bijector: tfb.Bijector = group.bijector,
            ) -> Any:
                first, size = place
                h = self._features(x, context)[..., int(run[0]) + step, :]
                start = first + size * step
                block = tf.gather(y, start + tf.range(size), axis=-1)
                found, more = _apply(bijector, "inverse", block, h)
                at = tf.range(x.shape[-1]) - start
                spread = tf.gather(found, tf.clip_by_value(at, 0, size - 1), axis=-1)
                x = tf.where((at >= 0) & (at < size), spread, x)
                return step + 1, x, log_det + more

            # The bound on iterations ends the loop.
            _, x, log_det = tf.while_loop(
                lambda *_: True,
                find_block,
                (tf.constant(0), x, log_det),
                maximum_iterations=len(run),
            )
        return x, log_det

    def _features(self, x: tf.Tensor, context: tf.Tensor | None) -> tf.Tensor:
        """h, [batch..., B, H]."""
        return tf.linalg.matrix_transpose(self.network(x, context))

    def _map(self, way: str, x: tf.Tensor, h: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """All blocks at once, given h: the image and its log-determinant."""
        batch, parts = tf.shape(x)[:-1], []
        log_det = tf.zeros(batch, x.dtype)
        for group in self._groups:
            block = tf.gather(x, group.columns, axis=-1)
            given = tf.gather(h, group.blocks, axis=-2)
            y, more = _apply(group.bijector, way, block, given)
            parts.append(tf.reshape(y, tf.concat([batch, [group.columns.size]], 0)))
            log_det += tf.reduce_sum(more, axis=-1)
        return tf.gather(tf.concat(parts, axis=-1), self._order, axis=-1), log_det


def _apply(
    bijector: tfb.Bijector, way: str, x: tf.Tensor, h: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The image of blocks [batch..., k] and its log-determinant, [batch...]."""
    arguments = context_arguments(bijector, h)
    y = getattr(bijector, way)(x, **arguments)
    log_det = getattr(bijector, f"{way}_log_det_jacobian")(x, 1, **arguments)
    return y, tf.broadcast_to(log_det, tf.shape(x)[:-1])


def _groups(
    block_sizes: Sequence[int], transforms: Sequence[tfb.Bijector]
) -> list[_Group]:
    sizes = np.array(block_sizes)
    starts = np.cumsum(sizes) - sizes
    groups = []
    for size, bijector in zip(dict.fromkeys(block_sizes), transforms, strict=True):
        blocks = np.flatnonzero(sizes == size)
        columns = starts[blocks, np.newaxis] + np.arange(size)
        groups.append(_Group(bijector, blocks, columns))
    return groups


def _check_transforms(
    block_sizes: Sequence[int], transforms: Sequence[tfb.Bijector], num_features: int
) -> None:
    distinct = tuple(dict.fromkeys(block_sizes))
    given = [
        {size for leaf in leaves(one) if (size := getattr(leaf, "context_size", None))}
        for one in transforms
    ]
    if len(given) != len(distinct) or any(sizes != {num_features} for sizes in given):
        raise ValueError(
            f"transforms: expected a bijector with context_size={num_features} for "
            f"each block size of {distinct}, received {len(given)}, with context_size "
            f"{', '.join(str(sorted(sizes)) for sizes in given)}."
        )
    for one in transforms:
        for leaf in leaves(one):
            if hasattr(leaf, "initialize") or not hasattr(leaf, "network"):
                continue
            # What it conditions on is no data, of which it would wait for statistics.
            if getattr(leaf.network, "initialized", None) is not None:
                leaf.network.initialized.assign(True)
