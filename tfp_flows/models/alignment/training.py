"""Training of flows of several domains: steps, optimizers, rows."""

import abc
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfp_flows.models.alignment import start
from tfp_flows.models.alignment.batches import (
    Tables,
    checked_weights,
    shuffled_batches,
)
from tfp_flows.models.alignment.domain_flows import DomainFlows
from tfp_flows.models.alignment.domains import packed_domains, packed_pairs
from tfp_flows.models.alignment.objective import (
    AlignmentObjective,
    Batch,
    Given,
)
from tfp_flows.models.bridge import fitness
from tfp_flows.models.bridge import inputs as model_inputs
from tfp_flows.models.last_finite import after_all
from tfp_flows.models.workers import require_one_process

__all__ = ["TrainedFlows"]

_STATISTICS_ROWS = 50_000

# Of the distance between domains, what own moments may leave to be their start.
_SHARE_OF_MOMENTS = 0.25


class TrainedFlows(DomainFlows, abc.ABC):
    """Trains flows and critics in turn; what they minimize is a subclass's."""

    location: keras.Variable
    scale: keras.Variable
    position: keras.Variable
    critic_networks: list[keras.Model]
    critic_optimizer: keras.optimizers.Optimizer | None
    likelihood_weight: float
    _objective: AlignmentObjective
    _means: dict[str, keras.metrics.Metric]

    # A batch.

    def train_step(self, data: Any) -> dict[str, Any]:
        """A step of the flows, then one of the critics on rows translated before it."""
        batch, pairs = self._batch(data)
        objective, weights = self._objective, _weights_of(self.flow_models)
        if not self.likelihood_weight:
            # A density that all share learns nothing from matching alone.
            of_base = {id(variable) for variable in self.base.variables}
            weights = [w for w in weights if id(w.value) not in of_base]
        with tf.GradientTape() as tape:
            loss, terms, translated = objective.of_flows(batch, pairs, training=True)
        self.optimizer.apply(tape.gradient(loss, weights), weights)
        if self.critic_optimizer is not None:
            weights = _weights_of(self.critic_networks)
            with tf.GradientTape() as tape:
                judged = objective.of_critics(batch, translated, training=True)
                total = tf.reduce_sum([judged[f"critic_{d}"] for d in self.domains])
                total += objective.slope_penalty(batch, translated, self.seeds.next())
            self.critic_optimizer.apply(tape.gradient(total, weights), weights)
            terms |= judged
        # A data set reads it for the first batch of an epoch, in a thread of its own:
        # not before this step has its rows.
        with tf.control_dependencies([loss]):
            self.position.assign_add(1)
        return self._shown(loss, terms, batch)

    def test_step(self, data: Any) -> dict[str, Any]:
        """The same numbers without a step, and the distance of translated rows."""
        (batch, pairs), objective = self._batch(data), self._objective
        _, terms, translated = objective.of_flows(batch, pairs, training=False)
        terms |= objective.of_critics(batch, translated, training=False)
        terms["distance"] = objective.distance(batch, translated)
        return self._shown(objective.held_out(terms), terms, batch)

    def _batch(self, data: Any) -> tuple[Batch, Batch]:
        x, pairs, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self._given(x, self.domains), self._given(pairs, pairs or ())

    def _given(self, rows: Any, domains: Iterable[str]) -> Batch:
        given = {}
        for name in domains:
            parts = rows[name] if isinstance(rows[name], tuple) else (rows[name],)
            adapter = self._adapters[name]
            x, context = (*parts, None)[:2]
            given[name] = Given(adapter.event(x), adapter.cast(context))
        return given

    def _shown(
        self, loss: tf.Tensor, terms: dict[str, tf.Tensor], batch: Batch
    ) -> dict[str, Any]:
        counts = {f"nll_{name}": tf.shape(one.x)[0] for name, one in batch.items()}
        whole = tf.reduce_sum(list(counts.values()))
        terms = {"loss": loss, **terms}
        for name, value in terms.items():
            self._means[name].update_state(value, counts.get(name, whole))
        return {name: self._means[name].result() for name in terms}

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The loss and its terms."""
        return list(self._means.values())

    # Training.

    def compile(
        self, optimizer: Any = "adam", critic_optimizer: Any = None, **kwargs: Any
    ) -> None:
        """As in Keras, with an optimizer for the flows and one for the critics.

        Args:
            optimizer: of all flows.
            critic_optimizer: of all critics; None: a new one like `optimizer`.
            **kwargs: of `keras.Model.compile`, without a loss and metrics.
        """
        super().compile(optimizer=optimizer, **kwargs)
        self._check_compiled()
        self.optimizer.build(_weights_of(self.flow_models))
        self.critic_optimizer = None
        if self.critic_networks:
            if critic_optimizer is None:
                critic_optimizer = keras.optimizers.serialize(self.optimizer)
            self.critic_optimizer = keras.optimizers.get(critic_optimizer)
            self.critic_optimizer.build(_weights_of(self.critic_networks))

    def get_compile_config(self) -> dict[str, Any] | None:
        """Both optimizers as data."""
        if not self.compiled:
            return None
        write = keras.optimizers.serialize
        critic = self.critic_optimizer
        return {
            "optimizer": write(self.optimizer),
            "critic_optimizer": None if critic is None else write(critic),
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles with both optimizers, whose state is loaded by Keras."""
        self.compile(
            **{
                name: config[name] and keras.optimizers.deserialize(config[name])
                for name in ("optimizer", "critic_optimizer")
            }
        )

    def fit(
        self,
        x: Any = None,
        pairs: Any = None,
        *,
        sample_weight: Any = None,
        batch_size: int = 256,
        validation_data: Any = None,
        steps_per_epoch: int | None = None,
        callbacks: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Trains as `keras.Model.fit` on rows of each domain.

        The first training sets the flows' start, and the scale of critics and
        distances, from up to 50,000 rows of each domain.

        Args:
            x: domain → rows [N, event...], arrays or data frames, whose columns are
                matched by name; each domain is shuffled by itself, and an epoch is as
                long as the longest. Or domain → batched `tf.data.Dataset`, or one data
                set of such dictionaries.
            pairs: domain → rows of two or more domains, of which the i-th belong
                together; for x of arrays.
            sample_weight: domain → [N]; rows are drawn as often as it says.
            batch_size: rows of each domain a step, of arrays.
            validation_data: of the same form as x, or (x, pairs), (x, pairs,
                sample_weight).
            steps_per_epoch: steps of an epoch; None: as many as the longest domain has.
            callbacks: of Keras.
            **kwargs: `epochs` and others of `keras.Model.fit`.

        Raises:
            TypeError, ValueError: not compiled, or data of the wrong form; before
                training.
        """
        fitness.check_arguments(batch_size=batch_size, **kwargs)
        if not self.compiled:
            raise ValueError("Call compile(optimizer) before fit.")
        require_one_process(self)
        tables = self._packed(x, pairs, sample_weight)
        if validation_data is not None:
            if not isinstance(validation_data, tuple):
                validation_data = (validation_data,)
            validation_data = self._packed(*validation_data).evaluation(batch_size)
        with fitness.explained():
            self._adapt(tables, anew=False)
            batches = tables.rows
            if not isinstance(batches, tf.data.Dataset):
                batches = shuffled_batches(
                    tables.rows,
                    batch_size,
                    steps_per_epoch,
                    self.seeds.state.value,
                    self.position.value,
                    shares=tables.shares,
                    pairs=tables.pairs,
                )
                steps_per_epoch = None
            return super().fit(
                batches,
                validation_data=validation_data,
                steps_per_epoch=steps_per_epoch,
                callbacks=after_all(callbacks),
                shuffle=False,
                **kwargs,
            )

    def adapt(self, x: Any, sample_weight: Any = None, *, anew: bool = True) -> None:
        """Sets the flows' start and the scale of critics and distances from data.

        Args:
            x: as for `fit`.
            sample_weight: likewise.
            anew: also set what was set before.
        """
        self._adapt(self._packed(x, None, sample_weight), anew=anew)

    def _adapt(self, tables: Tables, *, anew: bool) -> None:
        waits = any(adapter.waits_for_data for adapter in self._adapters.values())
        if not (anew or waits or np.all(self.scale == 1)):
            return
        some = model_inputs.some_rows(tables.weighted, _STATISTICS_ROWS)
        rows = {
            name: list(map(np.asarray, one if isinstance(one, tuple) else (one,)))
            for name, one in some.items()
        }
        self._set_units(rows)
        if anew or waits:
            self._start(rows, anew=anew)

    def _start(self, rows: start.DomainArrays, *, anew: bool) -> None:
        """Sets what flows take from data: from rows of their own, or all from the same.

        Own moments carry those of a domain to those of another. Where that leaves more
        than a share of the distance there was, what differs is something else, and own
        moments would move rows by outliers and by chance: then all flows start alike,
        and flows of one architecture move no row.
        """
        alike = dict.fromkeys(rows, start.pooled_rows(rows))
        batches = [self._given(one, self.domains) for one in start.batches_of(rows)]
        weights = [model.get_weights() for model in self.flow_models]
        of_base = [tf.identity(value) for value in self.base.variables]

        def left_by(given: start.DomainArrays) -> float:
            """The distance after a start from these; what was set before stays set."""
            for model, values in zip(self.flow_models, weights, strict=True):
                model.set_weights(values)
            for name, one in given.items():
                self.flow(name).adapt(*one, anew=anew)
            return start.distance(self._objective, batches)

        same = left_by(alike)
        own = left_by(rows) + start.chance(self._objective, batches)
        if own >= _SHARE_OF_MOMENTS * same:
            left_by(alike)
            self._set_units(alike)
        shared = self._adapters[self.domains[0]].of_base
        if shared is not None:
            # The domains have set it one after another: now from the rows of all.
            for variable, value in zip(self.base.variables, of_base, strict=True):
                variable.assign(value)
            z = [self.encode(x, name, *rest) for name, (x, *rest) in rows.items()]
            asks = shared.context_size is not None
            context = alike[self.domains[0]][1] if asks else None
            shared.initialize(tf.concat(z, 0), context, anew=anew)

    def _set_units(self, rows: start.DomainArrays) -> None:
        """Location and scale of each domain; contexts have one unit in all."""
        contexts = [context for _, *rest in rows.values() for context in rest]
        pooled = [np.concatenate(contexts)] if contexts else []
        for index, (x, *_) in enumerate(rows.values()):
            location, scale = (
                np.concatenate([measure(one, axis=0) for one in (x, *pooled)], axis=-1)
                for measure in (np.mean, np.std)
            )
            self.location.value[index].assign(location)
            self.scale.value[index].assign(np.maximum(scale, 1e-6))

    def evaluate(
        self,
        x: Any = None,
        pairs: Any = None,
        sample_weight: Any = None,
        *,
        batch_size: int = 256,
        **kwargs: Any,
    ) -> Any:
        """Returns loss, terms and distance on rows of each domain, as for `fit`."""
        if kwargs.get("_use_cached_eval_dataset"):
            # Keras' own call from within `fit`: in batches there.
            return super().evaluate(x, **kwargs)
        fitness.check_arguments(batch_size=batch_size, **kwargs)
        if not self.compiled:
            raise ValueError("Call compile(optimizer) before evaluate.")
        batches = self._packed(x, pairs, sample_weight).evaluation(batch_size)
        with fitness.explained():
            return super().evaluate(batches, **kwargs)

    def _packed(self, x: Any, pairs: Any = None, sample_weight: Any = None) -> Tables:
        rows = packed_domains(x, self._adapters)
        if pairs is not None:
            if isinstance(rows, tf.data.Dataset):
                raise ValueError("pairs go with x of arrays; received data sets.")
            pairs = packed_pairs(pairs, self._adapters)
        return Tables(rows, checked_weights(sample_weight, rows), pairs)


def _weights_of(parts: Sequence[keras.Layer]) -> list[keras.Variable]:
    """Each once: flows over one density share its weights."""
    weights = {id(w.value): w for part in parts for w in part.trainable_variables}
    return list(weights.values())
