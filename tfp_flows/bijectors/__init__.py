"""Invertible maps with log-determinants; `forward` is data → base."""

from tfp_flows.bijectors.affine.act_norm import ActNorm
from tfp_flows.bijectors.affine.centered_scale import CenteredScale
from tfp_flows.bijectors.affine.linear import Linear
from tfp_flows.bijectors.affine.standardize import Standardize
from tfp_flows.bijectors.affine.whiten import Whiten
from tfp_flows.bijectors.arrangement.internal_coordinates import (
    InternalCoordinates,
)
from tfp_flows.bijectors.arrangement.multiscale import MultiScale
from tfp_flows.bijectors.arrangement.permutation import Permutation
from tfp_flows.bijectors.arrangement.squeeze import Squeeze
from tfp_flows.bijectors.autoregressive import MaskedAutoregressive
from tfp_flows.bijectors.continuous import (
    Continuous,
    Divergence,
    ExactDivergence,
    HutchinsonDivergence,
    Path,
    PathOptions,
)
from tfp_flows.bijectors.coupling import Coupling
from tfp_flows.bijectors.initialization.initialize import initialize, is_initialized
from tfp_flows.bijectors.initialization.whitening import whitening_init
from tfp_flows.bijectors.learned_inverse.inverse_certificate import (
    InverseCertificate,
    LayerCertificate,
    inverse_certificate,
)
from tfp_flows.bijectors.learned_inverse.protocol import (
    LearnedInverse,
    learned_inverses,
)
from tfp_flows.bijectors.learned_inverse.self_normalizing_conv2d import (
    SelfNormalizingConv2D,
)
from tfp_flows.bijectors.learned_inverse.self_normalizing_dense import (
    SelfNormalizingDense,
)
from tfp_flows.bijectors.pointwise.activations import (
    LeakyReLU,
    MonotoneSpline,
    SmoothLeakyReLU,
)
from tfp_flows.bijectors.pointwise.bounded import Bounded
from tfp_flows.bijectors.pointwise.logit import Logit
from tfp_flows.bijectors.pointwise.soft_log_tails import SoftLogTails
from tfp_flows.bijectors.semi_autoregressive import SemiAutoregressive
from tfp_flows.bijectors.structure.walk import (
    conditional_bijectors,
    context_arguments,
    layer_inputs,
    layer_passages,
    leaves,
    nested_arguments,
)
from tfp_flows.bijectors.trainable import TrainableBijector

__all__ = [
    "ActNorm",
    "Bounded",
    "CenteredScale",
    "Continuous",
    "Coupling",
    "Divergence",
    "ExactDivergence",
    "HutchinsonDivergence",
    "InternalCoordinates",
    "InverseCertificate",
    "LayerCertificate",
    "LeakyReLU",
    "LearnedInverse",
    "Linear",
    "Logit",
    "MaskedAutoregressive",
    "MonotoneSpline",
    "MultiScale",
    "Path",
    "PathOptions",
    "Permutation",
    "SelfNormalizingConv2D",
    "SelfNormalizingDense",
    "SemiAutoregressive",
    "SmoothLeakyReLU",
    "SoftLogTails",
    "Squeeze",
    "Standardize",
    "TrainableBijector",
    "Whiten",
    "conditional_bijectors",
    "context_arguments",
    "initialize",
    "inverse_certificate",
    "is_initialized",
    "layer_inputs",
    "layer_passages",
    "learned_inverses",
    "leaves",
    "nested_arguments",
    "whitening_init",
]
