"""Pictures of importance weights."""

import numpy as np

from tfp_flows.diagnostics.plots.canvas import Figure
from tfp_flows.diagnostics.plots.theme import LIGHT, Theme, dress, heading
from tfp_flows.estimation.importance import WeightedDraws

__all__ = ["weight_plot"]

_LEAST = -15.0  # smaller weights are as good as zero


def weight_plot(weighted: WeightedDraws, *, theme: Theme = LIGHT) -> Figure:
    """Draws log-weights around log Z, and the effective sample size against n.

    A curve of the sample size that falls in steps is that of weights whose heaviest
    are rare; the title carries the verdict.

    Args:
        weighted: of `models.reweight`.
        theme: colors.
    """
    figure = Figure(figsize=(9.0, 3.8), layout="constrained", facecolor=theme.paper)
    left, right = figure.subplots(1, 2)
    for axis in (left, right):
        dress(axis, theme)
    log_z = weighted.log_normalizer.value
    relative = np.maximum(weighted.log_weights - log_z, _LEAST)
    left.hist(relative, bins=80, color=theme.model)
    left.axvline(0, color=theme.data, lw=1.2)
    left.set_yscale("log")
    left.set(
        xlabel=f"log w − log Z, those below {_LEAST:g} at {_LEAST:g}", ylabel="draws"
    )
    verdict = "reliable" if weighted.reliable else "not reliable"
    counts, shares = weighted.ess_curve()
    right.plot(counts, shares, color=theme.model)
    right.set_xscale("log")
    right.set_ylim(0, 1)
    right.set(xlabel="draws n", ylabel="effective sample size / n")
    title = (
        f"Weights of {len(weighted.log_weights):,} draws: {verdict}, Pareto k "
        f"{weighted.pareto_k:.2f}, effective sample size {weighted.ess:.1%}"
    )
    heading(figure, title, theme)
    return figure
