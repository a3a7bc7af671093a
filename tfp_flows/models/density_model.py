"""What all Keras models over a TFP distribution share."""

import abc
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows.bijectors import Continuous
from tfp_flows.distributions.structure import grid_step
from tfp_flows.models.bridge import fitness
from tfp_flows.models.bridge import inputs as model_inputs
from tfp_flows.models.bridge.adapter import DistributionAdapter
from tfp_flows.models.bridge.keras_contract import KerasContract, warn_of_policy
from tfp_flows.models.bridge.modelable import compiles
from tfp_flows.models.bridge.quantiles import sample_quantiles
from tfp_flows.models.bridge.row_mean import row_mean
from tfp_flows.models.bridge.seeds import SeedSequence
from tfp_flows.models.bridge.serving import export_endpoints
from tfp_flows.models.bridge.tracking import keras_layers
from tfp_flows.models.endpoints import density_endpoints
from tfp_flows.models.learned_inverse.log_determinants import LogDeterminants
from tfp_flows.models.paths import step_error, warn_of_step_error
from tfp_flows.screening import take_distinct

__all__ = ["DensityModel"]

# Rows that data-dependent parts are set from, by the rank of an event: whitening
# wants many; a convolution's activations for as many would not fit into memory.
_ADAPT_ROWS = {1: 50_000, 3: 1_024}


