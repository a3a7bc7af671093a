"""Flows of several domains over one latent space: exact translation between them."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfp_flows.models.alignment.arguments import (
    checked_critics,
    checked_matching,
    table_critic,
    table_flows,
)
from tfp_flows.models.alignment.matching import MATCHINGS
from tfp_flows.models.alignment.objective import AlignmentObjective, Given
from tfp_flows.models.alignment.training import TrainedFlows
from tfp_flows.models.bridge.serialization import deserialize, serialize
from tfp_flows.models.bridge.sizes import oversize_refused

__all__ = ["AlignFlow"]


@keras.saving.register_keras_serializable(package="tfp_flows")
class AlignFlow(TrainedFlows):
    """Translates rows between domains that were never paired, by one flow a domain.

        z = f_d(x), log p_d(x) = log p_Z(z) + log|det ∂f_d/∂x|
        translate(x, a, b) = f_b⁻¹(f_a(x))

    There and back is the identity, and a → b → c is a → c, by construction. N flows and
    N critics serve all N (N − 1) directions. The base p_Z is fixed, or one density that
    all flows share and train, of which translation sees nothing: `for_tables` puts a
    flow of all domains there, and few layers of each domain before it. Training
    minimizes

        mean over directions a → b of M(translated rows, rows of b)
          + λ · mean over domains of −log p_d, a row, or a row and dimension

    where M is what the critic C_b says, or a distance that needs none, of a quarter of
    a batch:

        model = AlignFlow.for_tables(["a", "b"], event_size=5)
        model.compile(keras.optimizers.Adam(1e-3))
        model.fit({"a": x_a, "b": x_b}, epochs=50)
        model.translate(x_a, "a", "b")       # [N, 5], in the units of b
        model.log_prob(x, "b")               # how far out a row is in b

    Likelihood matches by itself where p_Z is shared: it is highest where each f_d
    carries its domain to the same rows, those of p_Z. With a fixed base each flow can
    do that in any way: f_a followed by a rotation of z is as good, and what pairs rows
    are start and matching. With a shared one f_d changes as little as its layers and
    `transport_weight` let it. Where classes have other shares in another domain, some
    rows of one class become rows of another one in any case.
    So `fit` takes known pairs, `pairs={"a": p_a, "b": p_b}`, row by row of one thing,
    which add the mean square of what is left between them in standard deviations; and
    weights, `sample_weight={"a": w_a}`, by which rows are drawn, such as one over the
    share of a row's class.

    A context is what translation has to keep, as a treatment that half of the rows had:
    flows that condition on it (`for_tables(..., context_size=C)`) take (rows, context)
    wherever rows stand. Matching compares rows together with their context, so that its
    values need equal shares in all domains, by weights if not by themselves.

    Progress shows the terms by name, `nll` (mean over domains, nats a row) and, with
    critics, `critic_sum`, the mean of C_a(x) + C_b(translated x), 1 for optimal ones of
    "least_squares" and "cross_entropy". `evaluate` adds `distance`, the mean energy
    distance of translated from real rows in standard deviations. Its `loss` has that in
    the place of critics, who move: a number to stop on, `EarlyStopping("val_loss")`,
    that needs no pairs; `val_pairs` is supervised.

    The sum of all domains' `nll` is the log-likelihood-ratio bound of Usman et al.
    (2020), arXiv:2003.12170, with p_Z as the shared density: no less than the sum of
    flows that are trained apart, and equal to it where translated rows are those of
    the target.

    Args:
        flows: domain → a transformed distribution with an exact inverse; all over one
            object as base, which is trained, or over equal ones without variables.
        critics: domain → a network, rows in standard deviations of the domain
            [N, event...] → scores [N, ...]; None: no critics. With a context
            [N, D + C]. Let them start undecided, at ½ or a logit of 0 for all rows,
            or the first steps of the flows are those that a random critic asks for.
        matching: M: "least_squares", "cross_entropy" or "wasserstein", which need
            critics; "energy", the energy distance of batches in standard deviations;
            "none". Default: "least_squares" with critics, else "energy".
        likelihood_weight: λ; 0: matching alone, and densities that nothing trains.
        pair_weight: of the error of pairs, where `fit` is given some.
        transport_weight: of m² / (1 + 10 m²), with m² the mean square by which a row
            moves from where it stands among those of its domain, in standard
            deviations: holds rows there where nothing speaks for a move, and frees
            those that have to go far.
        slope_weight: of what holds the critics' slopes: half their mean square on real
            and translated rows for "least_squares" and "cross_entropy", which without
            it drive flows of many dimensions apart; for "wasserstein" the mean square
            by which they differ from 1 between those rows.
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
        pair_weight: float = 1.0,
        transport_weight: float = 0.0,
        slope_weight: float = 10.0,
        reduction: str = "per_dimension",
        name: str = "align_flow",
    ) -> None:
        super().__init__(flows, name=name)
        weights = likelihood_weight, pair_weight, transport_weight, slope_weight
        self.matching = checked_matching(matching, critics, reduction, *weights)
        self.likelihood_weight, self.pair_weight = likelihood_weight, pair_weight
        self.transport_weight, self.slope_weight = transport_weight, slope_weight
        self.reduction = reduction
        shape = self._features_shape()
        self.critic_networks = checked_critics(
            critics, self.domains, shape, self.base.dtype
        )
        shape = (len(self.domains), *shape)
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
            pair_weight=self.pair_weight,
            transport_weight=self.transport_weight,
            slope_weight=self.slope_weight,
        )
        names = ["loss", *self._objective.term_names]
        self._means = {name: keras.metrics.Mean(name=name) for name in names}
        self.critic_optimizer: keras.optimizers.Optimizer | None = None

    def _features_shape(self) -> tuple[int, ...]:
        """Of what critics and distances see."""
        if self.context_size is None:
            return self.event_shape
        if len(self.event_shape) != 1:
            raise ValueError(
                "A context goes with rows of a table, [N, D]; received flows over "
                f"events {self.event_shape} with a context."
            )
        return (self.event_shape[0] + self.context_size,)

    @classmethod
    def for_tables(
        cls,
        domains: Sequence[str],
        event_size: int,
        *,
        matching: str = "none",
        hidden_sizes: Sequence[int] = (64, 64),
        num_layers: int = 4,
        own_layers: int = 4,
        own_hidden_sizes: Sequence[int] = (64,),
        context_size: int | None = None,
        transport_weight: float = 0.3,
        whiten: bool = True,
        seed: int | None = None,
        dtype: str = "float32",
        **options: Any,
    ) -> "AlignFlow":
        """Returns a model for rows of a table, [N, D], which starts linear.

            whiten_d → own couplings of d → whiten → couplings of all → N(0, I)

        Each domain is whitened by the symmetric root, `bijectors.Whiten`, and couplings
        start as the identity. So the first translation is
        b = μ_b + σ_b R_b^(1/2) R_a^(−1/2) (a − μ_a) / σ_a, with correlations R, a
        linear map that carries a's means and covariances to b's, by way of what is
        closest to each standardized column, and so the optimal transport between
        Gaussians whose correlations commute. Where it would leave more than a quarter
        of the energy distance between the domains, all are whitened alike, and the
        first translation is the identity. Splines end in straight lines, so that rows
        beyond the training range move like those at its ends.

        Args:
            domains: their names.
            event_size: D.
            matching: as for the class, beside what likelihood does; critics are made
                where it needs them.
            hidden_sizes: of the couplings' networks, and of the critics.
            num_layers: couplings of the shared density.
            own_layers: couplings of each domain.
            own_hidden_sizes: of their networks.
            context_size: features of a context, None without one.
            transport_weight: as for the class.
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
        flows = table_flows(
            domains,
            event_size,
            num_layers=num_layers,
            own_layers=own_layers,
            own_hidden_sizes=own_hidden_sizes,
            context_size=context_size,
            whiten=whiten,
            **build,
        )
        critics = None
        if (loss := MATCHINGS.get(matching)) is not None:
            size = event_size + (context_size or 0)
            build["undecided"] = loss.undecided
            critics = {name: table_critic(size, **build) for name in domains}
        options = {"transport_weight": transport_weight, **options}
        return cls(flows, critics, matching=matching, **options)

    def critic_sum(
        self, x: Any, source: str, target: str, context: Any = None
    ) -> tf.Tensor:
        """Returns C_source(x) + C_target(translated x), [N]: 1 for optimal critics.

        For any flows: the optimal C_a(x) is p_a(x) / (p_a(x) + p_b(y) |det ∂y/∂x|).

        Raises:
            ValueError: there are no critics, or their scores are no shares.
        """
        adapter = self._adapters[source]
        context = adapter.cast(context)
        y = Given(self.translate(x, source, target, context), context)
        x = Given(adapter.event(x), context)
        return self._objective.share(x, source) + self._objective.share(y, target)

    # Saving.

    def get_config(self) -> dict[str, Any]:
        """Domains, flows, critics and arguments as data.

        Raises:
            TypeError: a part of a flow or critic cannot be rebuilt from data.
        """
        write = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            # Together, so that what they share is one object in the file, too.
            "flows": serialize({d: self.flow(d).distribution for d in self.domains}),
            "critics": [write(critic) for critic in self.critic_networks],
            "matching": self.matching,
            "likelihood_weight": self.likelihood_weight,
            "pair_weight": self.pair_weight,
            "transport_weight": self.transport_weight,
            "slope_weight": self.slope_weight,
            "reduction": self.reduction,
        }

    @classmethod
    @oversize_refused
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Rebuilds the model; its weights are loaded by Keras."""
        read = keras.saving.deserialize_keras_object
        config = dict(config)
        if "flow_models" in config:
            # Files of before domains could share a density hold models, one by one.
            models = map(read, config.pop("flow_models"))
            names = config.pop("domains")
            flows = {d: m.distribution for d, m in zip(names, models, strict=True)}
        else:
            flows = deserialize(config.pop("flows"))
        critics = [read(critic) for critic in config.pop("critics")]
        return cls(
            flows, dict(zip(flows, critics, strict=True)) if critics else None, **config
        )
