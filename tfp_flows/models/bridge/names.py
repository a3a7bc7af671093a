"""Classes and functions by the names that a model file may hold.

Found are only those of TensorFlow, TFP, Keras and this package, or ones registered with
`keras.saving.register_keras_serializable`: a model file cannot name arbitrary code.
"""

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

__all__ = [
    "CONSTRUCTIBLE",
    "UntrustedError",
    "find_class",
    "find_function",
    "is_record",
    "is_tfp",
    "name_of",
    "public_class",
    "refusal",
]

# What keeps the arguments of its constructor as `parameters`.
CONSTRUCTIBLE = (
    tfd.Distribution,
    tfb.Bijector,
    tfp.math.psd_kernels.PositiveSemidefiniteKernel,
    tf.linalg.LinearOperator,
)
_TRUSTED = ("tensorflow", "tensorflow_probability", "keras", "tfp_flows")
_FUNCTION_MODULES = (
    "tensorflow_probability.python.distributions.",
    "tensorflow_probability.python.bijectors.",
)
_RECORDS = ("tfp_flows.bijectors.", "tfp_flows.ode.", "tfp_flows.ops.")


class UntrustedError(ValueError):
    """A file names a class or function that it may not; nothing was called."""


def public_class(cls: type) -> type:
    """The exported class behind TFP's private variants, such as `_Chain`."""
    for namespace in (tfd, tfb):
        public = getattr(namespace, cls.__name__.lstrip("_"), None)
        if isinstance(public, type) and (
            issubclass(public, cls) or issubclass(cls, public)
        ):
            return public
    return cls


def name_of(value: Any, where: str) -> str:
    """Text by which `_find` finds a class or function again."""
    registered = keras.saving.get_registered_name(value)
    if keras.saving.get_registered_object(registered) is value:
        return f"registered:{registered}"
    name = f"{_public_module(value)}:{value.__qualname__}"
    is_class = isinstance(value, type)
    trusted = _TRUSTED if is_class else _FUNCTION_MODULES
    if value.__module__.startswith(trusted) and "<" not in name:
        return name
    raise TypeError(refusal(value, where))


def _public_module(value: Any) -> str:
    """The package that exports a class of ours: files move, public names stay."""
    package = ".".join(value.__module__.split(".")[:2])
    if not package.startswith("tfp_flows."):
        return value.__module__
    exported = getattr(importlib.import_module(package), value.__qualname__, None)
    return package if exported is value else value.__module__


def _find(name: str) -> Any:
    module, _, path = name.partition(":")
    if module == "registered":
        found = keras.saving.get_registered_object(path)
        if found is None:
            raise UntrustedError(
                f"{path!r} is not registered. Import the module that registers it "
                "with keras.saving.register_keras_serializable before loading."
            )
        return found
    if module.split(".")[0] not in _TRUSTED:
        trusted = ", ".join(_TRUSTED)
        raise UntrustedError(f"{name!r} is not part of {trusted}: refused.")
    if module.startswith("tfp_flows."):
        # An older file names the module that defined the class then.
        package = importlib.import_module(".".join(module.split(".")[:2]))
        if hasattr(package, path):
            return getattr(package, path)
    try:
        found = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise UntrustedError(
            f"{name!r} is not in the versions that are installed: install those that "
            "wrote the file."
        ) from error
    return found


def is_tfp(cls: type) -> bool:
    """Whether it is a class whose objects keep their arguments as `parameters`."""
    return issubclass(cls, (*CONSTRUCTIBLE, tfb.AutoregressiveNetwork))


def is_record(cls: type) -> bool:
    """Whether it is a dataclass of ours, or an elementwise transform of the user's."""
    if not dataclasses.is_dataclass(cls):
        return False
    return cls.__module__.startswith(_RECORDS) or hasattr(cls, "num_parameters")


def find_class(name: str, may_construct: Callable[[type], bool]) -> type:
    """Finds a class of the kind that a file may construct."""
    found = _find(name)
    if not isinstance(found, type) or not may_construct(found):
        raise UntrustedError(f"{name!r} is no class that a saved model may construct.")
    return found


def find_function(name: str) -> Any:
    """Finds a function that TFP takes as an argument by default, or a registered one.

    The functions of whole libraries would include some that write files.
    """
    if not name.startswith(("registered:", *_FUNCTION_MODULES)):
        raise UntrustedError(f"{name!r} is no function that a saved model may use.")
    return _find(name)


def refusal(value: Any, where: str) -> str:
    """Says that a part cannot be saved, and what to do."""
    return (
        f"Cannot save the part {where or 'distribution'!r}, {value!r} of type "
        f"{type(value).__name__}: it has no description from which it could be "
        "rebuilt. Instead of a lambda or closure use an object with get_config, and "
        "register your own classes and functions with "
        "keras.saving.register_keras_serializable. save_weights and export work "
        "without this."
    )
