"""Normalizing flows for TensorFlow Probability and Keras 3.

Sub-packages load on first access, so that ``import tfp_flows`` costs
milliseconds and a command line can answer ``--help`` without TensorFlow.
"""

import importlib
from types import ModuleType

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "architectures",
    "bijectors",
    "data",
    "diagnostics",
    "distributions",
    "energies",
    "models",
    "networks",
    "objectives",
    "ops",
    "testing",
]


def __getattr__(name: str) -> ModuleType:
    if name not in __all__:
        raise AttributeError(f"module 'tfp_flows' has no attribute {name!r}")
    return importlib.import_module(f"tfp_flows.{name}")


def __dir__() -> list[str]:
    return __all__
