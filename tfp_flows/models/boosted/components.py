"""The components of a mixture, as the user's function builds them."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import keras
from tensorflow_probability import distributions as tfd

from tfp_flows.models.flow_model import FlowModel

__all__ = ["component_model", "registered_name", "unknown_component"]


def component_model(
    component: Callable[..., Any], index: int, penalties: Sequence[Any] | None
) -> FlowModel:
    """Returns the model of a component, built by the user's function.

    Args:
        component: builds a distribution, from its number if it takes one.
        index: the number.
        penalties: of the model.

    Raises:
        TypeError: it is no function, or builds something else.
    """
    if not callable(component):
        raise TypeError(
            "component must be a function that builds a fresh distribution, such as "
            f"lambda index: coupling_flow(2); received {type(component).__name__}."
        )
    built = component(index) if _takes_number(component) else component()
    if isinstance(built, FlowModel):
        return built
    if not isinstance(built, tfd.Distribution):
        raise TypeError(
            "component must return a tfp.distributions.Distribution, such as "
            f"coupling_flow(2); received {type(built).__name__}."
        )
    return FlowModel(built, penalties=penalties, name=f"component_{index}")


def _takes_number(component: Callable[..., Any]) -> bool:
    try:
        inspect.signature(component).bind(0)
    except TypeError:
        return False
    return True


def registered_name(function: Callable[..., Any]) -> str | None:
    """Returns the name under which Keras finds a function again, or None."""
    name = keras.saving.get_registered_name(function)
    known = keras.saving.get_registered_object(name) is function
    return name if known else None


def unknown_component(index: int) -> tfd.Distribution:
    """Stands for the function of a model that was loaded from a file.

    Raises:
        ValueError: always.
    """
    raise ValueError(
        "This model was loaded from a file, which holds its components and not the "
        "function that builds more of them: set model.component to it, then fit."
    )
