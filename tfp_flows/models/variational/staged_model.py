"""Training in stages: one component of a mixture at a time, the others frozen."""

import abc
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows.models.bridge import inputs as model_inputs
from tfp_flows.models.bridge.keras_contract import KerasContract, warn_of_policy
from tfp_flows.models.bridge.seeds import SeedSequence
from tfp_flows.models.bridge.tracking import check_distinct, track
from tfp_flows.models.last_finite import after_all
from tfp_flows.models.stage_relay import StageRelay, split_callbacks
from tfp_flows.models.variational.schedule import StageSchedule
from tfp_flows.models.workers import require_one_process
from tfp_flows.objectives import fit_posterior_weights

__all__ = ["BijectorWeights", "StagedModel", "rows_of"]

# Draws of a component that the mixture's weights are fitted on.
_WEIGHT_ROWS = 1024
_WEIGHT_DRAWS = 4


class BijectorWeights(keras.layers.Layer):
    """The weights of one bijector as Keras sees them: trained, frozen, saved at once.

    Args:
        flow: the bijector over any base; None: no weights.
        evaluate: computes a log-density that reads all of them.
        name: name of the layer.
    """

    def __init__(
        self,
        flow: tfd.TransformedDistribution | None,
        evaluate: Callable[[], tf.Tensor],
        *,
        name: str,
    ) -> None:
        super().__init__(name=name)
        self.networks: list[keras.layers.Layer] = []
        if flow is not None:
            tracked = track(flow, evaluate)
            self.networks = tracked.layers
            for variable in tracked.adopted:
                self._track_variable(variable)
        self.built = True


