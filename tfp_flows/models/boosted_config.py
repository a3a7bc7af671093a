"""A boosted mixture as data: its components, its stages and how it is trained."""

import dataclasses
from typing import TYPE_CHECKING, Any

import keras

from tfp_flows.models.boosting_stage import BoostingStage
from tfp_flows.models.components import registered_name, unknown_component
from tfp_flows.objectives import ResidualWeights

if TYPE_CHECKING:
    from tfp_flows.models.boosted_flow import BoostedFlow

__all__ = ["boosted_config", "restored"]

_PLAIN = (
    "name",
    "num_components",
    "patience",
    "min_gain",
    "max_components",
    "cache_rows",
)


def boosted_config(model: "BoostedFlow") -> dict[str, Any]:
    """Returns JSON data from which `restored` rebuilds a `BoostedFlow`.

    Raises:
        TypeError: a part of a component cannot be rebuilt from data.
    """
    rule: Any = model.rule
    if isinstance(rule, ResidualWeights):
        rule = dataclasses.asdict(rule)
    write = keras.saving.serialize_keras_object
    return {
        **{name: getattr(model, name) for name in _PLAIN},
        "rule": rule,
        "penalties": model.penalties and [write(p) for p in model.penalties],
        "component": registered_name(model.component),
        "models": [write(component) for component in model.component_models],
        "stages": [dataclasses.asdict(stage) for stage in model.stages],
    }


def restored(cls: "type[BoostedFlow]", config: dict[str, Any]) -> "BoostedFlow":
    """Rebuilds what `boosted_config` wrote, with fresh values in its weights."""
    read = keras.saving.deserialize_keras_object
    models = [read(component) for component in config["models"]]
    rule, penalties = config["rule"], config["penalties"]
    model = cls(
        # Gives back the models, one after another.
        lambda index: models[index],
        rule=ResidualWeights(**rule) if isinstance(rule, dict) else rule,
        penalties=penalties and [read(penalty) for penalty in penalties],
        **{name: config[name] for name in _PLAIN},
    )
    for _ in models[1:]:
        model.append_component()
    name = config["component"]
    found = None if name is None else keras.saving.get_registered_object(name)
    model.component = unknown_component if found is None else found
    model.stages = [
        BoostingStage(**{**stage, "weights": tuple(stage["weights"])})
        for stage in config["stages"]
    ]
    return model
