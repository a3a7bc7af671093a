"""A mixture of flows whose components come and go."""

import abc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows.distributions import BoostedMixture
from tfp_flows.models.boosted.components import component_model
from tfp_flows.models.boosted.stage import BoostingStage
from tfp_flows.models.bridge.adapter import DistributionAdapter
from tfp_flows.models.bridge.tracking import adopt, check_distinct
from tfp_flows.models.density_model import DensityModel
from tfp_flows.models.flow_model import FlowModel

__all__ = ["GrowingMixture"]

# Weight of a component that has not been trained yet.
_ABSENT = 1e-6


class GrowingMixture(DensityModel, abc.ABC):
    """Holds models of components and their weights; how they train is a subclass's.

    Args:
        component: builds a fresh distribution, from its number if it takes one.
        num_components: C ≥ 1, or "auto".
        min_gain: nats a row that another component has to gain, for "auto".
        max_components: for "auto".
        penalties: of each component.
        name: name of the model.

    Attributes:
        component_models: a `FlowModel` for each component.
        stages: a `BoostingStage` for each that is complete.

    Raises:
        ValueError: no component.
        TypeError: `component` is not callable or returns no distribution.
    """

    def __init__(
        self,
        component: Callable[..., tfd.Distribution],
        num_components: int | str,
        *,
        min_gain: float,
        max_components: int,
        penalties: Sequence[Any] | None,
        name: str,
    ) -> None:
        _check_count(num_components)
        first = component_model(component, 0, penalties)
        log_weight = tf.Variable(
            tf.zeros([], first.dtype), trainable=False, name="log_weight_0"
        )
        mixture = BoostedMixture([first.distribution], logits=[log_weight])
        super().__init__(mixture, name=name)
        self.component, self.penalties = component, penalties
        self.num_components = num_components
        self.min_gain, self.max_components = min_gain, max_components
        self.stages: list[BoostingStage] = []
        self.component_models = [first]
        self._log_weights = [adopt(log_weight)]

    @property
    def mixture_weights(self) -> np.ndarray:
        """The numbers wⱼ, [C], of the components there are."""
        return self.distribution.weights.numpy()

    @property
    def num_trained(self) -> int:
        """How many components have been trained to the end of their stage."""
        return len({stage.component for stage in self.stages})

    @property
    def most_components(self) -> int:
        """How many components there may be."""
        if self.num_components == "auto":
            return self.max_components
        return int(self.num_components)

    def append_component(self) -> None:
        """Builds the next component and adds it, with next to no weight.

        Raises:
            ValueError: it shares weights with an earlier one, or differs from them in
                event, context or dtype.
        """
        with self.distribute_strategy.scope():
            index = len(self.component_models)
            model = component_model(self.component, index, self.penalties)
            check_distinct([*self.component_models, model])
            log_weight = tf.Variable(
                tf.cast(np.log(_ABSENT), self._adapter.dtype),
                trainable=False,
                name=f"log_weight_{index}",
            )
        logits = [*(weight.value for weight in self._log_weights), log_weight]
        # Refuses another event, context or dtype before anything is changed.
        adapter = _mixture([*self.component_models, model], logits=logits)
        self.component_models.append(model)
        self._log_weights.append(adopt(log_weight))
        self._change_to(adapter)

    def drop_component(self, weights: np.ndarray) -> None:
        """Takes the last component out, and sets the weights of those that remain."""
        self.component_models.pop()
        self._log_weights.pop()
        logits = [weight.value for weight in self._log_weights]
        self._change_to(_mixture(self.component_models, logits=logits))
        self.set_mixture_weights(weights)

    def _change_to(self, adapter: DistributionAdapter) -> None:
        self._hold(adapter)
        # Compiled for other components.
        self.train_function = self.test_function = self.predict_function = None

    def set_mixture_weights(self, weights: Any) -> None:
        """Sets wⱼ ≥ 0, [C], up to a common factor."""
        with np.errstate(divide="ignore"):
            logs = np.log(np.asarray(weights, "float64"))
        for variable, value in zip(self._log_weights, logs, strict=True):
            variable.assign(value)

    def without_component(
        self, index: int, weights: np.ndarray
    ) -> Callable[[Any], tf.Tensor]:
        """Returns the function inputs → log G of the components but one.

        It is right for the present weights of the components only.
        """
        kept = [j for j in range(len(self.component_models)) if j != index]
        adapter = _mixture(
            [self.component_models[j] for j in kept],
            weights=weights[kept] / weights[kept].sum(),
        )
        log_dets = self._log_dets.numbers()

        def evaluate(inputs: Any) -> tf.Tensor:
            x, context, _ = self._unpacked(inputs)
            return adapter.log_prob(x, context, None, log_dets)

        return evaluate


def _mixture(models: Sequence[FlowModel], **weights: Any) -> DistributionAdapter:
    components = [model.distribution for model in models]
    return DistributionAdapter(BoostedMixture(components, **weights))


def _check_count(num_components: Any) -> None:
    is_number = isinstance(num_components, int) and not isinstance(num_components, bool)
    if num_components != "auto" and not (is_number and num_components >= 1):
        raise ValueError(
            'num_components must be a whole number ≥ 1 or "auto", received '
            f"{num_components!r}."
        )
