"""Pure tensor functions: no variables, no Keras."""

from tfp_flows.ops.affine import Affine
from tfp_flows.ops.elementwise import ElementwiseTransform
from tfp_flows.ops.hashing import uniform_from_hash
from tfp_flows.ops.rational_quadratic import RationalQuadratic

__all__ = ["Affine", "ElementwiseTransform", "RationalQuadratic", "uniform_from_hash"]
