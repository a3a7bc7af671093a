"""`tfp-flows fit`: checks that cost nothing first, then training, then the report."""

import argparse
import dataclasses
import importlib.util
import pathlib
from collections.abc import Callable

import numpy as np

import tfp_flows
from tfp_flows import data
from tfp_flows.cli.errors import RunError, RunInterrupted, in_flags
from tfp_flows.cli.flows import check_base, check_energy, choose_flow
from tfp_flows.cli.parser import parse_bound
from tfp_flows.cli.runs.files import naming
from tfp_flows.cli.runs.folder import RunDir
from tfp_flows.cli.runs.options import FitOptions
from tfp_flows.cli.runs.record import RunRecord
from tfp_flows.cli.startup import load_tensorflow
from tfp_flows.cli.training.progress import Progress
from tfp_flows.cli.training.task import Task
from tfp_flows.cli.training.workers import follow, launch, position, together
from tfp_flows.screening import row_keys

__all__ = ["check_packages", "run", "train_or_leave"]

# What the end of a run needs, beyond what its beginning does.
_PACKAGES = {"matplotlib": "matplotlib"}


def run(namespace: argparse.Namespace) -> None:
    """Trains a model on a table or images, and writes the folder of its run."""
    if namespace.workers is not None:
        launch(namespace.words, namespace.workers)
        return
    with follow(namespace), together():
        _run(namespace)


def _run(namespace: argparse.Namespace) -> None:
    options = FitOptions.from_namespace(namespace)
    if options.out == "-":
        raise RunError("--out -: fit writes a folder: give its name")
    # Links are followed, so that one folder has one lock.
    place = RunDir(pathlib.Path(options.out).resolve())
    again = {"resume": options.resume, "overwrite": options.overwrite}
    place.check(options.data, **again)
    check_packages()
    task = _prepare(options, place)
    with place.opened(_record(task), **again), naming(place.partial):
        progress = train_or_leave(lambda: _train_and_report(task), place)
        # A kill between the two leaves a complete run with a checkpoint too many.
        place.finish(overwrite=options.overwrite)
        progress.remove(place.final)
    print(
        f"\nwritten to {options.out}: open {pathlib.Path(options.out, 'report.html')}"
    )


def check_packages() -> None:
    """Refuses to begin without what the end of a run needs."""
    for module, package in _PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            raise data.missing_package(package, "cli", "the report of tfp-flows fit")


def _prepare(options: FitOptions, place: RunDir) -> Task:
    if options.data in data.PARTICLE_SETS:
        # Drawn with its help, before anything else loads it.
        load_tensorflow()
    table = data.load(
        options.data,
        columns=options.columns,
        target=options.target,
        context=options.context,
        exclude=options.exclude,
        weights=options.weights,
        drop_invalid=options.drop_invalid,
        missing=options.missing,
        header=options.header,
    )
    description = data.describe(table)
    print(description.text(), flush=True)
    if options.target and not options.context:
        _check_features(table)
    notes = [
        found.spelled(in_flags)
        for found in data.check(
            table, integers=options.integers, description=description
        )
    ]
    for note in notes:
        print(f"{'note':<11}{note}", flush=True)
    description = dataclasses.replace(description, notes=tuple(notes))
    split = data.split_rows(
        table.num_rows,
        options.validation,
        options.test,
        how=options.split,
        seed=options.seed,
        partition=table.partition,
        keys=_keys_of_copies(table, description),
    )
    flow = choose_flow(options.flow, table)
    check_base(options.base, flow, options.boost)
    if options.objective == "energy":
        check_energy(options.base, flow, options.boost)
        options = dataclasses.replace(options, base="gaussian")
    grid = dict(description.grid if options.integers == "dequantize" else ())
    bounds = tuple(map(parse_bound, options.bounds))
    data.check_bounds(table, bounds, tuple(grid))
    schema = dataclasses.replace(
        table.schema,
        integer_columns=tuple(grid),
        grid_steps=tuple(grid.values()),
        bounds=bounds,
    )
    task = Task(options, table, description, split, flow, schema, place.partial)
    _check_parts(task)
    return task


def _keys_of_copies(
    table: data.Table, description: data.Description
) -> np.ndarray | None:
    if description.num_distinct == table.num_rows:
        return None
    return row_keys(*table.rows().blocks)


def _record(task: Task) -> RunRecord:
    return RunRecord(
        version=tfp_flows.__version__,
        options=dataclasses.asdict(task.options),
        schema=task.schema,
        fingerprint=task.table.fingerprint(),
    )


def _check_parts(task: Task) -> None:
    """Refuses parts that are too small for what is computed from them."""
    train, test = task.train, task.test
    if test.num_rows < 2:
        raise data.DataError(
            f"{test.name}: expected at least 2 rows to report on, received "
            f"{test.num_rows}: give a larger --test"
        )
    if train.image_shape is None:
        _check_varying(
            train.name, train.columns, train.values, bool(task.options.target)
        )
    if train.context is not None:
        _check_categories(train)
        _check_varying(train.name, train.context_columns, train.context)


def _check_categories(train: data.Table) -> None:
    """Refuses a text of which the training rows have no example."""
    for name, texts in train.categories:
        for text in texts[1:]:
            column = train.context_columns.index(f"{name}={text}")
            if train.context is not None and not train.context[:, column].any():
                raise data.DataError(
                    f"{train.name}: {text!r} in column {name!r} is in none of the "
                    f"{train.num_rows:,} training rows: join rare texts, or leave the "
                    f"column out with --exclude {name}"
                )


def _check_features(table: data.Table) -> None:
    """Refuses a constant among the features that nobody named."""
    if table.context is None:
        return
    constant = table.context.min(axis=0) == table.context.max(axis=0)
    if constant.any():
        name = table.context_columns[int(np.argmax(constant))]
        raise data.DataError(
            f"{table.name}: column {name!r} has one value in every row, from which "
            f"nothing is predicted: leave it out with --exclude {name}"
        )


def _check_varying(
    table: str, names: tuple[str, ...], train: np.ndarray, are_targets: bool = False
) -> None:
    constant = train.min(axis=0) == train.max(axis=0)
    if constant.any():
        name = names[int(np.argmax(constant))]
        remedy = "of --target" if are_targets else f"with --exclude {name}"
        raise data.DataError(
            f"{table}: column {name!r} has one value in all {len(train):,} training "
            f"rows: leave it out {remedy}, or use --split random"
        )


def train_or_leave(train: Callable[[], Progress], place: RunDir) -> Progress:
    """Trains; an interrupted run can be resumed, a failed one where it got far enough.

    Args:
        train: does it, and writes the results.
        place: of the run.

    Raises:
        RunInterrupted: says how to go on.
    """
    try:
        return train()
    except KeyboardInterrupt:
        done = " before the first checkpoint"
        if place.has_checkpoint:
            done = f"; what is done is kept in {place.partial}"
        raise RunInterrupted(
            f"interrupted{done}: repeat the command with --resume to go on"
        ) from None
    except BaseException:
        if not place.has_checkpoint:
            place.abandon()
        raise


def _train_and_report(task: Task) -> Progress:
    # TensorFlow loads here, after everything that can go wrong without it.
    load_tensorflow()
    from tfp_flows.cli.results.outcome import write_outcome
    from tfp_flows.cli.training.boosted import train_mixture
    from tfp_flows.cli.training.single import train_flow

    train = train_flow if task.options.boost is None else train_mixture
    model, progress = train(task)
    if not position():
        write_outcome(task, model, progress)
    return progress
