"""A Keras model over a TFP distribution."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows.bijectors import (
    InverseCertificate,
    LearnedInverse,
    inverse_certificate,
)
from tfp_flows.models import inputs as model_inputs
from tfp_flows.models.density import Density
from tfp_flows.models.export import export_saved_model
from tfp_flows.models.log_determinants import LogDeterminants
from tfp_flows.models.penalties import Penalties
from tfp_flows.models.refresh import with_log_determinants
from tfp_flows.models.seeds import SeedSequence
from tfp_flows.models.serialization import deserialize, serialize
from tfp_flows.models.stability import warn_of_unstable_mixtures
from tfp_flows.models.tracking import track
from tfp_flows.objectives import NegativeLogLikelihood, Reconstruction

__all__ = ["FlowModel"]

# Rows that data-dependent parts are set from, by the rank of an event: whitening
# wants many; a convolution's activations for as many would not fit into memory.
_ADAPT_ROWS = {1: 50_000, 3: 1_024}


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

    `keras.models.load_model` needs this class imported, ``import tfp_flows.models``,
    and nothing passed by hand.

    Layers with a learned inverse train without a factorization: log|det W| is
    carried along the updates at O(D²) and exact again at the end of each epoch, with
    the difference in the logs as `log_det_drift`, nats. Outside of training steps
    all values are exact. The loss shown is the likelihood; a penalty acts on the
    gradient and shows its terms as metrics.

    Args:
        distribution: over one event: its batch shape is (). Preprocessing is a part
            of it, so that x is raw data.
        penalties: callables such as `objectives.Reconstruction`. None: one
            `Reconstruction()` if the distribution has learned inverses.
        name: name of the model.

    Raises:
        TypeError: `distribution` is no `tfd.Distribution`.
        ValueError: it has a batch shape or an event shape that is not fully known.
    """

    def __init__(
        self,
        distribution: tfd.Distribution,
        *,
        penalties: Sequence[Any] | None = None,
        name: str = "flow_model",
    ) -> None:
        density = Density(distribution)
        super().__init__(name=name, dtype=density.dtype.name)
        self._density = density
        self.seeds = SeedSequence()
        self._log_dets = LogDeterminants(density.learned_inverses)
        tracked = track(distribution, self._evaluate_once)
        self.networks = tracked.layers
        for variable in tracked.adopted:
            self._track_variable(variable)
        self.supports_jit = all(
            getattr(part, "supports_jit", True) for part in distribution.submodules
        )
        self._sample = tf.function(
            density.sample, reduce_retracing=True, autograph=False
        )
        if penalties is None:
            learned = any(k.learns_inverse for k in density.learned_inverses)
            penalties = [Reconstruction()] if learned else []
        self._penalties = Penalties(penalties, self._penalty_names(penalties))
        self.built = True

    @property
    def distribution(self) -> tfd.Distribution:
        """The distribution, which shares all weights with the model."""
        return self._density.distribution

    @property
    def context_size(self) -> int | None:
        """Features of the context; None for an unconditional model."""
        return self._density.context_size

    @property
    def learned_inverses(self) -> list[LearnedInverse]:
        """The layers that keep a learned inverse, nearest the data first."""
        return self._log_dets.layers

    @property
    def base_event_shape(self) -> tuple[int, ...] | None:
        """Shape of the base's event; None where there is no bijector."""
        return self._density.base_event_shape

    def _evaluate_once(self) -> tf.Tensor:
        return self.log_prob(*self._one_row())

    def _one_row(self) -> tuple[tf.Tensor, tf.Tensor | None]:
        x = tf.zeros([1, *self._density.event_shape], self._density.dtype)
        if self.context_size is None:
            return x, None
        return x, tf.zeros([1, self.context_size], x.dtype)

    # What the model computes.

    def log_prob(self, x: Any, context: Any = None, seed: Any = None) -> tf.Tensor:
        """Returns log p(x), or log p(x | context), in nats.

        Args:
            x: [batch..., event...] in raw units.
            context: [batch..., C] for a conditional model.
            seed: noise of a `Dequantized` distribution; without one its noise is a
                function of x.
        """
        if tf.executing_eagerly():
            self._log_dets.refresh()
        return self._density.log_prob(x, context, seed, self._log_dets.at_rest())

    def sample(self, n: int, context: Any = None, seed: Any = None) -> tf.Tensor:
        """Returns n samples, [n, event...]; [n, batch..., event...] with a context.

        Args:
            n: number of samples, for each row of the context if there is one.
            context: [batch..., C] for a conditional model.
            seed: a whole number, or a stateless seed of shape [2]: the same seed
                gives the same samples. None draws a new one from the model's state.
        """
        seed = tf.cast(self.seeds.next() if seed is None else seed, tf.int32)
        if seed.shape.rank == 0:
            seed = tf.stack([0, seed])
        if seed.shape != [2]:
            raise ValueError(
                "seed must be a whole number or a stateless seed of shape [2], "
                f"received shape {tuple(seed.shape)}."
            )
        if not tf.is_tensor(n) and (int(n) != n or n < 0):
            raise ValueError(f"n must be a whole number ≥ 0, received {n!r}.")
        context = None if context is None else tf.convert_to_tensor(context)
        return self._sample(tf.convert_to_tensor(n, tf.int32), context, seed)

    def forward(self, z: Any, context: Any = None) -> tf.Tensor:
        """Maps base → data, [batch..., base event...] → [batch..., event...]."""
        return self._density.forward(z, context)

    def inverse(self, x: Any, context: Any = None) -> tf.Tensor:
        """Maps data → base, [batch..., event...] → [batch..., base event...]."""
        return self._density.inverse(x, context)

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Returns the log-density of each row, [N]: what `predict` shows."""
        x, context = self._unpacked(inputs)
        if not training:
            return self.log_prob(x, context)
        seed = self.seeds.next() if self._density.is_gridded else None
        log_dets = {}
        if self._log_dets.layers:
            log_dets = self._log_dets.advance(self.seeds.next())
        return self._density.log_prob(x, context, seed, log_dets)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        """Mean negative log-likelihood, plus what layers add by `add_loss`.

        Penalties add to its gradient and not to its value.
        """
        likelihood = NegativeLogLikelihood(dtype=self._density.dtype.name)
        loss = likelihood(y_pred, y_pred, sample_weight)
        if self._penalties.penalties:
            penalty = self._aggregate_additional_loss(self._penalty(x, training))
            # All gradients wait for the forward pass. Keras joins them in one node
            # that TensorFlow's graph optimizer takes apart again, and with it drops
            # the order between the reading of a weight for another one's gradient
            # and its update.
            with tf.control_dependencies([loss, penalty]):
                one = tf.ones([], loss.dtype)
            penalty = tf.cast(penalty - tf.stop_gradient(penalty), loss.dtype)
            loss = one * (loss + penalty)
        for penalty in self.losses:
            loss += tf.cast(self._aggregate_additional_loss(penalty), loss.dtype)
        return loss

    def _penalty(self, inputs: Any, training: bool) -> tf.Tensor:
        x, context = self._unpacked(inputs)
        bijector, x, arguments = self._density.data_to_base(
            x, context, self._log_dets.present()
        )
        seed = self.seeds.next() if training else tf.constant([0, 0])
        return self._penalties.total(
            bijector, x, seed=seed, training=training, **arguments
        )

    def _penalty_names(self, penalties: Sequence[Any]) -> list[str]:
        """Names of all terms, from one trace."""

        def evaluate() -> list[dict[str, tf.Tensor]]:
            bijector, x, arguments = self._density.data_to_base(
                *self._one_row(), self._log_dets.present()
            )
            seed = tf.constant([0, 0])
            return [p(bijector, x, seed=seed, **arguments) for p in penalties]

        if not penalties:
            return []
        traced = tf.function(evaluate, autograph=False).get_concrete_function()
        return [name for terms in traced.structured_outputs for name in terms]

    def _unpacked(self, inputs: Any) -> tuple[Any, Any]:
        x, context = inputs if self.context_size is not None else (inputs, None)
        return x, context

    # Training.

    def adapt(self, x: Any, context: Any = None) -> None:
        """Sets the data-dependent parts (Standardize, Whiten, ActNorm …) from data.

        The first `fit` does this for every part that was not set before, with up to
        50,000 vectors or 1,024 images of its data. Called by hand it sets all anew.

        Args:
            x: [N, event...], or a `tf.data.Dataset` as for `fit`.
            context: [N, C] for a conditional model.
        """
        self._adapt(self._packed(x, context), anew=True)

    def _adapt(self, packed: Any, *, anew: bool) -> None:
        rank = len(self._density.event_shape)
        limit = _ADAPT_ROWS.get(rank, _ADAPT_ROWS[3])
        x, context = self._unpacked(model_inputs.some_rows(packed, limit))
        self._density.initialize(x, context, anew=anew)

    def fit(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, **kwargs: Any
    ) -> Any:
        """Trains as `keras.Model.fit`; y is the context of a conditional model.

        Raises:
            ValueError: nothing to train, a foreign loss, or data of the wrong form;
                before training.
        """
        self._check_trainable()
        x = self._packed(x, y)
        if not model_inputs.is_array(x):
            # Its order is its own; Keras warns that it cannot shuffle it.
            kwargs.setdefault("shuffle", False)
        if kwargs.get("validation_data") is not None:
            kwargs["validation_data"] = model_inputs.pack_validation(
                kwargs["validation_data"], self.context_size, self._packed
            )
        if self._density.waits_for_data:
            model_inputs.check_rereadable(x)
            self._adapt(x, anew=False)
        target = model_inputs.target_for(x, kwargs.get("sample_weight"))
        self._warn_of_unstable_mixtures(x)
        if self._log_dets.layers:
            kwargs["callbacks"] = with_log_determinants(
                kwargs.get("callbacks"), self._log_dets
            )
        return super().fit(x, target, batch_size, **kwargs)

    def _warn_of_unstable_mixtures(self, packed: Any) -> None:
        if any(layer.density == "mixture" for layer in self.learned_inverses):
            model_inputs.check_rereadable(packed)
            x, context = self._unpacked(model_inputs.some_rows(packed, 1024))
            bijector, x, arguments = self._density.data_to_base(
                x, context, self._log_dets.at_rest()
            )
            warn_of_unstable_mixtures(
                bijector, x, self._penalties.penalties, **arguments
            )

    def inverse_certificate(self, x: Any, context: Any = None) -> InverseCertificate:
        """Measures each learned inverse: distance, bound, round trips, log-dets.

        Args:
            x: [N, event...] in raw units, some hundreds of rows.
            context: [N, C] for a conditional model.

        Returns:
            A record that prints as a table, see `bijectors.InverseCertificate`.

        Raises:
            ValueError: no layer has a learned inverse.
        """
        self._log_dets.refresh()
        bijector, x, arguments = self._density.data_to_base(
            x, context, self._log_dets.present()
        )
        return inverse_certificate(bijector, x, **arguments)

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """As in Keras; log-determinants are exact at its beginning."""
        self._log_dets.refresh()
        return super().train_on_batch(*args, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, **kwargs: Any) -> Any:
        """Returns the mean negative log-likelihood; y is a context, as in `fit`.

        With penalties their terms follow it in a list, as Keras returns metrics;
        `return_dict=True` names them.
        """
        self._log_dets.refresh()
        if kwargs.get("_use_cached_eval_dataset"):
            # Keras' own call from within `fit`: packed there, y is its target.
            return super().evaluate(x, y, **kwargs)
        x = self._packed(x, y)
        target = model_inputs.target_for(x, kwargs.get("sample_weight"))
        return super().evaluate(x, target, **kwargs)

    def predict(self, x: Any, **kwargs: Any) -> np.ndarray:
        """Returns the log-density of each row, [N]."""
        self._log_dets.refresh()
        return super().predict(self._packed(x), **kwargs)

    def build(self, input_shape: Any = None) -> None:
        """Does nothing: a distribution is complete when it is constructed."""

    def _packed(self, x: Any, context: Any = None) -> Any:
        """The inputs of `call` after checking them."""
        packed = model_inputs.pack(x, context, self.context_size)
        x, context = packed, None
        if self.context_size is not None and isinstance(packed, tuple):
            x, context = packed
        dtype = self._density.dtype
        model_inputs.check_rows(x, self._density.event_shape, "x", dtype)
        model_inputs.check_rows(context, (self.context_size,), "context", dtype)
        return packed

    def _check_trainable(self) -> None:
        if self._compile_loss is not None:
            raise ValueError(
                "FlowModel minimizes its own negative log-likelihood: call "
                "compile(optimizer) without a loss."
            )
        if not self.trainable_variables:
            raise ValueError(
                f"{self.distribution.name} has no trainable variable, so there is "
                "nothing to fit. Give it tf.Variables (not constants) as parameters, "
                "or make its layers trainable."
            )

    # Saving.

    def get_config(self) -> dict[str, Any]:
        """The distribution as data, and the name.

        Raises:
            TypeError: a part of the distribution cannot be rebuilt from data.
        """
        return {
            "name": self.name,
            "distribution": serialize(self.distribution),
            "penalties": [
                keras.saving.serialize_keras_object(penalty)
                for penalty in self._penalties.penalties
            ],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Rebuilds the model; its weights are loaded by Keras."""
        penalties = [
            keras.saving.deserialize_keras_object(penalty)
            for penalty in config["penalties"]
        ]
        distribution = deserialize(config["distribution"])
        return cls(distribution, penalties=penalties, name=config["name"])

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
        self._log_dets.refresh()
        export_saved_model(self, filepath, **kwargs)

    def frozen_log_prob(self, x: Any, context: Any = None) -> tf.Tensor:
        """Returns log p(x) with log|det W| as numbers: right for these weights only."""
        return self._density.log_prob(x, context, None, self._log_dets.numbers())
