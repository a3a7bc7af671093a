"""A mixture of flows that is trained one component after another."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
from tensorflow_probability import distributions as tfd

from tfp_flows.models.boosted.boosting import Boosting
from tfp_flows.models.boosted.components import registered_name, unknown_component
from tfp_flows.models.boosted.mixture import GrowingMixture
from tfp_flows.models.boosted.rows import StageRows, TrainingRows, split_rows
from tfp_flows.models.boosted.stage import BoostingStage, boosting_rule
from tfp_flows.models.bridge import fitness
from tfp_flows.models.bridge import inputs as model_inputs
from tfp_flows.models.bridge.sizes import oversize_refused
from tfp_flows.objectives import ResidualWeights

__all__ = ["BoostedFlow"]

# Arguments that are saved as they are.
_PLAIN = (
    "name",
    "num_components",
    "patience",
    "min_gain",
    "max_components",
    "cache_rows",
)


@keras.saving.register_keras_serializable(package="tfp_flows")
class BoostedFlow(GrowingMixture):
    """A mixture G = Σⱼ wⱼ gⱼ of flows, each trained on what those before explain badly.

        model = BoostedFlow(lambda j: coupling_flow(2, seed=j), num_components=3)
        model.compile("adam")
        model.fit(x, epochs=20, validation_split=0.1)    # 20 epochs a component
        model.log_prob(x); model.sample(1000, seed=1)
        model.stages                                     # what each stage did

    Stage c builds component c and trains it alone; all others stand still, bit for
    bit, and what they make of each training row is computed once. Then EM sets all
    weights to their optimum on the training rows, which cannot raise the mixture's
    training NLL. The first component is trained by maximum likelihood as in
    `FlowModel`, later ones by a rule:

    - "mixture": the likelihood of the mixture, −log((1 − r) G + r g), with r found
      for each batch; in the first half of a stage's epochs the component is lifted,
      see `objectives.MixtureLikelihood`.
    - "residual": log-likelihood weighted by ω ∝ 1/G with a floor on log G, as
      published, see `objectives.ResidualWeights`, which may also be passed itself.
    - "tempered": ω ∝ G^(−0.1).

    The default was the best of the three, and better than components that are trained
    by maximum likelihood alone, on four of six data sets, by 0.04 to 0.6 nats a row;
    on the fifth it changed nothing, on the sixth, images that a component has hardly
    begun to learn, plain likelihood won (`python -m tests.benchmarks.boosting rules`,
    `examples/README.md`).

    `fit` is `keras.Model.fit` with epochs counted a component. The validation loss is
    that of the mixture, with the weight of the component in training refitted to the
    validation rows after each epoch; it ends a stage, whose best weights are kept.
    Callbacks see this model, epochs that go on counting, and `stage` in the logs;
    `EarlyStopping`, `ReduceLROnPlateau`, `VolumeMonitor` and `RollBack` begin anew with
    each component and see that alone. One that has a method `on_stage_end` gets each
    `BoostingStage`. A model that was saved goes on with the first stage that was not
    complete. An interrupted stage leaves the mixture as it was before.

    Args:
        component: builds a fresh distribution, from its number if it takes one, such
            as an architecture of this package; families may differ. A registered
            function is saved with the model; another has to be set again after
            loading to train further: ``model.component = …``.
        num_components: C ≥ 1, or "auto": components are added while the held-out
            log-likelihood gains at least `min_gain`; one that gains less is dropped.
        rule: how later components are trained.
        patience: epochs without a better validation loss that end a stage; None: never.
        min_gain: nats a row, for "auto".
        max_components: for "auto".
        penalties: of each component, as in `FlowModel`.
        cache_rows: training rows whose log-densities are kept, 4 bytes a component
            each. More rows, and data sets, are evaluated in each step, with a warning.
        name: name of the model.

    Attributes:
        stages: a `BoostingStage` for each that is complete.

    Raises:
        ValueError: no component, an unknown rule, components that share weights or
            differ in event, context or dtype.
        TypeError: `component` is not callable or returns no distribution.

    Reference: Giaquinto and Banerjee (2020), "Gradient Boosted Normalizing Flows",
    arXiv:2002.11896. Theirs keeps fixed weights, weighs rows within a mini-batch and
    evaluates the frozen components in each step.
    """

    def __init__(
        self,
        component: Callable[..., tfd.Distribution],
        num_components: int | str = 2,
        *,
        rule: str | ResidualWeights = "mixture",
        patience: int | None = 10,
        min_gain: float = 0.01,
        max_components: int = 20,
        penalties: Sequence[Any] | None = None,
        cache_rows: int = 2_000_000,
        name: str = "boosted_flow",
    ) -> None:
        _check_arguments(patience, cache_rows)
        boosting_rule(rule)
        super().__init__(
            component,
            num_components,
            min_gain=min_gain,
            max_components=max_components,
            penalties=penalties,
            name=name,
        )
        self.rule, self.patience, self.cache_rows = rule, patience, cache_rows

    # Training.

    def train_step(self, *args: Any, **kwargs: Any) -> Any:
        """Refuses: a step of all components at once would change frozen ones."""
        raise NotImplementedError(
            "BoostedFlow trains by fit, one component after another. To train all "
            "components together use FlowModel(model.distribution)."
        )

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int = 32,
        epochs: int = 1,
        *,
        validation_data: Any = None,
        validation_split: float = 0.0,
        sample_weight: Any = None,
        callbacks: Any = None,
        verbose: Any = "auto",
        corrective_passes: int = 0,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains the components that are missing, then corrects all of them.

        Args:
            x: [N, event...], or a `tf.data.Dataset`, as for `FlowModel.fit`.
            y: [N, C], the context of a conditional model.
            batch_size: rows of a step, where x is no data set.
            epochs: of each component.
            validation_data: as for `FlowModel.fit`.
            validation_split: share of rows, the last ones, to hold out.
            sample_weight: [N], with arrays.
            callbacks: Keras callbacks, for the whole training.
            verbose: as in Keras.
            corrective_passes: how often, at the end, every component in turn is
                trained once more beside all others by the rule "mixture". What does
                not improve the mixture is taken back.
            **kwargs: further ones of `keras.Model.fit`.

        Returns:
            The history: one number an epoch over all stages, with `stage`.

        Raises:
            ValueError: nothing left to train, "auto" without validation rows, a
                foreign loss, or data of the wrong form; before training.
        """
        packed = self._screened(x, y, batch_size=batch_size, **kwargs)
        self._check_fit(packed, validation_data, validation_split, corrective_passes)
        if epochs < 1:
            raise ValueError(f"epochs must be at least 1, received {epochs}.")
        if validation_data is not None:
            validation_data = model_inputs.pack_validation(
                validation_data, self.context_size, self._packed
            )
        with fitness.explained():
            packed, sample_weight, held_out = split_rows(
                packed, sample_weight, validation_data, validation_split
            )
            boosting = Boosting(
                self,
                TrainingRows(packed, sample_weight, batch_size, self.cache_rows),
                None if held_out is None else StageRows(*held_out, batch_size),
                rule=self.rule,
                patience=self.patience,
                epochs=epochs,
                callbacks=callbacks,
                verbose=verbose,
                fit_arguments=kwargs,
            )
            return boosting.run(corrective_passes)

    def _check_fit(
        self, packed: Any, validation_data: Any, split: float, corrective_passes: int
    ) -> None:
        if not self.compiled:
            raise ValueError("Call compile(optimizer) before fit.")
        self._check_trainable()
        if self.num_components == "auto" and validation_data is None and not split:
            raise ValueError(
                'num_components="auto" decides by held-out likelihood: pass '
                "validation_data or validation_split."
            )
        if self.num_trained >= self.most_components and corrective_passes < 1:
            raise ValueError(
                f"All {self.num_trained} components are trained. Set "
                "model.num_components to a larger number, or pass corrective_passes=1."
            )
        if not model_inputs.is_array(packed) and split:
            raise ValueError(
                "validation_split is for arrays; pass validation_data with a data set."
            )

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The loss alone: the components' own metrics are for their stages."""
        return [metric for metric in super().metrics if metric.name == "loss"]

    # Saving.

    def save(self, filepath: Any, **kwargs: Any) -> None:
        """As in Keras; the optimizer of a stage in progress is left out."""
        whole = getattr(self, "optimizer", None)
        parts = [(m, getattr(m, "optimizer", None)) for m in self.component_models]
        if whole is not None:
            self.optimizer = keras.optimizers.deserialize(
                keras.optimizers.serialize(whole)
            )
        for model, _ in parts:
            model.optimizer, model.compiled = None, False
        try:
            super().save(filepath, **kwargs)
        finally:
            self.optimizer = whole
            for model, optimizer in parts:
                model.optimizer, model.compiled = optimizer, optimizer is not None

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles; the optimizer is a pattern for those of the stages, unbuilt."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    def get_config(self) -> dict[str, Any]:
        """Components, stages and arguments as data.

        Raises:
            TypeError: a part of a component cannot be rebuilt from data.
        """
        rule: Any = self.rule
        if isinstance(rule, ResidualWeights):
            rule = dataclasses.asdict(rule)
        write = keras.saving.serialize_keras_object
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            "rule": rule,
            "penalties": self.penalties and [write(p) for p in self.penalties],
            "component": registered_name(self.component),
            "models": [write(component) for component in self.component_models],
            "stages": [dataclasses.asdict(stage) for stage in self.stages],
        }

    @classmethod
    @oversize_refused
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Rebuilds the model; its weights are loaded by Keras."""
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


def _check_arguments(patience: int | None, cache_rows: int) -> None:
    if (patience is not None and patience < 1) or cache_rows < 1:
        raise ValueError(
            "patience and cache_rows must be at least 1, received "
            f"{patience} and {cache_rows}."
        )
