"""A boosted mixture of flows matched to a density that is known up to a constant."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tfp_flows.models.array_batches import untuned
from tfp_flows.models.bridge.row_mean import row_mean
from tfp_flows.models.variational import arguments
from tfp_flows.models.variational.posteriors import BoostedPosterior, mixture_of
from tfp_flows.models.variational.stage_evaluation import (
    bound_of,
    stage_evaluation,
)
from tfp_flows.models.variational.staged_model import BijectorWeights, StagedModel

__all__ = ["VariationalMixture"]


class VariationalMixture(StagedModel):
    """G(z) = Σⱼ wⱼ gⱼ(z) ≈ exp(−U(z)) / Z by stages of the reverse divergence.

        KL(G ‖ p) = E_G[log G(z) + U(z)] + log Z

    There are no data: each step draws its own. A stage minimizes
    `objectives.boosted_negative_elbo` with U in the place of −log p(z), so that each
    component takes what the earlier ones leave; the weights are fitted after it.

        model = VariationalMixture(ENERGIES["moons"], 2, BoostedPosterior(component, 2))
        model.compile(keras.optimizers.Adam(5e-3))
        model.fit(steps_per_epoch=100, epochs=10)          # 10 epochs a stage
        model.divergence(10_000, seed=0)                   # KL − log Z, nats
        model.distribution                                 # a tfd.Distribution

    The weights are saved by `save_weights`; the model is rebuilt by its constructor,
    because an energy is any function.

    Args:
        energy: U, [batch..., D] → [batch...], nats.
        event_size: D.
        components: the flows, λ (`entropy_weight`, in the paper's energy matching 0.6
            to 0.8) and the floor.
        base_scale: standard deviation of the base N(0, base_scale² I).
        name: name of the model.

    Raises:
        TypeError: `components` is no `BoostedPosterior`, or the energy no function.
        ValueError: a component without a working inverse or of a wrong size.

    Reference: Giaquinto and Banerjee (2020), "Gradient Boosted Normalizing Flows",
    arXiv:2002.11896.
    """

    def __init__(
        self,
        energy: Callable[[tf.Tensor], tf.Tensor],
        event_size: int,
        components: BoostedPosterior,
        *,
        base_scale: float = 1.0,
        name: str = "variational_mixture",
    ) -> None:
        if not isinstance(components, BoostedPosterior) or not callable(energy):
            raise TypeError(
                "Expected a function as energy and a BoostedPosterior as components, "
                f"received {type(energy).__name__} and {type(components).__name__}."
            )
        dtype = tf.as_dtype(components.bijectors[0].dtype or "float32")
        if arguments.context_size_of(components.bijectors):
            raise ValueError("A mixture without data has no context to condition on.")
        arguments.check_flows(components, event_size, 0, dtype)
        super().__init__(name=name, dtype=dtype.name)
        if not base_scale > 0:
            raise ValueError(f"base_scale must be positive, received {base_scale}.")
        self._energy, self._options = energy, components
        self.objective = bound_of(components)
        self._event_size, self._base_scale = event_size, base_scale
        count = len(components.bijectors)
        weights = [
            self._weights_of(index, flow)
            for index, flow in enumerate(self._flows(count))
        ]
        self._prepare_stages(weights, fits_weights=components.weights == "fitted")

    def _flows(self, count: int, *batch_shape: Any) -> list[tfd.Distribution]:
        """g₁ … of the count asked for."""
        zeros = tf.zeros([*batch_shape, self._event_size], self.compute_dtype)
        base = tfd.MultivariateNormalDiag(zeros, self._base_scale + zeros)
        bijectors = self._options.bijectors[:count]
        return [tfd.TransformedDistribution(base, f) for f in bijectors]

    def _weights_of(self, index: int, flow: tfd.Distribution) -> BijectorWeights:
        def evaluate() -> tf.Tensor:
            return flow.log_prob(flow.sample(1, seed=[0, 0]))

        return BijectorWeights(flow, evaluate, name=f"component_{index}")

    @property
    def distribution(self) -> tfd.Distribution:
        """G with the components and weights so far."""
        self._synchronize()
        return self._mixture()

    def _mixture(self) -> tfd.Distribution:
        return mixture_of(self._flows(self._stage), self._present_weights())

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Returns the stage's objective, or log G + U, at as many draws as rows."""
        evaluation = stage_evaluation(
            self._flows(self._stage, tf.shape(inputs)[0]),
            self._flows(self._stage - 1),
            self._score,
            self._present_weights(),
            beta=self.beta.value,
            # No decoder is there to forget the earlier components.
            sample_all=0.0,
        )
        seed = self.seeds.next()
        return self.objective(evaluation, seed=seed, training=training).loss

    def _score(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        energy = self._energy(z)
        return tf.zeros_like(energy), -energy

    def _excess(self, count: tf.Tensor, seed: Any) -> tf.Tensor:
        mixture = self._mixture()
        z = tf.identity(mixture.sample(count, seed=seed))
        return mixture.log_prob(z) + self._energy(z)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        """Mean over the draws."""
        return row_mean(y_pred, sample_weight)

    def fit(
        self,
        *,
        steps_per_epoch: int = 100,
        epochs: int = 10,
        batch_size: int = 256,
        annealing_epochs: int | None = 0,
        callbacks: Any = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains all stages that are not finished; `epochs` in each.

        Args:
            steps_per_epoch: steps an epoch.
            epochs: of each stage.
            batch_size: draws a step.
            annealing_epochs: over how many β rises to one; None: half of `epochs`.
            callbacks: as in Keras; they see one training.
            **kwargs: `verbose`, as in Keras.
        """
        # Keras warns that it cannot shuffle a data set.
        kwargs.setdefault("shuffle", False)
        steps = tf.data.Dataset.from_tensors(np.zeros([batch_size, 0], "float32"))
        return self._fit_stages(
            untuned(steps.repeat(steps_per_epoch)),
            None,
            None,
            epochs=epochs,
            annealing_epochs=annealing_epochs,
            callbacks=callbacks,
            **kwargs,
        )

    def divergence(self, num_samples: int, seed: Any = None) -> tf.Tensor:
        """Returns KL(G ‖ p) − log Z, nats, and its standard error, [2]."""
        values = self._excess(tf.constant(num_samples), self.seeds.stateless(seed))
        error = tf.math.reduce_std(values) / float(np.sqrt(num_samples))
        return tf.stack([tf.reduce_mean(values), error])

    def sample(self, n: int, seed: Any = None) -> tf.Tensor:
        """Returns n draws, [n, D]."""
        return tf.identity(self.distribution.sample(n, seed=self.seeds.stateless(seed)))

    def log_prob(self, z: Any) -> tf.Tensor:
        """Returns log G(z), [batch...]."""
        return self.distribution.log_prob(tf.cast(z, self.compute_dtype))

    def _weight_terms(
        self, x: Any, num_rows: int, num_draws: int
    ) -> tuple[np.ndarray, np.ndarray]:
        flows = self._flows(self._stage)
        seeds = tf.unstack(tfp.random.split_seed(self.seeds.next(), len(flows)))
        count, joint, densities = num_rows * num_draws, [], []
        for flow, seed in zip(flows, seeds, strict=True):
            z = tf.identity(flow.sample(count, seed=seed))
            joint.append(-self._energy(z).numpy())
            densities.append(np.stack([g.log_prob(z) for g in flows], axis=-1))
        return np.stack(joint), np.stack(densities)
