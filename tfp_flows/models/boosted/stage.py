"""What a stage of boosting did, and by which rule its component was trained."""

import dataclasses
from typing import Any

from tfp_flows.objectives import (
    MixtureLikelihood,
    NegativeLogLikelihood,
    ResidualWeights,
)

__all__ = ["BoostingStage", "boosting_rule", "objective_of"]

# Published as a hook beside the weights, without a value; of 1, 0.5, 0.1 and 0.05 this
# one found the uncovered mode of 80/20 data without falling for single rows.
_TEMPERED_POWER = 0.1
_NAMED = {
    "mixture": None,
    "residual": ResidualWeights(),
    "tempered": ResidualWeights(log_floor=None, power=_TEMPERED_POWER),
}


@dataclasses.dataclass(frozen=True)
class BoostingStage:
    """One component's training, as it ended.

    Attributes:
        component: which one, from zero.
        correction: whether it had been trained before, in a stage of its own.
        num_epochs: trained.
        seconds: of training.
        effective_sample_size: (Σω)² / Σω² / N of the rows' weights, 1 for equal ones.
        weights: of the mixture at the end, one a component.
        loss: training NLL of the mixture at the end, nats a row.
        val_loss: held-out NLL of the mixture at the end, or None.
        gain: by how much `val_loss` fell, or `loss` where there is no validation; None
            for the first stage.
        history: one number an epoch for each of the logs.
        start_loss: held-out NLL of the mixture before the first epoch, the component
            as it was built; None without validation rows.
    """

    component: int
    correction: bool
    num_epochs: int
    seconds: float
    effective_sample_size: float
    weights: tuple[float, ...]
    loss: float
    val_loss: float | None
    gain: float | None
    history: dict[str, list[float]]
    start_loss: float | None = None

    def gain_of(self, loss: float, val_loss: float | None) -> float:
        """By how much a later stage is better, on held-out rows if both have them."""
        if val_loss is None or self.val_loss is None:
            return self.loss - loss
        return self.val_loss - val_loss

    def __str__(self) -> str:
        """One line: what was trained, NLL, gain, weights."""
        held_out = "" if self.val_loss is None else f", held out {self.val_loss:.4f}"
        gain = "" if self.gain is None else f", gain {self.gain:+.4f}"
        weights = " ".join(f"{weight:.3f}" for weight in self.weights)
        return (
            f"component {self.component + 1}: {self.num_epochs} epochs, mixture NLL "
            f"{self.loss:.4f}{held_out}{gain}, weights {weights}"
        )


def boosting_rule(rule: Any) -> ResidualWeights | None:
    """Returns the weights of a rule's name, None for the mixture's likelihood.

    Raises:
        ValueError: an unknown rule.
    """
    if isinstance(rule, ResidualWeights):
        return rule
    if rule not in _NAMED:
        raise ValueError(
            f"rule must be one of {', '.join(map(repr, _NAMED))} or a "
            f"ResidualWeights, received {rule!r}."
        )
    return _NAMED[rule]


def objective_of(rule: ResidualWeights | None, rate: float | None) -> Any:
    """Returns the likelihood of the mixture; without a rate that of g alone."""
    if rule is None and rate is not None:
        return MixtureLikelihood(rate)
    return NegativeLogLikelihood()
