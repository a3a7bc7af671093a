"""Starting the linear parts of a flow at the optimum of their family, from data.

``z = W x`` has its highest likelihood where ``W S Wᵀ = I``, S = E[x xᵀ]: at every
``W = Q S^(−1/2)`` with Q orthogonal. A flow that starts there has, before its first
step, the likelihood that training would otherwise have to find first.
"""

from typing import Any

import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfp_flows.bijectors.initialization.initialize import set_along
from tfp_flows.bijectors.initialization.whitening_stock import whiten_stock

__all__ = ["whitening_init"]


def whitening_init(bijector: tfb.Bijector, x: Any, **context: Any) -> tf.Tensor:
    """Sets every linear part of a flow to its family's maximiser on data, in place.

    Walks through `tfb.Chain`, `tfb.Invert` and `MultiScale` from the data side, so
    that each part sees what the parts before it, already set, make of x. A part with a
    method ``whiten(x)`` is set by it (`Linear`, `SelfNormalizingDense` and, as 1 × 1
    convolution, `SelfNormalizingConv2D`: of all maximisers the one closest to the
    present matrix, so that a rotation stays one); a part with ``initialize(x)`` by
    that (`ActNorm`, `Whiten`, `Standardize`); a linear bijector of TFP that holds a
    variable (`ScaleMatvecDiag`, `ScaleMatvecTriL`, `ScaleMatvecLU`, a full matrix in
    `ScaleMatvecLinearOperator`) in either direction. Others stay. Couplings start
    as the identity, so a flow whose linear parts include a bias then has the
    likelihood that `linear_flow_optimum` gives.

    Not on a gradient tape; a later `FlowModel.fit` sets none of these parts again.

    Args:
        bijector: data → base. For a flow whose bijector is base → data, pass
            ``tfb.Invert(flow.bijector)``.
        x: [N, event...], a batch of data with more rows than features; integer data
            dequantized.
        **context: nested arguments as from `context_arguments`.

    Returns:
        The image of x under the bijector as set, [N, base event...].

    Raises:
        ValueError: a part receives data in which a direction does not vary, or the
            data reaches its output.

    Example:
        >>> from tfp_flows.bijectors import Linear
        >>> x = tf.constant([[2.0, 1.0], [-2.0, -1.0], [0.0, 1.0], [0.0, -1.0]])
        >>> z = whitening_init(Linear(2), x)
        >>> (tf.transpose(z) @ z / 4.0).numpy().round(4).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    methods = ["whiten", "initialize"]
    return set_along(bijector, x, context, methods, otherwise=whiten_stock)
