"""A Keras model over a TFP distribution."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows import bijectors
from tfp_flows.distributions import Dequantized
from tfp_flows.models import inputs as model_inputs
from tfp_flows.models.export import export_saved_model
from tfp_flows.models.serialization import deserialize, serialize
from tfp_flows.models.tracking import track
from tfp_flows.objectives import NegativeLogLikelihood

__all__ = ["FlowModel"]

tfb, tfd = tfp.bijectors, tfp.distributions

# Rows that data-dependent parts are set from; more change them little.
_ADAPT_ROWS = 50_000


@keras.saving.register_keras_serializable(package="tfp_flows")
class FlowModel(keras.Model):
    """Trains, evaluates, samples, saves and exports a `tfd.Distribution`.

    The loss is the mean negative log-likelihood in nats. Every variable of the
    distribution is tracked once and shared with TFP: those of TFP, those of Keras
    networks inside bijectors, and those that only the log-density's evaluation
    reveals, such as a network in a closure.

        model = FlowModel(coupling_flow(2))
        model.compile("adam")
        model.fit(x, epochs=20)              # x: [N, 2], raw units
        model.log_prob(x)                    # [N], nats
        model.sample(1000, seed=1)           # [1000, 2]
        model.save("flow.keras")
        model.export("saved_model")          # served without this package

    Conditional distributions take ``(x, context)`` wherever x stands, or the context
    as second argument of `fit` and `evaluate`.

    Args:
        distribution: over one event: its batch shape is (). Its last axis of data is
            the raw data's; preprocessing is a part of it.
        name: name of the model.

    Raises:
        TypeError: `distribution` is no `tfd.Distribution`.
        ValueError: it has a batch shape or an event shape that is not fully known.
    """

    def __init__(
        self, distribution: tfd.Distribution, *, name: str = "flow_model"
    ) -> None:
        _check(distribution)
        super().__init__(name=name, dtype=distribution.dtype.name)
        self._conditional = bijectors.conditional_bijectors(_bijector(distribution))
        self.seed_generator = keras.random.SeedGenerator()
        # TFP objects are no Keras objects: a plain attribute Keras does not wrap.
        self._distribution = [distribution]
        tracked = track(distribution, self._evaluate_once)
        self.networks = tracked.layers
        self._adopt(tracked.adopted)
        self.supports_jit = all(
            getattr(part, "supports_jit", True) for part in distribution.submodules
        )
        self._adapted = self.add_weight(
            shape=(), dtype="bool", initializer="zeros", trainable=False, name="adapted"
        )
        self._sample_compiled = tf.function(
            self._sample, reduce_retracing=True, autograph=False
        )
        self.built = True

    @property
    def distribution(self) -> tfd.Distribution:
        """The distribution, which shares all weights with the model."""
        return self._distribution[0]

    @property
    def context_size(self) -> int | None:
        """Features of the context; None for an unconditional model."""
        return self._conditional[0].context_size if self._conditional else None

    @property
    def base_event_shape(self) -> tf.TensorShape | None:
        """Shape of the base's event; None where there is no bijector."""
        bijector = _bijector(self.distribution)
        if bijector is None:
            return None
        return bijector.inverse_event_shape(self.distribution.event_shape)

    def _adopt(self, variables: list[keras.Variable]) -> None:
        for variable in variables:
            self._track_variable(variable)

    def _evaluate_once(self) -> tf.Tensor:
        x = tf.zeros([1, *self.distribution.event_shape], self.distribution.dtype)
        context = self.context_size and tf.zeros([1, self.context_size], x.dtype)
        return self.log_prob(x, context)

    # What the model computes.

    def log_prob(self, x: Any, context: Any = None, seed: Any = None) -> tf.Tensor:
        """Returns log p(x), or log p(x | context), in nats.

        Args:
            x: [batch..., event...] in raw units.
            context: [batch..., C] for a conditional model.
            seed: noise of a `Dequantized` distribution; without one its noise is a
                function of x.
        """
        # A fresh tensor: TFP caches by tensor and would return what weights that
        # have changed since made of this one.
        x = tf.identity(tf.cast(x, self.distribution.dtype))
        arguments = self._arguments(context)
        if seed is not None:
            arguments["seed"] = seed
        return self.distribution.log_prob(x, **arguments)

    def sample(self, n: int, context: Any = None, seed: Any = None) -> tf.Tensor:
        """Returns n samples, [n, event...]; [n, batch..., event...] with a context.

        Args:
            n: number of samples, for each row of the context if there is one.
            context: [batch..., C] for a conditional model.
            seed: a whole number, or a stateless seed of shape [2]: the same seed
                gives the same samples. None draws a new one from the model's state.
        """
        if seed is None:
            seed = tf.convert_to_tensor(self.seed_generator.next())
        seed = tf.cast(seed, tf.int32)
        if seed.shape.rank == 0:
            seed = tf.stack([0, seed])
        context = None if context is None else tf.convert_to_tensor(context)
        return self._sample_compiled(tf.convert_to_tensor(n, tf.int32), seed, context)

    def forward(self, z: Any, context: Any = None) -> tf.Tensor:
        """Maps base → data, [batch..., base event...] → [batch..., event...]."""
        arguments = self._bijector_arguments(context)
        bijector = self._checked_bijector()
        z = tf.identity(tf.cast(z, self.distribution.dtype))
        x = bijector.forward(z, **arguments)
        if isinstance(self.distribution, Dequantized):
            return self.distribution.quantize(x)
        return x

    def inverse(self, x: Any, context: Any = None) -> tf.Tensor:
        """Maps data → base, [batch..., event...] → [batch..., base event...]."""
        arguments = self._bijector_arguments(context)
        bijector = self._checked_bijector()
        x = tf.identity(tf.cast(x, self.distribution.dtype))
        if isinstance(self.distribution, Dequantized):
            x = self.distribution.dequantize(x)
        return bijector.inverse(x, **arguments)

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Returns the log-density of each row, [N]: what `predict` shows."""
        x, context = inputs if self._conditional else (inputs, None)
        seed = None
        if training and isinstance(self.distribution, Dequantized):
            seed = tf.cast(self.seed_generator.next(), tf.int32)
        return self.log_prob(x, context, seed)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        """Mean negative log-likelihood, plus what layers add by `add_loss`."""
        likelihood = NegativeLogLikelihood(dtype=self.distribution.dtype.name)
        loss = likelihood(y_pred, y_pred, sample_weight)
        for penalty in self.losses:
            loss += tf.cast(self._aggregate_additional_loss(penalty), loss.dtype)
        return loss

    # Training.

    def adapt(self, x: Any, context: Any = None) -> None:
        """Sets the data-dependent parts (Standardize, Whiten, ActNorm …) from data.

        `fit` does this once with the first 50,000 rows it is given, unless it was
        done before.

        Args:
            x: [N, event...], or a `tf.data.Dataset` as for `fit`.
            context: [N, C] for a conditional model.
        """
        packed = model_inputs.pack(x, context, self.context_size)
        self._check_inputs(packed)
        rows = model_inputs.leading_rows(packed, _ADAPT_ROWS)
        x, context = rows if self._conditional else (rows, None)
        bijector = _bijector(self.distribution)
        if bijector is not None:
            x = tf.cast(x, self.distribution.dtype)
            if isinstance(self.distribution, Dequantized):
                x = self.distribution.dequantize(x)
            arguments = self._bijector_arguments(context)
            bijectors.initialize(tfb.Invert(bijector), x, **arguments)
        self._adapted.assign(True)

    def fit(self, x: Any = None, y: Any = None, **kwargs: Any) -> Any:
        """Trains as `keras.Model.fit`; y is the context of a conditional model.

        Raises:
            ValueError: nothing to train, or data of the wrong form; before training.
        """
        if not self.trainable_variables:
            raise ValueError(
                f"{self.distribution.name} has no trainable variable, so there is "
                "nothing to fit. Give it tf.Variables (not constants) as parameters, "
                "or make its layers trainable."
            )
        if self._compile_loss is not None:
            raise ValueError(
                "FlowModel minimizes its own negative log-likelihood: call "
                f"compile(optimizer) without loss={self._compile_loss!r}."
            )
        x = model_inputs.pack(x, y, self.context_size)
        self._check_inputs(x)
        if isinstance(x, tf.data.Dataset):
            # Its order is its own; Keras warns that it cannot shuffle it.
            kwargs.setdefault("shuffle", False)
        if (validation := kwargs.get("validation_data")) is not None:
            kwargs["validation_data"] = self._pack_validation(validation)
        if not bool(self._adapted.value) and _is_adaptable(x):
            self.adapt(x)
        return super().fit(x, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, **kwargs: Any) -> Any:
        """Returns the mean negative log-likelihood; y is a context, as in `fit`."""
        x = model_inputs.pack(x, y, self.context_size)
        self._check_inputs(x)
        return super().evaluate(x, **kwargs)

    def predict(self, x: Any, **kwargs: Any) -> np.ndarray:
        """Returns the log-density of each row, [N]."""
        return super().predict(model_inputs.pack(x, None, self.context_size), **kwargs)

    def build(self, input_shape: Any = None) -> None:
        """Does nothing: a distribution is complete when it is constructed."""

    # Saving.

    def get_config(self) -> dict[str, Any]:
        """The distribution as data, and the name.

        Raises:
            TypeError: a part of the distribution cannot be rebuilt from data.
        """
        return {"name": self.name, "distribution": serialize(self.distribution)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Rebuilds the model; its weights are loaded by Keras."""
        return cls(deserialize(config["distribution"]), name=config["name"])

    def export(self, filepath: str, **kwargs: Any) -> None:
        """Writes a SavedModel that answers without this package.

        Endpoints (`context` added where the model is conditional):

            log_prob(x)        x: [N, event...] → [N]
            sample(n, seed)    n: int32 [], seed: int32 [2] → [n, event...]
            forward(z)         base → data, where the distribution has a bijector
            inverse(x)         data → base, likewise

        Args:
            filepath: directory to write.
            **kwargs: `verbose`, as in Keras.
        """
        export_saved_model(self, filepath, **kwargs)

    # Internals.

    def _sample(self, n: tf.Tensor, seed: tf.Tensor, context: Any) -> tf.Tensor:
        shape = [n]
        if context is not None:
            shape = tf.concat([[n], tf.shape(context)[:-1]], 0)
        arguments = self._arguments(context)
        return self.distribution.sample(shape, seed=seed, **arguments)

    def _arguments(self, context: Any) -> dict[str, Any]:
        nested = self._bijector_arguments(context)
        return {"bijector_kwargs": nested} if nested else {}

    def _bijector_arguments(self, context: Any) -> dict[str, Any]:
        if (context is None) == bool(self._conditional):
            expected = (
                f"a context of {self.context_size} features"
                if self._conditional
                else "no context"
            )
            raise ValueError(
                f"This model expects {expected}, received "
                f"{'none' if context is None else f'shape {tuple(context.shape)}'}."
            )
        if context is None:
            return {}
        context = tf.cast(context, self.distribution.dtype)
        return bijectors.context_arguments(_bijector(self.distribution), context)

    def _checked_bijector(self) -> tfb.Bijector:
        bijector = _bijector(self.distribution)
        if bijector is None:
            raise ValueError(
                f"{self.distribution.name} is no transformed distribution: it has no "
                "map between a base and the data."
            )
        return bijector

    def _check_inputs(self, packed: Any) -> None:
        x, context = packed, None
        if self._conditional and isinstance(packed, tuple):
            x, context = packed
        dtype = self.distribution.dtype
        model_inputs.check_rows(x, tuple(self.distribution.event_shape), "x", dtype)
        model_inputs.check_rows(context, (self.context_size,), "context", dtype)

    def _pack_validation(self, validation: Any) -> Any:
        if not isinstance(validation, tuple | list):
            packed = model_inputs.pack(validation, None, self.context_size)
            self._check_inputs(packed)
            return packed if isinstance(packed, tf.data.Dataset) else (packed, None)
        x, *rest = validation
        if self._conditional and not isinstance(x, tuple):
            x, rest = (x, rest[0]), rest[1:]
            rest = [None, *rest]
        self._check_inputs(x)
        return (x, *rest) if rest else (x, None)


def _bijector(distribution: tfd.Distribution) -> tfb.Bijector | None:
    if isinstance(distribution, Dequantized):
        distribution = distribution.distribution
    return getattr(distribution, "bijector", None)


def _is_adaptable(data: Any) -> bool:
    leaves = tf.nest.flatten(data) if isinstance(data, tuple) else [data]
    return all(
        isinstance(leaf, np.ndarray | tf.data.Dataset) or tf.is_tensor(leaf)
        for leaf in leaves
    )


def _check(distribution: Any) -> None:
    if not isinstance(distribution, tfd.Distribution):
        raise TypeError(
            "FlowModel expects a tfp.distributions.Distribution, received "
            f"{type(distribution).__name__}."
        )
    if distribution.batch_shape.rank != 0:
        raise ValueError(
            "FlowModel expects a distribution over one event, batch shape (); "
            f"received batch shape {distribution.batch_shape}. Wrap it in "
            "tfd.Independent if its batch axes belong to the event."
        )
    if not distribution.event_shape.is_fully_defined():
        raise ValueError(
            "FlowModel expects a fully known event shape, received "
            f"{distribution.event_shape}. Give the base distribution a static shape."
        )
