"""Where samples go that no row of the data goes: what bounds would keep them from."""

import numpy as np

from tfp_flows.cli.errors import as_word
from tfp_flows.cli.rows import draw_rows
from tfp_flows.cli.training.task import Task
from tfp_flows.data import moved_end
from tfp_flows.models import DensityModel

__all__ = ["bounds_hint", "missing_bounds"]

_SAMPLES = 2_000

# Share of samples beyond an end that is worth a word.
_BEYOND = 2e-3

# A column ends in an edge, and not in a tail, where so many of its values lie within
# a twentieth of the way from the end to the median; 2.5 % of uniform ones do.
_WAY, _AT_EDGE = 0.05, 0.01


def bounds_hint(task: Task, model: DensityModel) -> str | None:
    """Returns a line that names bounds for columns whose samples leave their range.

    Args:
        task: the run.
        model: the best model.
    """
    if task.table.image_shape or task.table.particle_shape:
        return None
    test = task.test
    blocks = draw_rows(
        model, task.schema, _SAMPLES, seed=task.options.seed, context=test.context
    )
    samples = np.concatenate([values for values, _ in blocks])
    free = set(task.schema.columns) - set(task.schema.integer_columns)
    free -= {name for name, _, _ in task.schema.bounds}
    found = {
        name: ends
        for i, name in enumerate(task.schema.columns)
        if name in free
        and (ends := missing_bounds(task.train.values[:, i], samples[:, i]))
    }
    if not found:
        return None
    name, (_, _, share) = next(iter(found.items()))
    others = f" (and of {len(found) - 1} more columns)" if len(found) > 1 else ""
    words = [f"{name}={low}:{high}" for name, (low, high, _) in found.items()]
    return (
        f"hint: {share:.1%} of the samples of {name!r}{others} lie beyond the range of "
        f"the data, which ends like one with bounds: add --bounds {as_word(words)}"
    )


def missing_bounds(
    values: np.ndarray, samples: np.ndarray
) -> tuple[str, str, float] | None:
    """Returns low and high as text, and the share of samples beyond; None if no end.

    An end is zero where no value is negative, or a value at which the data end in an
    edge; beyond it lies a share of the samples that is worth a word.

    Args:
        values: [N], of a column.
        samples: [M], of the same column.
    """
    low, high = values.min(), values.max()
    ends, beyond = ["", ""], 0.0
    for place, (end, sign) in enumerate(((low, 1.0), (high, -1.0))):
        natural = sign > 0 and end >= 0
        edge = 0.0 if natural else end
        share = float(np.mean(sign * (samples - edge) < 0))
        if share < _BEYOND or not (natural or _ends_in_edge(values, end)):
            continue
        if edge == end:
            edge = moved_end(values, end, sign)
        ends[place], beyond = f"{edge:.15g}", beyond + share
    return (ends[0], ends[1], beyond) if beyond else None


def _ends_in_edge(values: np.ndarray, end: float) -> bool:
    distance = np.abs(values - end)
    return bool(np.mean(distance <= _WAY * np.median(distance)) >= _AT_EDGE)
