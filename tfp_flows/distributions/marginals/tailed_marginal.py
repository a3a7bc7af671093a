"""Distributions of scalars that know both of their tails."""

import abc
from typing import Any

import tensorflow as tf

from tfp_flows.distributions.recorded_distribution import RecordedDistribution
from tfp_flows.ops.log_tails import LogTails

__all__ = ["TailedMarginal"]


class TailedMarginal(RecordedDistribution):
    """Base: cdf, survival function and quantile from (ln F, ln(1 − F))."""

    @abc.abstractmethod
    def log_tails(self, x: tf.Tensor) -> LogTails:
        """Returns (ln F(x), ln(1 − F(x))), each [sample..., batch...]."""

    @abc.abstractmethod
    def quantile_of_tails(self, tails: LogTails) -> tf.Tensor:
        """Returns F⁻¹(u), [sample..., batch...], from (ln u, ln(1 − u))."""

    def _log_cdf(self, x: tf.Tensor) -> tf.Tensor:
        return self.log_tails(x).below

    def _cdf(self, x: tf.Tensor) -> tf.Tensor:
        return tf.exp(self.log_tails(x).below)

    def _log_survival_function(self, x: tf.Tensor) -> tf.Tensor:
        return self.log_tails(x).above

    def _survival_function(self, x: tf.Tensor) -> tf.Tensor:
        return tf.exp(self.log_tails(x).above)

    def _quantile(self, p: Any) -> tf.Tensor:
        return self.quantile_of_tails(LogTails.from_probability(p))

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([])
