"""TFP distributions and bijectors as plain data, and back.

A TFP object is its class and its constructor's arguments, `parameters`; this module
writes those down recursively. Variables are written as shape and dtype: their values
travel as weights. What two parts share is written once and stays shared.

Reading constructs only what `names` finds: a model file cannot name arbitrary code.
"""

import base64
import dataclasses
import inspect
import random
import types
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import bijectors as tfb

from tfp_flows.models.bridge.names import (
    CONSTRUCTIBLE,
    find_class,
    find_function,
    is_record,
    is_tfp,
    name_of,
    public_class,
    refusal,
)

__all__ = ["deserialize", "serialize", "serialize_part"]


def serialize(value: Any) -> dict[str, Any]:
    """Returns JSON data from which `deserialize` rebuilds a distribution or bijector.

    Raises:
        TypeError: a part cannot be written down, such as a lambda, or would not be
            rebuilt; the message names where it stands.
    """
    writer = _Writer()
    data = {"root": writer.write(value, ""), "objects": writer.objects}
    writer.rebuild()
    return data


def serialize_part(part: Any) -> dict[str, Any]:
    """Returns an objective or a penalty as Keras' data.

    Raises:
        TypeError: Keras could not rebuild it from a file.
    """
    name = keras.saving.get_registered_name(type(part))
    if keras.saving.get_registered_object(name) is not type(part):
        raise TypeError(
            f"Cannot save {type(part).__name__}: register it with "
            "keras.saving.register_keras_serializable and give it get_config. "
            "save_weights and export work without this."
        )
    return keras.saving.serialize_keras_object(part)


def deserialize(data: Mapping[str, Any]) -> Any:
    """Rebuilds what `serialize` wrote, with fresh values in its variables.

    Raises:
        UntrustedError: a class or function is neither trusted nor registered.
    """
    return _Reader(data["objects"]).read(data["root"])


class _Writer:
    """Writes values; objects with identity go to a table, so that sharing is kept."""

    def __init__(self) -> None:
        self.objects: list[dict[str, Any]] = []
        self._places: list[str] = []
        self._index: dict[int, int] = {}
        # Keeps written objects alive: the identity of a dead one may be reused.
        self._alive: list[Any] = []

    def write(self, value: Any, where: str) -> Any:
        if isinstance(value, np.generic) and not isinstance(value, np.floating):
            value = value.item()
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, list | tuple):
            items = [self.write(v, f"{where}[{i}]") for i, v in enumerate(value)]
            return {"tuple" if isinstance(value, tuple) else "list": items}
        if isinstance(value, Mapping):
            return {
                "dict": [[k, self.write(v, f"{where}.{k}")] for k, v in value.items()]
            }
        if isinstance(value, tf.TensorShape):
            return {"shape": value.as_list()}
        if isinstance(value, tf.DType):
            return {"dtype": value.name}
        if isinstance(value, types.FunctionType | types.BuiltinFunctionType | type):
            return {"name": name_of(value, where)}
        if dataclasses.is_dataclass(value):
            return self._dataclass(value, where)
        if isinstance(value, np.ndarray | np.floating) or _is_constant(value):
            return _array(value)
        return self._reference(value, where)

    def _dataclass(self, value: Any, where: str) -> dict[str, Any]:
        fields = {
            field.name: self.write(getattr(value, field.name), f"{where}.{field.name}")
            for field in dataclasses.fields(value)
        }
        return {"dataclass": name_of(type(value), where), "fields": fields}

    def _reference(self, value: Any, where: str) -> dict[str, int]:
        if id(value) not in self._index:
            written = self._object(value, where)
            self._index[id(value)] = len(self.objects)
            self._alive.append(value)
            self._places.append(where)
            self.objects.append(written)
        return {"object": self._index[id(value)]}

    def rebuild(self) -> None:
        """Refuses what would be written and never read; inner parts come first."""
        reader, drawn = _Reader(self.objects), random.getstate()
        parts = zip(self._places, self._alive, strict=True)
        for index, (where, value) in enumerate(parts):
            try:
                reader.read({"object": index})
            except Exception as error:
                raise TypeError(refusal(value, where)) from error
            finally:
                # Layers draw the seeds of their initializers: saving changes no run.
                random.setstate(drawn)

    def _object(self, value: Any, where: str) -> dict[str, Any]:
        if isinstance(value, tf.Variable):
            return {
                "variable": value.name.split(":")[0],
                "shape": value.shape.as_list(),
                "dtype": value.dtype.name,
                "trainable": value.trainable,
            }
        if isinstance(value, tfb.AutoregressiveNetwork):
            # A layer of Keras 2, of which Keras 3 knows nothing.
            return self._called(type(value), value.get_config(), where)
        if hasattr(value, "get_config") and hasattr(value, "from_config"):
            # Layers, initializers, and whatever a user wrote in Keras' manner.
            name_of(type(value), where)
            return {"keras": keras.saving.serialize_keras_object(value)}
        if isinstance(value, tfp.util.DeferredTensor):
            # TFP shows a bijector's bound method in place of the bijector.
            bijector = getattr(value.transform_fn, "__self__", value.transform_fn)
            return {
                "transformed": self.write(value.pretransformed_input, f"{where}.input"),
                "bijector": self.write(bijector, f"{where}.transform_fn"),
            }
        arguments = _arguments_of(value) if isinstance(value, CONSTRUCTIBLE) else None
        if arguments is not None:
            return self._called(type(value), arguments, where)
        raise TypeError(refusal(value, where))

    def _called(
        self, cls: type, arguments: Mapping[str, Any], where: str
    ) -> dict[str, Any]:
        """A class with the arguments of its constructor."""
        defaults = inspect.signature(cls).parameters
        return {
            "class": name_of(public_class(cls), where),
            "parameters": {
                key: self.write(argument, f"{where}.{key}" if where else key)
                for key, argument in arguments.items()
                # A default that is a function has no name of its own in a file.
                if not (
                    isinstance(argument, types.FunctionType)
                    and key in defaults
                    and defaults[key].default is argument
                )
            },
        }


