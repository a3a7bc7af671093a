"""What the laws of computation need to know about an audited object."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import tensorflow as tf

from tfp_flows.testing.probes.tracing import Computation
from tfp_flows.testing.report import LawResult

__all__ = ["Probe"]


@dataclass(frozen=True)
class Probe(ABC):
    """An object under audit, and the points at which it is looked at.

    Args:
        subject: The bijector or distribution.
        x: [N, event...], the rows.
        tolerance: Largest relative error that round-off explains.
        jit: Whether the object is expected to compile under XLA.
        exempt: Names of the laws that are not checked.
    """

    subject: tf.Module
    x: tf.Tensor
    tolerance: float
    jit: bool
    exempt: frozenset[str]

    @property
    @abstractmethod
    def computation(self) -> Computation:
        """Every value that the object computes at the rows."""

    @cached_property
    def trace(self) -> Any:
        """The computation, traced under the weights at the first use."""
        return self.computation.traced()

    @property
    @abstractmethod
    def loss_names(self) -> tuple[str, ...]:
        """The values that a likelihood is made of."""

    @property
    @abstractmethod
    def invariants(self) -> tuple[Callable[["Probe"], LawResult], ...]:
        """Laws that must survive a change of the weights."""

    @abstractmethod
    def refreshed(self) -> "Probe":
        """The same probe, with everything that depends on weights made anew."""
