"""Sets that come with the package, or with packages that ship them."""

from tfp_flows.data.builtin.sets import BUILT_IN, is_builtin, load_builtin

__all__ = ["BUILT_IN", "is_builtin", "load_builtin"]