class _Reader:
    """Rebuilds values; each object of the table once."""

    def __init__(self, objects: list[dict[str, Any]]) -> None:
        self._objects = objects
        self._built: dict[int, Any] = {}

    def read(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        if "object" in data:
            index = data["object"]
            if index not in self._built:
                self._built[index] = self._object(self._objects[index])
            return self._built[index]
        if "list" in data:
            return [self.read(item) for item in data["list"]]
        if "tuple" in data:
            return tuple(self.read(item) for item in data["tuple"])
        if "dict" in data:
            return {key: self.read(value) for key, value in data["dict"]}
        if "shape" in data:
            return tf.TensorShape(data["shape"])
        if "dataclass" in data:
            fields = {key: self.read(value) for key, value in data["fields"].items()}
            return find_class(data["dataclass"], is_record)(**fields)
        if "array" in data:
            raw = np.frombuffer(base64.b64decode(data["array"]), data["of"])
            # An empty index makes a scalar of an array without axes.
            return raw.reshape(data["sizes"]).copy()[()]
        if "name" in data:
            return find_function(data["name"])
        return tf.as_dtype(data["dtype"])

    def _object(self, data: Mapping[str, Any]) -> Any:
        if "variable" in data:
            return tf.Variable(
                tf.zeros(data["shape"], data["dtype"]),
                trainable=data["trainable"],
                name=data["variable"],
            )
        if "keras" in data:
            return keras.saving.deserialize_keras_object(data["keras"])
        if "transformed" in data:
            variable = self.read(data["transformed"])
            return tfp.util.DeferredTensor(variable, self.read(data["bijector"]))
        arguments = {key: self.read(v) for key, v in data["parameters"].items()}
        return find_class(data["class"], is_tfp)(**arguments)


def _arguments_of(value: Any) -> Mapping[str, Any] | None:
    """The arguments that an object was constructed with, if they can be told.

    They are its `parameters`; a class of TFP that keeps those of its base instead has
    its own as attributes.
    """
    accepted = inspect.signature(type(value)).parameters
    takes_any = any(a.kind is a.VAR_KEYWORD for a in accepted.values())
    if takes_any or set(value.parameters) <= set(accepted):
        return value.parameters
    kept = {
        name: vars(value)[f"_{name}"] for name in accepted if f"_{name}" in vars(value)
    }
    return kept if set(kept) == set(accepted) else None


def _is_constant(value: Any) -> bool:
    if isinstance(value, tf.Variable | tfp.util.DeferredTensor):
        return False
    return tf.is_tensor(value) and hasattr(value, "numpy")


def _array(value: Any) -> dict[str, Any]:
    array = np.ascontiguousarray(value.numpy() if tf.is_tensor(value) else value)
    text = base64.b64encode(array.tobytes()).decode()
    return {"array": text, "of": array.dtype.str, "sizes": list(np.shape(value))}
