"""What the laws of computation need to know about an audited object."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import tensorflow as tf

from tfp_flows.testing.probes.options import Options
from tfp_flows.testing.probes.rows import RowKwargs
from tfp_flows.testing.probes.tracing import Computation

__all__ = ["Probe"]


@dataclass(frozen=True)
class Probe(ABC):
    """An object under audit, and the points at which it is looked at.

    Args:
        subject: the bijector or distribution.
        x: [N, event...], the rows.
        kwargs: keyword arguments of every call.
        tolerance: largest relative error that round-off explains.
        options: what the caller chose.
    """

    # The values that a likelihood is made of.
    loss_names: ClassVar[tuple[str, ...]]

    subject: tf.Module
    x: tf.Tensor
    kwargs: RowKwargs
    tolerance: float
    options: Options

    @property
    @abstractmethod
    def computation(self) -> Computation:
        """Every value that the object computes at the rows."""

    @cached_property
    def trace(self) -> Any:
        """The computation, traced under the weights at the first use."""
        return self.computation.traced()

    @abstractmethod
    def refreshed(self) -> "Probe":
        """The same probe, with everything that depends on weights made anew."""
