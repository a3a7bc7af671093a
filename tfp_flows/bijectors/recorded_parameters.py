"""`parameters`, by which a TFP object is rebuilt, read from its constructor's call."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

__all__ = ["RecordedParameters"]

_OPTIONS = ("dtype", "validate_args", "name")


class RecordedParameters:
    """Mixin before a base of TFP: `parameters` are the arguments of the constructor.

    TFP copies an object, and a model file rebuilds it, from the dictionary
    `parameters`, which in TFP each constructor writes by hand. Here it is the call
    itself, of the class that was asked for, with the defaults filled in: an argument
    that is added later cannot be forgotten.

        class Scaled(RecordedParameters, tfd.Distribution): ...

    What every base of TFP takes, `dtype`, `validate_args` and `name`, goes there from
    the call as well: from that of the constructor next to it which has the argument,
    float32 where none has a dtype.

    Args:
        parameters: arguments that are stored otherwise than they were passed.
        **kwargs: passed to the base of TFP, before what the call says.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = _recording(cls.__init__)  # type: ignore[method-assign]

    def __init__(
        self, *, parameters: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        calls = [_arguments(bind()) for bind in vars(self).pop("_calls")]
        changed = parameters or {}
        options = {"dtype": "float32"}
        for call in calls:
            given = {name: call.get(name) for name in _OPTIONS}
            options |= {k: value for k, value in given.items() if value is not None}
        options |= kwargs
        super().__init__(  # type: ignore[call-arg]
            parameters={k: changed.get(k, value) for k, value in calls[0].items()},
            **{**options, "dtype": tf.as_dtype(options["dtype"])},
        )


def _recording(init: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(init)

    @functools.wraps(init)
    def recorded(self: Any, *args: Any, **kwargs: Any) -> None:
        # The constructor of the class that was asked for is entered first, then those
        # of its bases. Bound later: what does not fit the signature is refused by the
        # constructor, in Python's own words. Past `__setattr__`, by which TensorFlow
        # would search the calls for variables.
        bind = functools.partial(signature.bind, self, *args, **kwargs)
        vars(self).setdefault("_calls", []).append(bind)
        init(self, *args, **kwargs)

    return recorded


def _arguments(call: inspect.BoundArguments) -> dict[str, Any]:
    """Returns the arguments of a call by name, without `self`."""
    call.apply_defaults()
    positional = zip(call.signature.parameters, call.args, strict=False)
    _, *arguments = {**dict(positional), **call.kwargs}.items()
    return {name: _stored(name, value) for name, value in arguments}


def _stored(name: str, value: Any) -> Any:
    if name == "dtype" and value is not None:
        return tf.as_dtype(value).name
    # The caller may change a list later.
    return tuple(value) if isinstance(value, list) else value
