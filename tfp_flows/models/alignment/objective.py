"""What the flows and the critics of an alignment pay for one batch."""

import functools
import itertools
from collections.abc import Mapping

import keras
import tensorflow as tf

from tfp_flows.models.alignment.matching import (
    MATCHINGS,
    energy_distance,
    gradient_penalty,
)
from tfp_flows.models.bridge.adapter import DistributionAdapter

__all__ = ["AlignmentObjective", "Translated"]

# Weight of the penalty of a critic's slope, of Gulrajani et al. (2017).
_SLOPE_PENALTY = 10.0

Rows = Mapping[str, tf.Tensor]
Translated = dict[tuple[str, str], tf.Tensor]
"""(source, target) → the rows of source in target."""


class AlignmentObjective:
    """Likelihood and matching of a batch, as `AlignFlow` defines them.

    Args:
        adapters: the flows, by domain.
        critics: by domain, none or all.
        location: of the rows of each domain, [domains, event...].
        scale: likewise; critics and distances count in these.
        matching: a name of `MATCHINGS`.
        weight: λ of the mean negative log-likelihood, per row.
    """

    def __init__(
        self,
        adapters: Mapping[str, DistributionAdapter],
        critics: Mapping[str, keras.Model],
        location: keras.Variable,
        scale: keras.Variable,
        *,
        matching: str,
        weight: float,
    ) -> None:
        self._adapters, self._critics = adapters, critics
        self._location, self._scale = location, scale
        self._matching, self._weight = matching, weight
        self._loss = MATCHINGS[matching]

    @property
    def term_names(self) -> list[str]:
        """Names of all terms, in the order in which they are shown."""
        domains, names = list(self._adapters), ["nll"]
        names += [f"nll_{domain}" for domain in domains]
        if self._matching != "none":
            directions = itertools.permutations(domains, 2)
            names += [f"{self._matching}_{a}_{b}" for a, b in directions]
        if self._loss is not None:
            names += [f"critic_{domain}" for domain in domains]
            names += ["critic_sum"] if self._loss.share is not None else []
        return [*names, "distance"]

    def standard(self, x: tf.Tensor, domain: str) -> tf.Tensor:
        """Rows in standard deviations of their domain."""
        index = list(self._adapters).index(domain)
        return (x - self._location[index]) / self._scale[index]

    def score(self, x: tf.Tensor, domain: str, *, training: bool = False) -> tf.Tensor:
        """What the critic of a domain says of rows, [N, ...]."""
        score = self._critics[domain](self.standard(x, domain), training=training)
        return tf.cast(score, x.dtype)

    def share(self, x: tf.Tensor, domain: str) -> tf.Tensor:
        """The share of real rows that a critic's score stands for, [N].

        Raises:
            ValueError: there are no critics, or their scores stand for none.
        """
        if self._loss is None or self._loss.share is None:
            raise ValueError(
                'Critics by "least_squares" or "cross_entropy" say a share; this model '
                f"has matching={self._matching!r}."
            )
        share = self._loss.share(self.score(x, domain))
        return tf.reduce_mean(tf.reshape(share, [tf.shape(x)[0], -1]), -1)

    def of_flows(
        self, batch: Rows, *, training: bool
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor], Translated]:
        """Returns the loss of the flows, its terms, and the translated rows."""
        latent, terms = {}, {}
        for name, x in batch.items():
            # The same tensor, so that TFP's cache makes one walk of both.
            terms[f"nll_{name}"] = -tf.reduce_mean(
                self._adapters[name].log_prob_of_event(x, None)
            )
            latent[name] = self._adapters[name].checked_bijector().inverse(x)
        terms = {"nll": tf.add_n(list(terms.values())) / len(terms), **terms}
        loss = tf.zeros_like(terms["nll"])
        if self._weight:
            loss = self._weight * terms["nll"]
        if self._matching == "none" and training:
            return loss, terms, {}
        translated = self._translated(latent)
        if self._matching != "none":
            matched = {
                f"{self._matching}_{a}_{b}": self._match(batch[b], y, b, training)
                for (a, b), y in translated.items()
            }
            loss += tf.add_n(list(matched.values())) / len(matched)
            terms |= matched
        return loss, terms, translated

    def held_out(self, terms: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Likelihood and distance, by which models with any critics compare."""
        distance = terms["distance"] if self._matching != "none" else 0.0
        return self._weight * terms["nll"] + distance

    def _translated(self, latent: Rows) -> Translated:
        return {
            (a, b): self._adapters[b].checked_bijector().forward(tf.identity(latent[a]))
            for a, b in itertools.permutations(latent, 2)
        }

    def _match(
        self, real: tf.Tensor, fake: tf.Tensor, domain: str, training: bool
    ) -> tf.Tensor:
        if self._loss is None:
            return self._energy(real, fake, domain)
        score = self.score(fake, domain, training=training)
        return tf.reduce_mean(self._loss.flow(score))

    def _energy(self, real: tf.Tensor, fake: tf.Tensor, domain: str) -> tf.Tensor:
        rows = (self.standard(x, domain) for x in (real, fake))
        return energy_distance(*rows)

    def distance(self, batch: Rows, translated: Translated) -> tf.Tensor:
        """Mean energy distance of translated from real rows, []."""
        found = [self._energy(batch[b], y, b) for (_, b), y in translated.items()]
        return tf.add_n(found) / len(found)

    def of_critics(
        self, batch: Rows, translated: Translated, *, training: bool
    ) -> dict[str, tf.Tensor]:
        """The loss of each critic, and the sum of what both say of one row."""
        if self._loss is None:
            return {}
        real = {d: self.score(x, d, training=training) for d, x in batch.items()}
        fake = {
            (a, b): self.score(tf.stop_gradient(y), b, training=training)
            for (a, b), y in translated.items()
        }
        terms = {}
        for domain, score in real.items():
            of_fakes = [
                tf.reduce_mean(self._loss.fake(s))
                for (_, b), s in fake.items()
                if b == domain
            ]
            of_real = tf.reduce_mean(self._loss.real(score))
            of_fakes = tf.add_n(of_fakes) / len(of_fakes)
            terms[f"critic_{domain}"] = (of_real + of_fakes) / 2
        if self._loss.share is not None:
            mean = {
                key: tf.reduce_mean(self._loss.share(score))
                for key, score in (real | fake).items()
            }
            sums = [mean[a] + mean[a, b] for a, b in translated]
            terms["critic_sum"] = tf.add_n(sums) / len(sums)
        return terms

    def slope_penalty(
        self, batch: Rows, translated: Translated, seed: tf.Tensor
    ) -> tf.Tensor:
        """Holds the critics' slopes near 1, for "wasserstein"; zero for others."""
        if self._matching != "wasserstein":
            return tf.zeros([], next(iter(batch.values())).dtype)
        penalties = [
            gradient_penalty(
                functools.partial(self._critics[b], training=True),
                self.standard(batch[b], b),
                self.standard(tf.stop_gradient(y), b),
                tf.random.fold_in(seed, index),
            )
            for index, ((_, b), y) in enumerate(translated.items())
        ]
        return _SLOPE_PENALTY * tf.add_n(penalties) / (len(batch) - 1)
