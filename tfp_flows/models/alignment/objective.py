"""What the flows and the critics of an alignment pay for one batch."""

import functools
import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tfp_flows.models.alignment.domain_flows import Rows
from tfp_flows.models.alignment.matching import MATCHINGS, energy_distance
from tfp_flows.models.bridge.adapter import DistributionAdapter

__all__ = ["AlignmentObjective", "Batch", "Given", "Translated"]

# c²: of rows that have to move farther transport holds few, in square deviations.
_FREE = 0.1

# Of a batch this share is translated in training, or this many: a decode costs what an
# encode costs, and there is one for each direction.
_TRANSLATED_SHARE, _FEWEST_TRANSLATED = 4, 64


class Given(NamedTuple):
    """Rows of a batch, [N, event...], and their context, [N, C] or None."""

    x: tf.Tensor
    context: tf.Tensor | None = None


Batch = Mapping[str, Given]
Translated = dict[tuple[str, str], Given]
"""(source, target) → rows of source in target."""


class AlignmentObjective:
    """Likelihood and matching of a batch, as `AlignFlow` defines them.

    Args:
        adapters: the flows, by domain.
        critics: by domain, none or all.
        location: of the rows of each domain and their context, [domains, event...].
        scale: likewise; critics and distances count in these.
        matching: a name of `MATCHINGS`.
        weight: λ of the mean negative log-likelihood, per row.
        pair_weight: of the error of known pairs.
        transport_weight: of how far rows move.
        slope_weight: of the penalty of the critics' slopes.
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
        pair_weight: float,
        transport_weight: float,
        slope_weight: float,
    ) -> None:
        self._adapters, self._critics = adapters, critics
        self._location, self._scale = location, scale
        self._matching, self._weight = matching, weight
        self._pair_weight, self._transport_weight = pair_weight, transport_weight
        self._slope_weight = slope_weight
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
        return [*names, "pairs", "transport", "distance"]

    def standard(self, x: tf.Tensor, domain: str) -> tf.Tensor:
        """Rows, or rows and context, in standard deviations of their domain."""
        index, size = list(self._adapters).index(domain), x.shape[-1]
        location, scale = self._location[index], self._scale[index]
        if size == location.shape[-1]:
            return (x - location) / scale
        return (x - location[..., :size]) / scale[..., :size]

    def features(self, given: Given, domain: str) -> tf.Tensor:
        """What critics and distances see: rows, and beside them their context."""
        x, context = given
        seen = x if context is None else tf.concat([x, context], axis=-1)
        return self.standard(seen, domain)

    def score(self, given: Given, domain: str, *, training: bool = False) -> tf.Tensor:
        """What the critic of a domain says of rows, [N, ...]."""
        score = self._critics[domain](self.features(given, domain), training=training)
        return tf.cast(score, given.x.dtype)

    def share(self, given: Given, domain: str) -> tf.Tensor:
        """The share of real rows that a critic's score stands for, [N].

        Raises:
            ValueError: there are no critics, or their scores stand for none.
        """
        if self._loss is None or self._loss.share is None:
            raise ValueError(
                'Critics by "least_squares" or "cross_entropy" say a share; this model '
                f"has matching={self._matching!r}."
            )
        share = self._loss.share(self.score(given, domain))
        return tf.reduce_mean(tf.reshape(share, [tf.shape(given.x)[0], -1]), -1)

    def of_flows(
        self, batch: Batch, pairs: Batch | None = None, *, training: bool
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor], Translated]:
        """Returns the loss of the flows, its terms, and the translated rows."""
        latent, densities = self._densities(batch)
        terms = {f"nll_{d}": -tf.reduce_mean(p) for d, p in densities.items()}
        terms = {"nll": tf.reduce_mean(list(terms.values())), **terms}
        loss = tf.zeros_like(terms["nll"])
        if self._weight:
            loss = self._weight * terms["nll"]
        if pairs:
            terms["pairs"] = self.of_pairs(pairs)
            loss += self._pair_weight * terms["pairs"]
        if self._matching == "none" and not self._transport_weight and training:
            return loss, terms, {}
        moved = batch
        if training:
            moved = {name: _some(given) for name, given in batch.items()}
            latent = {d: z[: _count(moved[d].x)] for d, z in latent.items()}
        translated = self._translated(moved, latent)
        if self._transport_weight:
            terms["transport"] = self.of_transport(moved, translated)
            loss += self._transport_weight * terms["transport"]
        if self._matching != "none":
            matched = {
                f"{self._matching}_{a}_{b}": self._match(batch[b], y, b, training)
                for (a, b), y in translated.items()
            }
            loss += tf.reduce_mean(list(matched.values()))
            terms |= matched
        return loss, terms, translated

    def of_pairs(self, pairs: Batch) -> tf.Tensor:
        """Mean square between translated rows and their partners, in deviations, []."""
        gaps = [
            tf.reduce_mean(self._squares(y, pairs[b], (b, b)))
            for (_, b), y in self.translated(pairs).items()
        ]
        return tf.reduce_mean(gaps)

    def of_transport(self, batch: Batch, translated: Translated) -> tf.Tensor:
        """Mean of m² / (1 + m² / c²), with m² the mean square by which a row moves."""
        squares = [
            self._squares(y, batch[a], (b, a)) for (a, b), y in translated.items()
        ]
        # Of what is chance in a training all rows move a little; what differs between
        # domains carries some rows far, and a square alone would hold just these.
        held = [tf.reduce_mean(one / (1 + one / _FREE)) for one in squares]
        return tf.reduce_mean(held)

    def _squares(self, y: Given, x: Given, domains: tuple[str, str]) -> tf.Tensor:
        """Mean square between rows in the deviations of their domains, [N]."""
        ends = (self.standard(one.x, d) for one, d in zip((y, x), domains, strict=True))
        gap = tf.reshape(tf.subtract(*ends), [tf.shape(y.x)[0], -1])
        return tf.reduce_mean(gap**2, axis=-1)

    def held_out(self, terms: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Likelihood and distance, by which models with any critics compare."""
        distance = terms["distance"] if self._matching != "none" else 0.0
        return self._weight * terms["nll"] + distance

    def _densities(self, batch: Batch) -> tuple[Rows, Rows]:
        """Latent rows and log-densities by domain, from one walk of what all share."""
        latent = {name: self._encoded(given, name) for name, given in batch.items()}
        adapter = next(iter(self._adapters.values()))
        contexts = [given.context for given in batch.values()]
        context = None if contexts[0] is None else tf.concat(contexts, 0)
        shared = adapter.log_prob_of_base(tf.concat(list(latent.values()), 0), context)
        parts = tf.split(shared, [_count(z) for z in latent.values()])
        densities = {
            name: part + self._log_det(batch[name], name)
            for name, part in zip(batch, parts, strict=True)
        }
        return latent, densities

    def _log_det(self, given: Given, domain: str) -> tf.Tensor:
        adapter = self._adapters[domain]
        # The same tensor as is encoded, so that TFP's cache makes one walk of both.
        return adapter.checked_bijector().inverse_log_det_jacobian(
            given.x,
            event_ndims=len(adapter.event_shape),
            **adapter.arguments_of_bijector(given.context),
        )

    def _encoded(self, given: Given, domain: str) -> tf.Tensor:
        adapter = self._adapters[domain]
        arguments = adapter.arguments_of_bijector(given.context)
        return adapter.checked_bijector().inverse(given.x, **arguments)

    def translated(self, batch: Batch) -> Translated:
        """The rows of a batch elsewhere."""
        latent = {name: self._encoded(given, name) for name, given in batch.items()}
        return self._translated(batch, latent)

    def _translated(self, batch: Batch, latent: Mapping[str, tf.Tensor]) -> Translated:
        """The rows of a batch elsewhere."""
        translated = {}
        for a, b in itertools.permutations(batch, 2):
            context = batch[a].context
            adapter = self._adapters[b]
            translated[a, b] = Given(
                adapter.checked_bijector().forward(
                    tf.identity(latent[a]),
                    **adapter.arguments_of_bijector(context),
                ),
                context,
            )
        return translated

    def _match(
        self, real: Given, fake: Given, domain: str, training: bool
    ) -> tf.Tensor:
        if self._loss is None:
            return self._energy(real, fake, domain)
        score = self.score(fake, domain, training=training)
        return tf.reduce_mean(self._loss.flow(score))

    def _energy(self, real: Given, fake: Given, domain: str) -> tf.Tensor:
        return energy_distance(*(self.features(one, domain) for one in (real, fake)))

    def distance(self, batch: Batch, translated: Translated) -> tf.Tensor:
        """Mean energy distance of translated from real rows, []."""
        found = [self._energy(batch[b], y, b) for (_, b), y in translated.items()]
        return tf.reduce_mean(found)

    def of_critics(
        self, batch: Batch, translated: Translated, *, training: bool
    ) -> dict[str, tf.Tensor]:
        """The loss of each critic, and the sum of what both say of one row."""
        if self._loss is None:
            return {}
        real = {d: self.score(x, d, training=training) for d, x in batch.items()}
        fake = {
            (a, b): self.score(_still(y), b, training=training)
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
            of_fakes = tf.reduce_mean(of_fakes)
            terms[f"critic_{domain}"] = (of_real + of_fakes) / 2
        if self._loss.share is not None:
            mean = {
                key: tf.reduce_mean(self._loss.share(score))
                for key, score in (real | fake).items()
            }
            sums = [mean[a] + mean[a, b] for a, b in translated]
            terms["critic_sum"] = tf.reduce_mean(sums)
        return terms

    def slope_penalty(
        self, batch: Batch, translated: Translated, seed: tf.Tensor
    ) -> tf.Tensor:
        """What the slopes of all critics cost them, []."""
        if self._loss is None or not self._slope_weight:
            return tf.zeros([], next(iter(batch.values())).x.dtype)
        penalties = []
        for index, ((_, b), y) in enumerate(translated.items()):
            real, fake = self.features(batch[b], b), self.features(_still(y), b)
            count = tf.minimum(_count(real), _count(fake))
            score = functools.partial(self._critics[b], training=True)
            seed_of_pair = tf.random.fold_in(seed, index)
            penalties.append(
                self._loss.penalty(score, real[:count], fake[:count], seed_of_pair)
            )
        return self._slope_weight * tf.add_n(penalties) / (len(batch) - 1)


def _some(given: Given) -> Given:
    """The first rows of a batch, which is in no order."""
    count = _count(given.x)
    if isinstance(count, int):
        kept = max(count // _TRANSLATED_SHARE, min(count, _FEWEST_TRANSLATED))
    else:
        kept = tf.maximum(
            count // _TRANSLATED_SHARE, tf.minimum(count, _FEWEST_TRANSLATED)
        )
    context = None if given.context is None else given.context[:kept]
    return Given(given.x[:kept], context)


def _count(x: tf.Tensor) -> Any:
    """Number of rows; where it is known a number, which saves operations on shapes."""
    return tf.shape(x)[0] if x.shape[0] is None else x.shape[0]


def _still(given: Given) -> Given:
    return Given(tf.stop_gradient(given.x), given.context)
