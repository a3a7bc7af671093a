"""`tfp-flows fit`: checks that cost nothing first, then training, then the report."""

import argparse
import dataclasses
import functools

import numpy as np

from tfp_flows import data
from tfp_flows.cli.commands.new_run import (
    Prepared,
    checked_notes,
    load_table,
    write_run,
)
from tfp_flows.cli.flows import check_base, check_energy, choose_flow
from tfp_flows.cli.parser import parse_bound
from tfp_flows.cli.runs.folder import RunDir
from tfp_flows.cli.runs.options import FitOptions
from tfp_flows.cli.startup import load_tensorflow
from tfp_flows.cli.training.progress import Progress
from tfp_flows.cli.training.task import Task
from tfp_flows.cli.training.workers import (
    follow,
    launch,
    local_workers,
    position,
    together,
)
from tfp_flows.screening import row_keys

__all__ = ["run"]

# That a table is worked on in, with all its copies; the rest is the model's.
_SHARE_OF_MEMORY = 0.5


def run(namespace: argparse.Namespace) -> None:
    """Trains a model on a table or images, and writes the folder of its run."""
    if namespace.workers is not None:
        launch(namespace.words, namespace.workers)
        return
    with follow(namespace), together():
        _run(namespace)


def _run(namespace: argparse.Namespace) -> None:
    options = FitOptions.from_namespace(namespace)

    def prepared(place: RunDir) -> Prepared:
        task = _prepare(options, place)
        fingerprint = task.table.fingerprint()
        train = functools.partial(_train_and_report, task)
        return Prepared(task.options, task.schema, fingerprint, train)

    write_run("fit", options, [options.data], prepared)


def _prepare(options: FitOptions, place: RunDir) -> Task:
    if options.data in data.PARTICLE_SETS:
        # Drawn with its help, before anything else loads it.
        load_tensorflow()
    most = options.rows_in_memory or _SHARE_OF_MEMORY / local_workers()
    table = load_table(options, options.data, rows_in_memory=most)
    description = data.describe(table)
    print(description.text(), flush=True)
    if options.target and not options.context:
        _check_features(table)
    notes = checked_notes(table, integers=options.integers, description=description)
    description = dataclasses.replace(description, notes=notes)
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
    return task if table.drawn_from is None else _streamed(task)


def _streamed(task: Task) -> Task:
    """The run with what it reads from the files, which is checked.

    The options say how many rows were kept: where memory differs a run goes on with as
    many.
    """
    table, most = task.table, task.table.drawn_from.most  # type: ignore[union-attr]
    tail = "tail" if task.options.split == "tail" else None
    for name, value in (("boost", task.options.boost), ("split", tail)):
        if value is not None:
            raise data.DataError(
                f"{table.name}: ",
                data.Argument(name, value),
                f" needs all rows in memory, where {most:,} may be: leave it out, or "
                "give a larger ",
                data.Argument("rows_in_memory"),
            )
    return dataclasses.replace(
        task,
        options=dataclasses.replace(task.options, rows_in_memory=most),
        num_streamed=task.streamed.checked_count(table),  # type: ignore[union-attr]
    )


def _keys_of_copies(
    table: data.Table, description: data.Description
) -> np.ndarray | None:
    if description.num_distinct == table.num_rows:
        return None
    return row_keys(*table.rows().blocks)


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
                    f"{train.num_rows:,} training rows in memory: join rare texts, or "
                    f"leave the column out with --exclude {name}"
                )


def _check_features(table: data.Table) -> None:
    """Refuses a constant among the features that nobody named."""
    if table.context is None or table.drawn_from is not None:
        return  # of a rare text there may be no example among the rows kept
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
