"""Where the flows of an alignment start: at moments of their own, or all alike."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfp_flows.models.alignment.matching import energy_distance
from tfp_flows.models.alignment.objective import AlignmentObjective, Batch

__all__ = ["DomainArrays", "batches_of", "chance", "distance", "pooled_rows"]

# Rows of a batch, and of how many batches distances are means.
_ROWS, _BATCHES = 1024, 4

DomainArrays = Mapping[str, list[np.ndarray]]
"""domain → its rows, and their context where there is one."""


def pooled_rows(rows: DomainArrays) -> list[np.ndarray]:
    """The rows of all domains as those of one."""
    return [np.concatenate(parts) for parts in zip(*rows.values(), strict=True)]


def batches_of(rows: DomainArrays) -> list[dict[str, Any]]:
    """Some rows of each domain in batches, evenly spaced."""

    def spaced(part: np.ndarray, index: int) -> np.ndarray:
        step = -(-len(part) // _ROWS)
        return part[index % step :: step]

    return [
        {name: tuple(spaced(p, index) for p in parts) for name, parts in rows.items()}
        for index in range(_BATCHES)
    ]


def distance(objective: AlignmentObjective, batches: list[Batch]) -> float:
    """Mean energy distance of translated from real rows."""
    found = [objective.distance(one, objective.translated(one)) for one in batches]
    return float(tf.reduce_mean(found))


def chance(objective: AlignmentObjective, batches: list[Batch]) -> float:
    """The same between rows of one domain, the largest of all domains."""
    seen = [
        [objective.features(given, name) for name, given in one.items()]
        for one in batches
    ]
    found = [[energy_distance(x[::2], x[1::2]) for x in one] for one in seen]
    return float(tf.reduce_max(tf.abs(tf.reduce_mean(found, axis=0))))