class StagedModel(KerasContract, abc.ABC):
    """Base of the models that train a mixture by boosting.

    A subclass calls `_prepare_stages` and writes `call` and `_weight_terms`. In every
    stage the other components are frozen, the optimizer is new, built from the
    configuration of the compiled one, and Keras' train function is traced anew: a
    function that was traced for one stage would silently keep training its component.

    Where training stands is a weight of the model, so it is saved with it.
    """

    def _prepare_stages(
        self, components: list[BijectorWeights], *, fits_weights: bool
    ) -> None:
        warn_of_policy([layer for one in components for layer in one.networks])
        check_distinct(components)
        self.components = components
        self.seeds = SeedSequence()
        self._fits_weights = fits_weights
        count = len(components)
        self.mixture_weights = self._constant("mixture_weights", np.eye(count)[0])
        # The present stage, counted from one, and how many are finished.
        self.progress = self._constant("progress", [1, 0], "int32")
        self.beta = self._constant("beta", 1.0)
        self.sample_all = self._constant("sample_all", 0.0)
        self._optimizer_config: dict[str, Any] | None = None
        self._compile_arguments: dict[str, Any] = {}
        self._continues = False
        self._functions: dict[str, Any] = {}
        self._set_stage(1)
        self.built = True

    def _constant(self, name: str, value: Any, dtype: Any = None) -> keras.Variable:
        variable = self.add_weight(
            shape=np.shape(value),
            dtype=dtype,
            initializer="zeros",
            trainable=False,
            name=name,
        )
        variable.assign(value)
        return variable

    @property
    def num_components(self) -> int:
        """Returns C, how many there will be after the last stage."""
        return len(self.components)

    @property
    def stage(self) -> int:
        """The stage in training or trained last, counted from one."""
        self._synchronize()
        return self._stage

    @property
    def num_finished_stages(self) -> int:
        """How many components are trained and have their weight."""
        return int(self.progress.numpy()[1])

    def _present_weights(self) -> tf.Tensor:
        """Weights of the components so far, [stage]."""
        return self.mixture_weights.value[: self._stage]

    def _synchronize(self) -> None:
        """Follows the saved stage after weights were loaded."""
        if tf.inside_function():
            return
        stage = int(self.progress.numpy()[0])
        if stage != self._stage:
            self._set_stage(stage)

    def _set_stage(self, stage: int) -> None:
        self._stage = stage
        for index, component in enumerate(self.components, start=1):
            component.trainable = index == stage
        self._forget_traces()

    def _forget_traces(self) -> None:
        self._functions.clear()
        self.train_function = self.test_function = self.predict_function = None

    def _function(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """The method as a graph of the present stage."""
        self._synchronize()
        name = method.__name__
        if name not in self._functions:
            self._functions[name] = tf.function(
                method, autograph=False, reduce_retracing=True
            )
        return self._functions[name]

    def build(self, input_shape: Any = None) -> None:
        """Does nothing: all parts are complete when the model is constructed."""

    def compile(self, optimizer: Any = "adam", **kwargs: Any) -> None:
        """As in Keras, without a loss: the model brings its objective.

        The optimizer serves as a pattern: each stage trains with a new one like it.

        Raises:
            ValueError: a loss or metrics are given.
        """
        optimizer = keras.optimizers.get(optimizer)
        self._optimizer_config = keras.optimizers.serialize(optimizer)
        self._compile_arguments = kwargs
        self._compile_stage(optimizer)
        self._check_compiled()

    def _compile_stage(self, optimizer: keras.optimizers.Optimizer) -> None:
        super().compile(optimizer=optimizer, **self._compile_arguments)
        # Now, for what trains in this stage: it is saved with the model.
        optimizer.build(self.trainable_variables)
        self._optimizer_stage = self._stage

    def get_compile_config(self) -> dict[str, Any] | None:
        """As in Keras, which asks for it beside a `compile` of one's own."""
        return super().get_compile_config()

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles for the saved stage."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    def _begin_stage(self, stage: int) -> None:
        self._continues = stage == self.num_finished_stages
        self._set_stage(stage)
        if self._continues and self._optimizer_stage == stage:
            return
        self.progress.assign([stage, max(stage - 1, self.num_finished_stages)])
        weights = self.mixture_weights.numpy()
        if weights[stage - 1] == 0:
            weights = weights * (1 - 1 / stage)
            weights[stage - 1] = 1 / stage
            self.mixture_weights.assign(weights)
        self._compile_stage(keras.optimizers.deserialize(self._optimizer_config))

    def _fit_stages(
        self,
        x: Any,
        target: Any,
        batch_size: int | None,
        *,
        epochs: int,
        annealing_epochs: int | None,
        callbacks: Any,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """`fit` over all stages that are not finished; one history."""
        if self._optimizer_config is None:
            raise ValueError("Call compile(optimizer) before fit.")
        if epochs < 1:
            raise ValueError(f"epochs must be at least 1, received {epochs}.")
        if not self.trainable_variables:
            raise ValueError(f"{self.name} has no trainable variable.")
        require_one_process(self)
        annealing = epochs // 2 if annealing_epochs is None else annealing_epochs
        self._synchronize()
        first = min(self.num_finished_stages + 1, self.num_components)
        whole, every_stage = split_callbacks(callbacks)
        schedule = StageSchedule(self, epochs=epochs, annealing_epochs=annealing)
        history = keras.callbacks.History()
        verbose = kwargs.get("verbose", "auto")
        shared = keras.callbacks.CallbackList(
            [*whole, history], model=self, epochs=epochs, verbose=verbose
        )
        shared.on_train_begin()
        epoch = 0
        for stage in range(first, self.num_components + 1):
            self._begin_stage(stage)
            schedule.begin(stage, epoch, continues=self._continues)
            self._say_stage(stage, verbose)
            relay = StageRelay(shared, may_stop=schedule.may_stop)
            super().fit(
                x,
                target,
                batch_size,
                initial_epoch=epoch,
                epochs=epoch + epochs,
                callbacks=after_all([schedule, *every_stage, relay]),
                **kwargs,
            )
            epoch = history.epoch[-1] + 1
            self._finish_stage(stage, x)
        shared.on_train_end()
        self.history = history
        return history

    def _say_stage(self, stage: int, verbose: Any) -> None:
        count = self.num_components
        if verbose != 0 and count > 1:
            sys.stdout.write(f"Stage {stage}/{count}: component {stage}\n")

    def _finish_stage(self, stage: int, x: Any) -> None:
        weights = np.full(stage, 1 / stage)
        if stage > 1 and self._fits_weights:
            start = self.mixture_weights.numpy()[:stage]
            terms = self._weight_terms(x, _WEIGHT_ROWS, _WEIGHT_DRAWS)
            weights = fit_posterior_weights(*terms, initial=start).weights
        padded = np.zeros(self.num_components)
        padded[:stage] = weights
        self.mixture_weights.assign(padded)
        self.progress.assign([stage, stage])

    @abc.abstractmethod
    def _weight_terms(
        self, x: Any, num_rows: int, num_draws: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """At draws z of each component, log p(x, z) [c, M] and log gₖ(z) [c, M, c]."""


def rows_of(x: Any, limit: int) -> Any:
    """Returns up to `limit` rows of an array or a data set."""
    rows = model_inputs.some_rows(x, limit)
    return rows[0] if isinstance(rows, tuple) else rows
