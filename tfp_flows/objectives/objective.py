"""What training minimizes, as a small callable: the seam between models and losses.

    terms = objective(evaluation, seed=…, training=…)

A model hands over an `Evaluation`, its distribution at one batch, and gets one number a
row. Nobody here knows models, and a model knows nothing of an objective but this.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import tensorflow as tf
from tensorflow_probability import bijectors as tfb

__all__ = ["Evaluation", "FromFields", "Objective", "Terms"]


class Terms(NamedTuple):
    """What an objective or a penalty makes of a batch.

    Attributes:
        loss: [N], what is minimized, a number a row, nats where it is a likelihood;
            of a penalty a scalar.
        metrics: name → [N] or scalar, shown under that name in the logs.
        penalty: scalar that adds to the gradient and not to the loss that is shown; a
            model fills it in.
    """

    loss: tf.Tensor
    metrics: Mapping[str, tf.Tensor] = {}
    penalty: tf.Tensor | float = 0.0


class Evaluation(Protocol):
    """A distribution at one batch: what an objective may ask, each under its name.

    Everything is computed when it is asked for, and once: a likelihood and a penalty
    that ask for the same share it.

    Attributes:
        x: [N, event...], rows of the data.
        context: [N, C], or None.
        known: [N], a column that came with the rows; a batch without one is refused.
        log_prob: [N], log p(x | context), nats.
        scale: [D], standard deviations of the data's columns, where the distribution
            has them; else None.
        learned_inverses: the layers that keep a learned inverse, nearest the data
            first.
        path: for each continuous layer what its `path(input)` returns: the states of
            the solve that also gives `log_prob`.
        velocity: of the one layer that has a `velocity` the function (t, x) → v, and
            the time T at its base's end.
        node_features: [N, places, K], the context as numbers of particles, where the
            layer that has a `velocity` reads it so; else None.
    """

    x: tf.Tensor
    context: tf.Tensor | None
    known: tf.Tensor
    log_prob: tf.Tensor
    scale: tf.Tensor | None
    learned_inverses: Sequence[tfb.Bijector]
    path: Any
    velocity: Any
    node_features: tf.Tensor | None

    def ends(self, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns what stands at both ends of the layer that has a `velocity`.

        Rows as they arrive at it from the data, and draws of the base as they arrive
        from the other side, [N, event...] each; the layer itself is not evaluated.
        """

    def samples(self, n: int, seed: tf.Tensor) -> tf.Tensor:
        """Returns [n, event...], or [n, N, event...] with a context, with gradients."""

    def rows(self, seed: tf.Tensor) -> tf.Tensor:
        """Returns x, [N, event...], as `samples` are: where gridded, with noise."""

    def conditionals(
        self, n: int, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, Sequence[int]]:
        """Returns rows and draws at the one layer of blocks, and the blocks' sizes.

        [N, D], and [n, N, D]: each block given the row's own blocks before it.
        """

    def layer_inputs(
        self, num_rows: int | None = None
    ) -> list[tuple[tfb.Bijector, tf.Tensor]]:
        """Returns each layer with what arrives at it, of the first rows or of all."""

    def layer_passages(
        self, num_rows: int | None = None
    ) -> list[tuple[tfb.Bijector, tf.Tensor, tf.Tensor | None]]:
        """And with its image there, as computed; None where its inverse is taken."""


class Objective(Protocol):
    """One number a row from a distribution at a batch.

        @keras.saving.register_keras_serializable("mine")
        @dataclasses.dataclass(frozen=True)
        class Likelihood(FromFields):
            needs: ClassVar = frozenset({"log_prob"})

            def __call__(self, evaluation, *, seed, training):
                return Terms(-evaluation.log_prob)

        FlowModel(distribution, objective=Likelihood())

    Attributes:
        needs: names of what it asks an `Evaluation` for, and "seed" if it draws
            numbers. A distribution that lacks one is refused before training:
            "samples" need a reparameterized distribution, or no gradient would pass.
    """

    needs: frozenset[str]

    def __call__(
        self, evaluation: Any, *, seed: tf.Tensor | None, training: bool
    ) -> Terms:
        """Returns the terms of a batch.

        Args:
            evaluation: an `Evaluation`.
            seed: stateless seed of shape [2], new in each training step and constant
                in evaluation; None unless it is needed.
            training: whether it is a step of training.
        """


class FromFields:
    """A dataclass of numbers and texts that Keras saves and rebuilds by its fields."""

    def _check_choices(self, **allowed: Sequence[str]) -> None:
        """Refuses a field that is none of its words."""
        for name, words in allowed.items():
            if getattr(self, name) not in words:
                raise ValueError(
                    f"{name} must be one of {', '.join(map(repr, words))}, received "
                    f"{getattr(self, name)!r}."
                )

    def get_config(self) -> dict[str, Any]:
        """The fields by name."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {field.name: getattr(self, field.name) for field in fields if field.init}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Rebuilds the object."""
        return cls(**config)
