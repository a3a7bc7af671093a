"""Ray Data as the engine of `score`: files shared out to actors, a model in each.

An actor needs TensorFlow and the exported model alone. On a cluster, `RAY_ADDRESS`
names it, and every node sees the folders under the same names.
"""

import contextlib
import dataclasses
import logging
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tfp_flows.cli.errors import RunError, in_flags
from tfp_flows.cli.parts import in_parts
from tfp_flows.cli.scoring.scorer import Scorer, finite_rows
from tfp_flows.cli.startup import load_tensorflow
from tfp_flows.data import DataError, Schema, missing_package

__all__ = ["ServedModel", "load_ray", "score_on_ray"]

# Files are read by the actors: hardly anything passes through Ray's memory, of which
# it would take a third of the machine's.
_OBJECT_STORE = 100 * 2**20  # bytes


@dataclasses.dataclass(frozen=True)
class ServedModel:
    """What an actor is made from.

    Attributes:
        folder: of the exported model.
        event_shape: of a row.
        dtype: of its numbers.
        rows_at_a_time: to evaluate at once.
        reference: [n], log-densities of the held-out rows.
        schema: what a row holds.
        drop_invalid: whether rows with NaN or infinities have empty scores.
    """

    folder: pathlib.Path
    event_shape: tuple[int, ...]
    dtype: str
    rows_at_a_time: int
    reference: np.ndarray
    schema: Schema
    drop_invalid: bool

    def scorer(self) -> Scorer:
        """Loads the model."""
        load_tensorflow()
        import tensorflow as tf

        served = tf.saved_model.load(str(self.folder))

        # The functions of a loaded model do not keep it alive.
        def log_prob(*arrays: np.ndarray) -> Any:
            return served.log_prob(*arrays)

        density = in_parts(log_prob, self.event_shape, self.dtype, self.rows_at_a_time)
        return Scorer(density, self.reference)


class _Actor:
    """Scores one file after the other."""

    def __init__(self, model: ServedModel) -> None:
        self._model, self._scorer = model, model.scorer()

    def __call__(self, files: dict[str, str]) -> dict[str, Any]:
        model, target = self._model, pathlib.Path(files["target"])
        try:
            rows = finite_rows(
                files["source"], model.schema, drop_invalid=model.drop_invalid
            )
            return {**files, "rows": self._scorer.write(rows, target), "error": ""}
        except DataError as error:
            return {**files, "rows": 0, "error": error.spelled(in_flags)}
        except RunError as error:
            return {**files, "rows": 0, "error": str(error)}


def load_ray() -> Any:
    """Returns Ray, or says what to install."""
    # It would report to its makers, and on its own doings.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise missing_package("ray", "ray", "--engine ray") from error
    return ray


def score_on_ray(
    model: ServedModel,
    pairs: Sequence[tuple[pathlib.Path, pathlib.Path]],
    workers: int,
) -> Iterator[tuple[pathlib.Path, int]]:
    """Scores files; yields each file of scores with its number of rows.

    Args:
        model: what each actor loads, once.
        pairs: (rows, scores).
        workers: number of actors, with a core each.

    Raises:
        RunError: a file cannot be scored; those that are complete stay.
    """
    ray = load_ray()
    files = [
        {"source": str(source.resolve()), "target": str(target.resolve())}
        for source, target in pairs
    ]
    with _started(ray, workers):
        scored = ray.data.from_items(files, override_num_blocks=len(files)).map(
            _Actor,
            fn_constructor_args=(model,),
            compute=ray.data.ActorPoolStrategy(size=min(workers, len(files))),
            num_cpus=1,
        )
        for row in scored.iter_rows():
            if row["error"]:
                raise RunError(row["error"])
            yield pathlib.Path(row["target"]), row["rows"]


@contextlib.contextmanager
def _started(ray: Any, workers: int) -> Iterator[None]:
    """Joins the cluster of `RAY_ADDRESS`, or starts one on this machine; ends it."""
    here: dict[str, Any] = {
        "num_cpus": max(workers, os.cpu_count() or 1),
        "object_store_memory": _OBJECT_STORE,
        "include_dashboard": False,
    }
    ray.init(
        **({} if "RAY_ADDRESS" in os.environ else here),
        # An actor has one core.
        runtime_env={
            "env_vars": {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
        },
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        yield
    finally:
        ray.shutdown()
