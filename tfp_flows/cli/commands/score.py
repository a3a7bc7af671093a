"""`tfp-flows score`: the log-density and outlier p-value of each row, streamed."""

import argparse
import pathlib
from collections.abc import Iterator

from tfp_flows.cli.errors import RunError
from tfp_flows.cli.results.fitted import MODEL, SAVED_MODEL, FittedRun
from tfp_flows.cli.runs.shards import Shards
from tfp_flows.cli.runs.target import announce, check_target
from tfp_flows.cli.scoring.ray_data import ServedModel, load_ray, score_on_ray
from tfp_flows.cli.scoring.scorer import Rows, Scorer, finite_rows
from tfp_flows.cli.startup import load_tensorflow
from tfp_flows.data import is_pattern

__all__ = ["run"]

Pairs = list[tuple[pathlib.Path, pathlib.Path]]


def run(namespace: argparse.Namespace) -> None:
    """Writes the log-density and the p-value of each row to a file.

    Of a pattern of files each has its own scores; those that are complete are not
    computed again.
    """
    on_ray = namespace.engine == "ray"
    if namespace.workers is not None and not on_ray:
        raise RunError("--workers: for --engine ray alone: add it, or leave this out")
    if is_pattern(namespace.data):
        _score_shards(namespace)
        return
    if on_ray:
        raise RunError(
            f"--engine ray: shares out files, expected a pattern such as "
            f"'parts/*.parquet', received {namespace.data}: leave it out for one file"
        )
    target = check_target(
        namespace.out,
        (".csv", ".parquet"),
        run=namespace.run,
        data=namespace.data,
        overwrite=namespace.overwrite,
    )
    fitted = FittedRun.read(namespace.run)
    rows = _rows(namespace, fitted, namespace.data)
    count = _scorer(fitted).write(rows, target)
    announce(f"{count:,} rows scored: {namespace.out}", target)


def _score_shards(namespace: argparse.Namespace) -> None:
    shards = Shards.find(namespace.data, namespace.out)
    if namespace.engine == "ray":
        load_ray()
    fitted = FittedRun.read(namespace.run)
    shards.claim(fitted.folder / MODEL, overwrite=namespace.overwrite)
    missing = shards.missing
    done, count = len(shards.pairs) - len(missing), 0
    scored = _on_ray if namespace.engine == "ray" else _in_turn
    finished = scored(namespace, fitted, missing) if missing else ()
    for number, (target, rows) in enumerate(finished, start=done + 1):
        print(f"{number}/{len(shards.pairs)}  {rows:,} rows  {target}", flush=True)
        count += rows
    there = f"; {done} files had their scores" if done else ""
    print(f"{count:,} rows scored: {namespace.out}{there}")


def _in_turn(
    namespace: argparse.Namespace, fitted: FittedRun, pairs: Pairs
) -> Iterator[tuple[pathlib.Path, int]]:
    scorer = _scorer(fitted)
    for source, target in pairs:
        yield target, scorer.write(_rows(namespace, fitted, str(source)), target)


def _on_ray(
    namespace: argparse.Namespace, fitted: FittedRun, pairs: Pairs
) -> Iterator[tuple[pathlib.Path, int]]:
    reference, _ = fitted.held_out()
    load_tensorflow()
    from tfp_flows.cli.rows import rows_at_a_time

    distribution = fitted.model().distribution
    model = ServedModel(
        fitted.folder.resolve() / SAVED_MODEL,
        tuple(distribution.event_shape),
        distribution.dtype.name,
        rows_at_a_time(distribution),
        reference,
        fitted.schema,
        namespace.drop_invalid,
    )
    yield from score_on_ray(model, pairs, namespace.workers or 1)


def _rows(namespace: argparse.Namespace, fitted: FittedRun, source: str) -> Rows:
    return finite_rows(source, fitted.schema, drop_invalid=namespace.drop_invalid)


def _scorer(fitted: FittedRun) -> Scorer:
    reference, _ = fitted.held_out()
    load_tensorflow()
    from tfp_flows.cli.rows import log_density_function

    return Scorer(log_density_function(fitted.model()), reference)
