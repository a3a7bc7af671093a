"""Flows of several domains over one latent space: exact translation between them."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows.models.alignment import domains as rows_of_domains
from tfp_flows.models.alignment.arguments import (
    checked_critics,
    checked_matching,
    table_critic,
    table_flow,
)
from tfp_flows.models.alignment.domain_flows import DomainFlows, Rows
from tfp_flows.models.alignment.matching import MATCHINGS
from tfp_flows.models.alignment.objective import AlignmentObjective
from tfp_flows.models.bridge import fitness
from tfp_flows.models.bridge import inputs as model_inputs
from tfp_flows.models.bridge.sizes import oversize_refused
from tfp_flows.models.last_finite import after_all

__all__ = ["AlignFlow"]

_STATISTICS_ROWS = 50_000


@keras.saving.register_keras_serializable(package="tfp_flows")
class AlignFlow(DomainFlows):
    """Translates rows between domains that were never paired, by one flow a domain.

        z = f_d(x), log p_d(x) = log p_Z(z) + log|det ∂f_d/∂x|
        translate(x, a, b) = f_b⁻¹(f_a(x))

    There and back is the identity, and a → b → c is a → c, by construction. N flows and
    N critics serve all N (N − 1) directions. Training minimizes

        mean over directions a → b of M(translated rows, rows of b)
          + λ · mean over domains of −log p_d, a row, or a row and dimension

    where M is what the critic C_b says, or a distance that needs none:

        model = AlignFlow.for_tables(["a", "b"], event_size=5)
        model.compile(keras.optimizers.Adam(1e-3))
        model.fit({"a": x_a, "b": x_b}, epochs=50)
        model.translate(x_a, "a", "b")       # [N, 5], in the units of b
        model.log_prob(x, "b")               # how far out a row is in b

    Likelihood and matching fix the distribution of translated rows and not which row
    becomes which: f_a followed by any rotation of z is as good. What pairs rows is the
    start, the architecture and what the domains have in common; where classes have
    other shares in another domain, some rows of one class become rows of another one.

    Progress shows the terms by name, `nll` (mean over domains, nats a row) and, with
    critics, `critic_sum`, the mean of C_a(x) + C_b(translated x), 1 for optimal ones of
    "least_squares" and "cross_entropy". `evaluate` adds `distance`, the mean energy
    distance of translated from real rows in standard deviations. Its `loss` has that in
    the place of critics, who move: a number to stop on, `EarlyStopping("val_loss")`,
    that needs no pairs.

    Args:
        flows: domain → a transformed distribution; all over one base without
            variables, and with exact inverses.
        critics: domain → a network, rows in standard deviations of the domain
            [N, event...] → scores [N, ...]; None: no critics.
        matching: M: "least_squares", "cross_entropy" or "wasserstein" (with a penalty
            of the slope), which need critics; "energy", the energy distance of batches
            in standard deviations; "none". Default: "least_squares" with critics, else
            "energy".
        likelihood_weight: λ; 0: matching alone.
        reduction: "per_dimension" or "per_row"; λ per dimension is D times λ per row.
        name: name of the model.

    Raises:
        TypeError, ValueError: flows that do not fit each other, or lack an exact
            inverse; critics that are missing, superfluous or of a wrong shape.

    Reference: Grover et al. (2020), "AlignFlow: Cycle Consistent Learning from Multiple
    Domains via Normalizing Flows", arXiv:1905.12892; critics are trained after the
    flows, on rows that were translated before their step, as there.
    """

    def __init__(
        self,
        flows: Mapping[str, tfd.Distribution],
        critics: Mapping[str, keras.Model] | None = None,
        *,
        matching: str | None = None,
        likelihood_weight: float = 1.0,
        reduction: str = "per_dimension",
        name: str = "align_flow",
    ) -> None:
        super().__init__(flows, name=name)
        self.matching = checked_matching(
            matching, critics, likelihood_weight, reduction
        )
        self.likelihood_weight, self.reduction = float(likelihood_weight), reduction
        self.critic_networks = checked_critics(
            critics, self.domains, self.event_shape, self.base.dtype
        )
        shape = (len(self.domains), *self.event_shape)
        self.location, self.scale, self.position = (
            self.add_weight(
                shape=size, initializer=start, dtype=kind, trainable=False, name=part
            )
            for part, size, start, kind in (
                ("location", shape, "zeros", None),
                ("scale", shape, "ones", None),
                ("steps", (), "zeros", "int64"),
            )
        )
        per_row = reduction == "per_row"
        dimensions = 1 if per_row else int(np.prod(self.event_shape))
        self._objective = AlignmentObjective(
            self._adapters,
            dict(zip(self.domains, self.critic_networks, strict=False)),
            self.location,
            self.scale,
            matching=self.matching,
            weight=self.likelihood_weight / dimensions,
        )
        names = ["loss", *self._objective.term_names]
        self._means = {name: keras.metrics.Mean(name=name) for name in names}
        self.critic_optimizer: keras.optimizers.Optimizer | None = None

    @classmethod
    def for_tables(
        cls,
        domains: Sequence[str],
        event_size: int,
        *,
        matching: str = "energy",
        hidden_sizes: Sequence[int] = (64, 64),
        num_layers: int = 4,
        whiten: bool = True,
        seed: int | None = None,
        dtype: str = "float32",
        **options: Any,
    ) -> "AlignFlow":
        """Returns a model for rows of a table, [N, D], which starts linear.

        Each flow whitens its domain by the symmetric root, `bijectors.Whiten`, and goes
        on with couplings that start as the identity, to N(0, I). So the first
        translation is b = μ_b + σ_b R_b^(1/2) R_a^(−1/2) (a − μ_a) / σ_a, with
        correlations R: a linear map that carries a's means and covariances to b's, by
        way of what is closest to each standardized column, and so the optimal transport
        between Gaussians whose correlations commute. Splines end in straight lines,
        so that rows beyond the training range move like those at its ends.

        Args:
            domains: their names.
            event_size: D.
            matching: as for the class; critics are made where it needs them.
            hidden_sizes: of the couplings' networks, and of the critics.
            num_layers: couplings of a flow.
            whiten: False: standardize single columns, so that the start carries means
                and deviations alone and mixes no columns, such as pixels.
            seed: makes the initial weights reproducible.
            dtype: of rows and weights.
            **options: further arguments of the class.
        """
        build: dict[str, Any] = {
            "hidden_sizes": hidden_sizes,
            "seed": seed,
            "dtype": dtype,
        }
        options_of_flow = {"num_layers": num_layers, "whiten": whiten, **build}
        flows = {name: table_flow(event_size, **options_of_flow) for name in domains}
        critics = None
        if MATCHINGS.get(matching) is not None:
            critics = {name: table_critic(event_size, **build) for name in domains}
        return cls(flows, critics, matching=matching, **options)

    def critic_sum(self, x: Any, source: str, target: str) -> tf.Tensor:
        """Returns C_source(x) + C_target(translated x), [N]: 1 for optimal critics.

        For any flows: the optimal C_a(x) is p_a(x) / (p_a(x) + p_b(y) |det ∂y/∂x|).

        Raises:
            ValueError: there are no critics, or their scores are no shares.
        """
        y = self.translate(x, source, target)
        x = self._adapters[source].event(x)
        return self._objective.share(x, source) + self._objective.share(y, target)

    # A batch.

    def train_step(self, data: Any) -> dict[str, Any]:
        """A step of the flows, then one of the critics on rows translated before it."""
        batch, objective = self._batch(data), self._objective
        weights = _weights_of(self.flow_models)
        with tf.GradientTape() as tape:
            loss, terms, translated = objective.of_flows(batch, training=True)
        self.optimizer.apply(tape.gradient(loss, weights), weights)
        if self.critic_optimizer is not None:
            weights = _weights_of(self.critic_networks)
            with tf.GradientTape() as tape:
                judged = objective.of_critics(batch, translated, training=True)
                total = tf.add_n([judged[f"critic_{d}"] for d in self.domains])
                total += objective.slope_penalty(batch, translated, self.seeds.next())
            self.critic_optimizer.apply(tape.gradient(total, weights), weights)
            terms |= judged
        self.position.assign_add(1)
        return self._shown(loss, terms, batch)

    def test_step(self, data: Any) -> dict[str, Any]:
        """The same numbers without a step, and the distance of translated rows."""
        batch, objective = self._batch(data), self._objective
        _, terms, translated = objective.of_flows(batch, training=False)
        terms |= objective.of_critics(batch, translated, training=False)
        terms["distance"] = objective.distance(batch, translated)
        return self._shown(objective.held_out(terms), terms, batch)

    def _batch(self, data: Any) -> Rows:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return {name: self._adapters[name].event(x[name]) for name in self.domains}

    def _shown(
        self, loss: tf.Tensor, terms: dict[str, tf.Tensor], batch: Rows
    ) -> dict[str, Any]:
        counts = {f"nll_{name}": tf.shape(rows)[0] for name, rows in batch.items()}
        whole = tf.add_n(list(counts.values()))
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
        *,
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
            batch_size: rows of each domain a step, of arrays.
            validation_data: of the same form as x.
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
        x = self._packed(x)
        if validation_data is not None:
            validation_data = rows_of_domains.evaluation_batches(
                self._packed(validation_data), batch_size
            )
        with fitness.explained():
            self._adapt(x, anew=False)
            if not isinstance(x, tf.data.Dataset):
                x = rows_of_domains.shuffled_batches(
                    x,
                    batch_size,
                    steps_per_epoch,
                    self.seeds.state.value,
                    self.position.value,
                )
                steps_per_epoch = None
            return super().fit(
                x,
                validation_data=validation_data,
                steps_per_epoch=steps_per_epoch,
                callbacks=after_all(callbacks),
                shuffle=False,
                **kwargs,
            )

    def adapt(self, x: Any, *, anew: bool = True) -> None:
        """Sets the flows' start and the scale of critics and distances from data.

        Args:
            x: as for `fit`.
            anew: also set what was set before.
        """
        self._adapt(self._packed(x), anew=anew)

    def _adapt(self, packed: Any, *, anew: bool) -> None:
        waits = any(adapter.waits_for_data for adapter in self._adapters.values())
        if not (anew or waits or int(self.position) == 0):
            return
        some = model_inputs.some_rows(packed, _STATISTICS_ROWS)
        for index, rows in enumerate(map(np.asarray, some.values())):
            self.flow_models[index].adapt(rows, anew=anew)
            self.location.value[index].assign(rows.mean(axis=0))
            self.scale.value[index].assign(np.maximum(rows.std(axis=0), 1e-6))

    def evaluate(self, x: Any = None, *, batch_size: int = 256, **kwargs: Any) -> Any:
        """Returns loss, terms and distance on rows of each domain, as for `fit`."""
        if kwargs.get("_use_cached_eval_dataset"):
            # Keras' own call from within `fit`: in batches there.
            return super().evaluate(x, **kwargs)
        fitness.check_arguments(batch_size=batch_size, **kwargs)
        if not self.compiled:
            raise ValueError("Call compile(optimizer) before evaluate.")
        batches = rows_of_domains.evaluation_batches(self._packed(x), batch_size)
        with fitness.explained():
            return super().evaluate(batches, **kwargs)

    def _packed(self, x: Any) -> Any:
        return rows_of_domains.packed_domains(x, self._adapters)

    # Saving.

    def get_config(self) -> dict[str, Any]:
        """Domains, flows, critics and arguments as data.

        Raises:
            TypeError: a part of a flow or critic cannot be rebuilt from data.
        """
        write = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "domains": list(self.domains),
            "flow_models": [write(model) for model in self.flow_models],
            "critics": [write(critic) for critic in self.critic_networks],
            "matching": self.matching,
            "likelihood_weight": self.likelihood_weight,
            "reduction": self.reduction,
        }

    @classmethod
    @oversize_refused
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Rebuilds the model; its weights are loaded by Keras."""
        read = keras.saving.deserialize_keras_object
        config = dict(config)
        names = config.pop("domains")
        flows = [read(model).distribution for model in config.pop("flow_models")]
        critics = [read(critic) for critic in config.pop("critics")]
        return cls(
            dict(zip(names, flows, strict=True)),
            dict(zip(names, critics, strict=True)) if critics else None,
            **config,
        )


def _weights_of(parts: Sequence[keras.Layer]) -> list[keras.Variable]:
    return [weight for part in parts for weight in part.trainable_variables]
