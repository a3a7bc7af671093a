"""What a report shows, as numbers."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from tfp_flows.diagnostics.comparison import Result
from tfp_flows.estimation.importance import WeightedDraws

__all__ = ["ReportData"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything a report shows, as numbers.

    Attributes:
        title: one line: which density of which data.
        description: lines about the data, in words.
        results: of `compare_scores`, the model first; plain tuples (name, nats,
            standard_error, bits_per_dim) do as well.
        history: `loss` and `val_loss` by epoch, in `unit` a row; NaN where one was
            not measured.
        columns: D names.
        held_out: [N, D], rows the model was not trained on.
        held_out_scores: [N], their log-densities in nats.
        samples: [M, D], rows drawn from the model; given context, one or more
            for each held-out row's.
        sample_scores: [M], their log-densities in nats.
        best_epoch: the epoch whose weights were kept, in the numbers of the history.
        first_epoch: number of the history's first value: 0 where it is the start's.
        ranks: of `column_ranks` or `conditional_ranks` for some held-out rows.
        shared_samples: how many samples `column_ranks` used, else None.
        row_numbers: [N], of the held-out rows in the user's file.
        context: [N, C], what the held-out rows were conditioned on.
        context_columns: C names.
        image_shape: (H, W) or (H, W, C) if rows are images.
        particle_shape: (N, n) if rows are positions of particles.
        energies: of the held-out rows, [N], and of the samples, [M], where particles
            have a known energy.
        settings: names and values worth keeping.
        elapsed: seconds by name of the step.
        levels: negative log-likelihoods of yardsticks by name, on the rows that
            `val_loss` is measured on, nats a row: lines beside the learning curve.
        unit: of the losses; "nats" are negative log-likelihoods.
        training: [K, D], rows that the model was trained on, to look for copies of.
        forecast: [N, D] and [S, N, D], values and draws given each one's context.
    """

    title: str
    description: Sequence[str]
    results: Sequence[Result | tuple]
    history: Mapping[str, Sequence[float]]
    columns: Sequence[str]
    held_out: np.ndarray
    held_out_scores: np.ndarray
    samples: np.ndarray
    sample_scores: np.ndarray
    best_epoch: int | None = None
    first_epoch: int = 1
    ranks: np.ndarray | None = None
    shared_samples: int | None = None
    row_numbers: np.ndarray | None = None
    context: np.ndarray | None = None
    context_columns: Sequence[str] = ()
    image_shape: Sequence[int] | None = None
    particle_shape: tuple[int, int] | None = None
    energies: tuple[np.ndarray, np.ndarray] | None = None
    settings: Mapping[str, object] = dataclasses.field(default_factory=dict)
    elapsed: Mapping[str, float] = dataclasses.field(default_factory=dict)
    levels: Mapping[str, float] = dataclasses.field(default_factory=dict)
    unit: str = "nats"
    training: np.ndarray | None = None
    forecast: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def weighted(self) -> WeightedDraws | None:
        """The samples with weights for their energy, where both densities are known."""
        if self.energies is None or not np.isfinite(self.sample_scores).all():
            return None
        return WeightedDraws(self.samples, -self.energies[1] - self.sample_scores)

    def __post_init__(self) -> None:
        rows, width = len(self.held_out), len(self.columns)
        contexts = len(self.context_columns)
        expected = {
            "held_out": (rows, width),
            "held_out_scores": (rows,),
            "samples": (len(self.samples), width),
            "sample_scores": (len(self.samples),),
            "ranks": (None if self.ranks is None else len(self.ranks), width),
            "row_numbers": (rows,),
            "context": (rows, contexts),
        }
        for name, shape in expected.items():
            value = getattr(self, name)
            if value is not None and np.shape(value) != shape:
                raise ValueError(
                    f"Expected {name} of shape {shape}, received {np.shape(value)}. "
                    f"There are {width} columns; images are flattened to rows."
                )
        if rows == 0 or len(self.samples) == 0 or not self.results:
            raise ValueError(
                "Expected held-out rows, samples and results, received "
                f"{rows}, {len(self.samples)} and {len(self.results)}."
            )
