"""Pure tensor functions: no variables, no Keras."""

from tfp_flows.ops.affine import Affine
from tfp_flows.ops.center_of_mass import centered
from tfp_flows.ops.conv2d import (
    adjoint_kernel,
    conv2d,
    conv2d_matrix,
    conv2d_solve,
    conv2d_spectrum,
    kernel_counts,
)
from tfp_flows.ops.conv2d_log_abs_det import (
    conv2d_log_abs_det,
    self_normalizing_conv2d_log_abs_det,
)
from tfp_flows.ops.discretized_logistic import (
    discretized_logistic_log_prob,
    discretized_logistic_mean,
)
from tfp_flows.ops.elementwise import ElementwiseTransform
from tfp_flows.ops.hashing import uniform_from_hash
from tfp_flows.ops.internal_coordinates import (
    dihedral_angles,
    from_internal,
    internal_log_volume,
    to_internal,
)
from tfp_flows.ops.jacobian import (
    jacobian,
    jacobian_vector,
    largest_singular_value,
    vector_jacobian,
)
from tfp_flows.ops.lifting import argmax_lift, interval_lift
from tfp_flows.ops.linear_inverse import implicit_inverse, refined_inverse
from tfp_flows.ops.log_abs_det import (
    log_abs_det,
    pivot_ratio,
    relative_log_abs_det,
    relative_matvec,
    self_normalizing_log_abs_det,
)
from tfp_flows.ops.log_scale import LogScale, bounded_log_scale
from tfp_flows.ops.mixture_density import mixture_linear
from tfp_flows.ops.places import place_features, present_places
from tfp_flows.ops.prescribed_gradient import first_order_only, prescribed_gradient
from tfp_flows.ops.rational_quadratic import RationalQuadratic

__all__ = [
    "Affine",
    "ElementwiseTransform",
    "LogScale",
    "RationalQuadratic",
    "adjoint_kernel",
    "argmax_lift",
    "bounded_log_scale",
    "centered",
    "conv2d",
    "conv2d_log_abs_det",
    "conv2d_matrix",
    "conv2d_solve",
    "conv2d_spectrum",
    "dihedral_angles",
    "discretized_logistic_log_prob",
    "discretized_logistic_mean",
    "first_order_only",
    "from_internal",
    "implicit_inverse",
    "internal_log_volume",
    "interval_lift",
    "jacobian",
    "jacobian_vector",
    "kernel_counts",
    "largest_singular_value",
    "log_abs_det",
    "mixture_linear",
    "pivot_ratio",
    "place_features",
    "prescribed_gradient",
    "present_places",
    "refined_inverse",
    "relative_log_abs_det",
    "relative_matvec",
    "self_normalizing_conv2d_log_abs_det",
    "self_normalizing_log_abs_det",
    "to_internal",
    "uniform_from_hash",
    "vector_jacobian",
]
