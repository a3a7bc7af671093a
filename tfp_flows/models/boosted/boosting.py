"""One training of a boosted mixture: its stages, one after another."""

import dataclasses
import sys
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfp_flows.models.boosted.callbacks import Lift, StageMonitor
from tfp_flows.models.boosted.mixture import GrowingMixture
from tfp_flows.models.boosted.rows import StageRows, TrainingRows
from tfp_flows.models.boosted.stage import BoostingStage, boosting_rule, objective_of
from tfp_flows.models.last_finite import diverging_is_an_error
from tfp_flows.models.stage_relay import StageRelay, copies, split_callbacks
from tfp_flows.objectives import MixtureLikelihood

__all__ = ["Boosting"]

# Share of rows that count, below which weights have collapsed.
_SMALL_SAMPLE = 0.05


class Boosting:
    """The stages of one `BoostedFlow.fit`.

    Args:
        model: the mixture, which this class grows.
        rows: training rows.
        held_out: validation rows, or None.
        rule: how components after the first are trained.
        patience: epochs without a better validation loss that end a stage.
        epochs: of each stage.
        callbacks: the user's.
        verbose: as in Keras.
        fit_arguments: further ones for `keras.Model.fit`.
    """

    def __init__(
        self,
        model: GrowingMixture,
        rows: TrainingRows,
        held_out: StageRows | None,
        *,
        rule: Any,
        patience: int | None,
        epochs: int,
        callbacks: Any,
        verbose: Any,
        fit_arguments: dict[str, Any],
    ) -> None:
        self.model, self.rows, self.held_out = model, rows, held_out
        self._rule, self._patience = rule, patience
        self._epochs, self._verbose = epochs, verbose
        self._fit_arguments = fit_arguments
        # Each stage has an optimizer of its own, made like this one.
        pattern: keras.optimizers.Optimizer = getattr(model, "optimizer")  # noqa: B009
        self._optimizer = keras.optimizers.serialize(pattern)
        whole, self._inner_callbacks = split_callbacks(callbacks)
        self._callbacks = keras.callbacks.CallbackList(
            whole, add_history=True, model=model, verbose=verbose, epochs=epochs
        )

    def run(self, corrective_passes: int) -> keras.callbacks.History:
        """Trains what is missing, then corrects; returns the history."""
        model = self.model
        model.stop_training = False
        self._resume()
        self._callbacks.on_train_begin()
        self._boost_all()
        for _ in range(corrective_passes):
            for index in range(len(model.component_models)):
                if not model.stop_training:
                    self._keep(self._correct(index))
        self._callbacks.on_train_end()
        return model.history

    def _resume(self) -> None:
        """Brings back what earlier stages know of the rows."""
        model = self.model
        while len(model.component_models) > max(model.num_trained, 1):
            # From a file that was written within a stage.
            model.drop_component(np.array(model.stages[-1].weights))
        for index in range(model.num_trained):
            self._evaluate(index)

    def _boost_all(self) -> None:
        model = self.model
        while model.num_trained < model.most_components and not model.stop_training:
            index = model.num_trained
            if index > 0:
                model.append_component()
            try:
                stage = self._boost(index)
            except BaseException:
                if index > 0:
                    model.drop_component(np.array(model.stages[-1].weights))
                raise
            if self._gains_too_little(stage):
                model.drop_component(np.array(model.stages[-1].weights))
                self._say(f"dropped: gain {stage.gain:+.4f} < {model.min_gain}")
                return
            self._keep(stage)

    def _keep(self, stage: BoostingStage) -> None:
        self.model.stages.append(stage)
        for callback in self._callbacks.callbacks:
            if hasattr(callback, "on_stage_end"):
                callback.on_stage_end(stage)

    def _gains_too_little(self, stage: BoostingStage) -> bool:
        if self.model.num_components != "auto" or stage.gain is None:
            return False
        return stage.gain < self.model.min_gain

    # A stage.

    def _boost(self, index: int) -> BoostingStage:
        """Trains the last component, then sets all weights."""
        model = self.model
        most = "" if model.num_components == "auto" else f" of {model.num_components}"
        name = model.component_models[index].distribution.name
        self._say(f"stage {index + 1}{most}: {name}")
        start = np.ones(1)
        if index > 0:
            # Every component an equal part, the old ones among themselves as before.
            start = np.append(index * np.array(model.stages[-1].weights), 1.0)
        monitor, size = self._train(index, 1 / (index + 1), self._rule)
        self._evaluate(index)
        return self._finished(index, monitor, size, start)

    def _correct(self, index: int) -> BoostingStage:
        """Trains a known component beside all others; a loss is taken back."""
        model = self.model
        self._say(f"correction of component {index + 1}")
        component = model.component_models[index]
        weights = np.array(model.stages[-1].weights)
        values = copies(component.variables)
        share = float(np.clip(weights[index], 0.5 / len(weights), 0.95))
        try:
            monitor, size = self._train(index, share, "mixture")
            self._evaluate(index)
            stage = self._finished(index, monitor, size, weights)
        except BaseException:
            self._take_back(index, values, weights)
            raise
        if model.stages[-1].gain_of(stage.loss, stage.val_loss) >= 0:
            return dataclasses.replace(stage, correction=True)
        self._take_back(index, values, weights)
        before = model.stages[-1]
        return dataclasses.replace(
            stage,
            correction=True,
            weights=before.weights,
            loss=before.loss,
            val_loss=before.val_loss,
            gain=0.0,
        )

    def _take_back(
        self, index: int, values: list[np.ndarray], weights: np.ndarray
    ) -> None:
        self._say("taken back")
        component = self.model.component_models[index]
        for variable, value in zip(component.variables, values, strict=True):
            variable.assign(value)
        self._evaluate(index)
        self.model.set_mixture_weights(weights)

    def _train(self, index: int, share: float, rule: Any) -> tuple[StageMonitor, float]:
        """Trains one component beside the others, which are one mixture G."""
        model, component = self.model, self.model.component_models[index]
        arguments, size = self._stage_input(index, share, rule)
        number = len(model.stages) + 1
        lift, num_lifted = [], 0
        is_fresh = index == model.num_trained
        if is_fresh and isinstance(component.objective, MixtureLikelihood):
            num_lifted = self._epochs // 2
            lift = [Lift(component.objective, num_lifted)]
        monitor = StageMonitor(
            number, self._measurement(index), self._patience, num_lifted
        )
        relay = StageRelay(self._callbacks, sum(s.num_epochs for s in model.stages))
        with model.distribute_strategy.scope():
            model.optimizer = _fresh(self._optimizer)
            component.compile(
                model.optimizer,
                jit_compile=model.jit_compile,
                run_eagerly=model.run_eagerly,
                steps_per_execution=model.steps_per_execution,
            )
        try:
            with diverging_is_an_error():
                component.fit_packed(
                    **arguments,
                    epochs=self._epochs,
                    verbose=self._verbose,
                    callbacks=[*lift, monitor, *self._inner_callbacks, relay],
                    **self._fit_arguments,
                )
        except RuntimeWarning as warning:
            raise ValueError(
                f"Component {index + 1}: its weights are not finite. {warning}"
            ) from warning
        finally:
            # Its state belongs to the stage, and would be saved with the model.
            component.optimizer, component.compiled = None, False
            model.optimizer = _fresh(self._optimizer)
        monitor.restore_best()
        return monitor, size

    def _stage_input(
        self, index: int, share: float, rule: Any
    ) -> tuple[dict[str, Any], float]:
        """What to train on, and the share of rows that count."""
        model, known = self.model, self.rows.known
        component = model.component_models[index]
        if len(model.component_models) == 1:
            component.objective = objective_of(None, None)
            return self.rows.for_maximum_likelihood(), 1.0
        weights = self._weights_beside(index)
        log_mixture = known.log_mixture(weights, without=index)
        weighting = boosting_rule(rule)
        component.objective = objective_of(weighting, share)
        weigh, size = None, 1.0
        if weighting is not None:
            weigh = weighting.calibrated(log_mixture, known.weight)
            size = _effective_size(weigh(tf.constant(log_mixture, "float64")))
            self._say(f"effective sample size {size:.1%}")
        others = model.without_component(index, weights)
        return self.rows.for_stage(log_mixture, others, weigh), size

    def _weights_beside(self, index: int) -> np.ndarray:
        """The weights of the last stage, with a place for component `index`."""
        weights = np.array(self.model.stages[-1].weights)
        if index == len(weights):
            return np.append(weights, 0.0)
        if weights[index] > 1 - 1e-6:
            # The others have next to no weight: count them as equal.
            return np.full_like(weights, 1 / len(weights))
        return weights

    def _measurement(self, index: int) -> Callable[[], float | None]:
        """The held-out NLL of the mixture with the component as it is now.

        Its weight is refitted to the held-out rows, one number, and set.
        """
        model, held_out = self.model, self.held_out

        def measure() -> float | None:
            if held_out is None:
                return None
            column = held_out.log_density(model.component_models[index])
            if not np.all(column < np.inf):
                return float("nan")
            held_out.set(index, column)
            if len(model.component_models) == 1:
                return held_out.negative_log_likelihood(np.ones(1))
            weights = self._weights_beside(index)
            share, loss = held_out.best_share(weights, index)
            weights[index] = 0.0
            weights *= (1 - share) / weights.sum()
            weights[index] = share
            model.set_mixture_weights(weights)
            return loss

        return measure

    def _evaluate(self, index: int) -> None:
        """Keeps what a component makes of all rows."""
        component = self.model.component_models[index]
        for rows in (self.rows.known, self.held_out):
            if rows is not None:
                rows.evaluate(index, component)

    def _finished(
        self, index: int, monitor: StageMonitor, size: float, start: np.ndarray
    ) -> BoostingStage:
        """Sets all weights to their optimum, and writes down what came of it."""
        model = self.model
        fitted = self.rows.known.fit_weights(start)
        model.set_mixture_weights(fitted.weights)
        loss, val_loss = -fitted.log_likelihood, None
        if self.held_out is not None:
            val_loss = self.held_out.negative_log_likelihood(fitted.weights)
        stage = BoostingStage(
            component=index,
            correction=False,
            num_epochs=monitor.num_epochs,
            seconds=monitor.seconds,
            effective_sample_size=size,
            weights=tuple(fitted.weights.tolist()),
            loss=loss,
            val_loss=val_loss,
            gain=model.stages[-1].gain_of(loss, val_loss) if model.stages else None,
            history=monitor.history,
            start_loss=monitor.start_loss,
        )
        self._say(str(stage))
        return stage

    def _say(self, text: str) -> None:
        if self._verbose:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()


def _fresh(config: dict[str, Any]) -> keras.optimizers.Optimizer:
    """An optimizer without state."""
    return keras.optimizers.deserialize(config)


def _effective_size(weights: tf.Tensor) -> float:
    """(Σω)² / Σω² / N; warns where few rows count."""
    values = weights.numpy()
    size = float(values.sum() ** 2 / np.square(values).sum() / len(values))
    if size < _SMALL_SAMPLE:
        warnings.warn(
            f"The weights of the rows have an effective sample size of {size:.2%}: a "
            "few rows decide what the component learns. Raise log_floor towards zero, "
            'lower power, or take the rule "mixture".',
            stacklevel=2,
        )
    return size
