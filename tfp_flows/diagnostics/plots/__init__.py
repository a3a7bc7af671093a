"""Pictures of data, of fitted densities and of their samples.

Every function draws on the axis or figure it is given, or on a new one of natural
size, and returns it. Orange is data, blue is the model, gray is everything else. No
global state of matplotlib is read or written.
"""

from tfp_flows.diagnostics.plots.canvas import png
from tfp_flows.diagnostics.plots.forecasts import forecast_intervals
from tfp_flows.diagnostics.plots.particles import (
    configurations,
    distances_and_energies,
)
from tfp_flows.diagnostics.plots.planes import density_maps
from tfp_flows.diagnostics.plots.samples import (
    image_grid,
    learning_curve,
    pair_plot,
    rank_histograms,
)
from tfp_flows.diagnostics.plots.scores import (
    score_distribution,
    worst_images,
    worst_rows,
)
from tfp_flows.diagnostics.plots.tails import exceedance_plot, tail_quantile_plot
from tfp_flows.diagnostics.plots.translation import translation_field
from tfp_flows.diagnostics.plots.weights import weight_plot

__all__ = [
    "configurations",
    "density_maps",
    "distances_and_energies",
    "exceedance_plot",
    "forecast_intervals",
    "image_grid",
    "learning_curve",
    "pair_plot",
    "png",
    "rank_histograms",
    "score_distribution",
    "tail_quantile_plot",
    "translation_field",
    "weight_plot",
    "worst_images",
    "worst_rows",
]