class DensityModel(KerasContract, abc.ABC):
    """Evaluates, samples and exports a distribution; how it trains is a subclass's.

    Args:
        distribution: over one event: its batch shape is ().
        name: name of the model.

    Raises:
        TypeError: `distribution` is no `tfd.Distribution`.
        ValueError: it has a batch shape or an event shape that is not fully known.
    """

    # Whether the distribution has a log-density; one known by its draws has none.
    has_density = True

    def __init__(self, distribution: tfd.Distribution, *, name: str) -> None:
        adapter = DistributionAdapter(distribution)
        warn_of_policy(keras_layers(distribution))
        super().__init__(name=name, dtype=adapter.dtype.name)
        self.seeds = SeedSequence()
        self._hold(adapter)
        self.built = True

    def _hold(self, adapter: DistributionAdapter) -> None:
        """Makes `adapter` the one that the model answers with."""
        self._adapter = adapter
        self._log_dets = LogDeterminants(adapter.learned_inverses)
        self.supports_jit = all(map(compiles, adapter.distribution.submodules))
        self._sample = tf.function(
            self._sample_or_say, reduce_retracing=True, autograph=False
        )

    @property
    def distribution(self) -> tfd.Distribution:
        """The distribution, which shares all weights with the model."""
        return self._adapter.distribution

    @property
    def context_size(self) -> int | None:
        """Features of the context; None for an unconditional model."""
        return self._adapter.context_size

    @property
    def base_event_shape(self) -> tuple[int, ...] | None:
        """Shape of the base's event; None where there is no bijector."""
        return self._adapter.base_event_shape

    @property
    def continuous_layers(self) -> list[Continuous]:
        """The layers that solve an equation, nearest the base first."""
        return self._adapter.continuous_layers

    # What the model computes.

    def log_prob(self, x: Any, context: Any = None, seed: Any = None) -> tf.Tensor:
        """Returns log p(x), or log p(x | context), in nats, [batch...].

        Row i of x is scored given row i of the context; a context of one row, [C] or
        [1, C], goes with every row of x.

        Called eagerly it runs operation by operation, a deep flow for a tenth of a
        second whatever the rows. For many small batches take `predict_on_batch`, or
        compile it once, ``tf.function(model.log_prob)``: one second, then milliseconds.

        Args:
            x: [batch..., event...] in raw units.
            context: [batch..., C] for a conditional model.
            seed: noise of a `Dequantized` distribution; without one its noise is a
                function of x.
        """
        if tf.executing_eagerly():
            self._log_dets.refresh()
            warn_of_step_error(self._adapter, x, context, self._log_dets.at_rest())
        return self._adapter.log_prob(x, context, seed, self._log_dets.at_rest())

    def log_prob_error(self, x: Any, context: Any = None) -> tf.Tensor:
        """Returns by how much log p changes with a finer solver, [batch...], nats.

        With twice the fixed steps of continuous layers, or a tenth of their tolerance.
        """
        self._log_dets.refresh()
        return step_error(self._adapter, x, context, self._log_dets.at_rest())

    def sample(self, n: int, context: Any = None, seed: Any = None) -> tf.Tensor:
        """Returns n samples, [n, event...]; [n, batch..., event...] with a context.

        Every row of a context gets n samples of its own: one for each of N rows are
        ``sample(1, context)[0]``, [N, event...], which is what the command
        `tfp-flows sample` draws, its n rows given the context's rows in turn.

        Args:
            n: number of samples, for each row of the context if there is one.
            context: [batch..., C] for a conditional model.
            seed: a whole number, or a stateless seed of shape [2]: the same seed
                gives the same samples. None draws a new one from the model's state.
        """
        seed = self.seeds.stateless(seed)
        model_inputs.check_count(n)
        n = tf.convert_to_tensor(n, tf.int32)
        if context is None:
            return self._sample(n, None, seed)
        # One form of context for one trace, whatever its rank and dtype.
        context = self._adapter.cast(context)
        rows = tf.reshape(context, [-1, context.shape[-1]])
        drawn = self._sample(n, rows, seed)
        shape = [[n], tf.shape(context)[:-1], self._adapter.event_shape]
        return tf.reshape(drawn, tf.concat(shape, axis=0))

    def _sample_or_say(self, n: Any, context: Any, seed: Any) -> tf.Tensor:
        try:
            return self._adapter.sample(n, context, seed)
        except TypeError as error:
            # TFP's own, of parts that were never sampled in a graph.
            raise NotImplementedError(
                f"{self.distribution.name} cannot draw a number of samples that is not "
                f"known beforehand, so no model samples or exports it: {error} Call "
                "model.distribution.sample(n), eagerly."
            ) from error

    def quantiles(
        self, probabilities: Any, context: Any = None, *, n: int = 999, seed: Any = None
    ) -> tf.Tensor:
        """Returns quantiles of each feature, [Q, event...] or [Q, batch..., event...].

        Args:
            probabilities: [Q], in [0, 1].
            context: [batch..., C] for a conditional model.
            n: samples, for each row of the context, that they are counted from.
            seed: of the samples, as in `sample`.
        """
        draws = self.sample(n, context, seed)
        return sample_quantiles(draws, probabilities, grid_step(self.distribution))

    def forward(self, z: Any, context: Any = None) -> tf.Tensor:
        """Maps base → data, [batch..., base event...] → [batch..., event...]."""
        return self._adapter.forward(z, context)

    def inverse(self, x: Any, context: Any = None) -> tf.Tensor:
        """Maps data → base, [batch..., event...] → [batch..., base event...]."""
        return self._adapter.inverse(x, context)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Returns the log-density of each row, [N]: what `predict` shows."""
        x, context, _ = self._unpacked(inputs)
        return self.log_prob(x, context)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        """Mean negative log-likelihood, from the log-densities of the rows."""
        return row_mean(-y_pred, sample_weight)

    # Training.

    @abc.abstractmethod
    def fit(self, x: Any = None, y: Any = None, **kwargs: Any) -> Any:
        """Trains; y is the context of a conditional model."""

    def adapt(self, x: Any, context: Any = None, *, anew: bool = True) -> None:
        """Sets the data-dependent parts (Standardize, Whiten, ActNorm …) from data.

        The first `fit` does this for every part that was not set before, with up to
        50,000 vectors or 1,024 images of its data. Called by hand it sets all anew.

        Args:
            x: [N, event...], or a `tf.data.Dataset` as for `fit`.
            context: [N, C] for a conditional model.
            anew: also set parts again that were set before.
        """
        with fitness.explained():
            self._adapt(self._packed(x, context), anew=anew)

    def _adapt(self, packed: Any, *, anew: bool) -> None:
        rank = len(self._adapter.event_shape)
        limit = _ADAPT_ROWS.get(rank, _ADAPT_ROWS[3])
        x, context, _ = self._unpacked(model_inputs.some_rows(packed, limit))
        if isinstance(packed, tf.data.Dataset) and not self._adapter.takes_seed:
            # A data set that repeats would count its rows more than once; rows of
            # whole numbers repeat by nature.
            x = np.asarray(x)
            context = None if context is None else np.asarray(context)
            kept = take_distinct(x, context)
            x, context = x[kept], None if context is None else context[kept]
        self._adapter.initialize(x, context, anew=anew)
        self._log_dets.refresh()

    def evaluate(self, x: Any = None, y: Any = None, **kwargs: Any) -> Any:
        """Returns the mean loss; y is a context, as in `fit`.

        It is the negative log-likelihood, unless the model has another objective. Terms
        of an objective and of penalties follow it in a list, as Keras returns metrics;
        `return_dict=True` names them.
        """
        self._check_compiled()
        self._log_dets.refresh()
        if kwargs.get("_use_cached_eval_dataset"):
            # Keras' own call from within `fit`: packed there, y is its target.
            return super().evaluate(x, y, **kwargs)
        fitness.check_arguments(**kwargs)
        x = self._packed(x, y)
        if self.continuous_layers:
            rows, context, _ = self._unpacked(model_inputs.some_rows(x, 256))
            numbers = self._log_dets.at_rest()
            warn_of_step_error(self._adapter, rows, context, numbers)
        target = model_inputs.target_for(x, kwargs.get("sample_weight"))
        with fitness.explained():
            return super().evaluate(x, target, **kwargs)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, **kwargs: Any
    ) -> Any:
        """As in Keras; y is a context, as in `evaluate`."""
        self._check_compiled()
        self._log_dets.refresh()
        x = self._packed(x, y)
        target = model_inputs.target_for(x, sample_weight)
        return super().test_on_batch(x, target, sample_weight, **kwargs)

    def predict_on_batch(self, x: Any) -> np.ndarray:
        """Returns the log-density of each row, [N]."""
        self._log_dets.refresh()
        return super().predict_on_batch(self._packed(x))

    def predict(self, x: Any, **kwargs: Any) -> np.ndarray:
        """Returns the log-density of each row, [N]."""
        self._log_dets.refresh()
        fitness.check_arguments(**kwargs)
        with fitness.explained():
            return super().predict(self._packed(x), **kwargs)

    def build(self, input_shape: Any = None) -> None:
        """Does nothing: a distribution is complete when it is constructed."""

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None]:
        """[N], one log-density a row."""
        while not isinstance(input_shape[0], int | None):
            input_shape = input_shape[0]
        return (input_shape[0],)

    def _packed(self, x: Any, context: Any = None) -> Any:
        """The inputs of `call` after checking them."""
        packed = model_inputs.pack(x, context, self.context_size)
        dtype = self._adapter.dtype
        if isinstance(packed, tf.data.Dataset):
            shapes = (self._adapter.event_shape, (self.context_size,))
            fitness.check_stream(packed, shapes)
            return fitness.checked_stream(packed, dtype)
        x, context = packed, None
        if self.context_size is not None and isinstance(packed, tuple):
            x, context = packed
        fitness.check_rows(x, self._adapter.event_shape, "x", dtype)
        fitness.check_rows(context, (self.context_size,), "context", dtype)
        return packed

    def _screened(self, x: Any, y: Any, **arguments: Any) -> Any:
        """The inputs of `call` after checking whether they are fit to train on."""
        fitness.check_arguments(**arguments)
        packed = self._packed(x, y)
        names = model_inputs.column_names(x, y)
        fitness.screen(packed, names, self._adapter, self.has_density)
        return packed

    def _unpacked(self, inputs: Any) -> tuple[Any, Any, Any]:
        """Returns x, context and the known column of inputs as `call` takes them."""
        x, *rest = inputs if isinstance(inputs, tuple | list) else (inputs,)
        context = rest.pop(0) if self.context_size is not None else None
        return x, context, rest.pop() if rest else None

    def _check_trainable(self) -> None:
        self._check_compiled()
        if not self.trainable_variables:
            raise ValueError(
                f"{self.distribution.name} has no trainable variable, so there is "
                "nothing to fit. Give it tf.Variables (not constants) as parameters, "
                "or make its layers trainable."
            )

    # Serving.

    def export(self, filepath: str, **kwargs: Any) -> None:
        """Writes a SavedModel that answers without this package.

        With continuous layers it has no gradient: a tape over an endpoint finds None.

        Endpoints (`context` added where the model is conditional):

            log_prob(x)        x: [N, event...] → [N], where there is a density
            sample(n, seed)    n: int32 [], seed: int32 [2] or [] → [n, event...]
            quantiles(probabilities, n, seed)  [Q] → [Q, event...], counted from n
                               samples, where there is no density or a context
            forward(z)         base → data, where the distribution has a bijector
            inverse(x)         data → base, likewise
            log_prob_with_calls(x)  that and the calls of velocities, [N] each, where
                               layers are continuous

        Args:
            filepath: directory to write.
            **kwargs: `verbose`: print each signature; `format` is "tf_saved_model".
        """
        self._log_dets.refresh()
        layers = self.continuous_layers
        export_endpoints(self, filepath, self.endpoints(), continuous=layers, **kwargs)

    def endpoints(self) -> dict[str, Any]:
        """Returns what `export` serves: name → (function, signature)."""
        return density_endpoints(self, self._adapter, self._log_dets)
