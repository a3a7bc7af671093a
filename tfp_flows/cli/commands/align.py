"""`tfp-flows align`: a translation between tables that were never paired."""

import argparse
import dataclasses
import functools
import hashlib
from typing import TYPE_CHECKING

import numpy as np

from tfp_flows import data
from tfp_flows.cli.commands.new_run import (
    Prepared,
    checked_notes,
    load_table,
    write_run,
)
from tfp_flows.cli.errors import RunError
from tfp_flows.cli.runs.folder import RunDir
from tfp_flows.cli.runs.options import AlignOptions
from tfp_flows.cli.startup import load_tensorflow

if TYPE_CHECKING:
    from tfp_flows.cli.training.progress import Progress

__all__ = ["run"]

_FEWEST_ROWS = 8


def run(namespace: argparse.Namespace) -> None:
    """Trains a translation on tables, a domain each, and writes a folder."""
    options = AlignOptions.from_namespace(namespace)

    def prepared(place: RunDir) -> Prepared:
        tables, labels = _tables(options)
        splits = {name: _split(options, table) for name, table in tables.items()}
        schema = next(iter(tables.values())).schema
        train = functools.partial(_train, options, tables, labels, splits, place)
        return Prepared(options, schema, _fingerprint(tables, labels), train)

    write_run("align", options, options.data, prepared)


def _train(
    options: AlignOptions,
    tables: dict[str, data.Table],
    labels: dict[str, np.ndarray],
    splits: dict[str, data.Split],
    place: RunDir,
) -> "Progress":
    # TensorFlow loads here, after everything that can go wrong without it.
    load_tensorflow()
    from tfp_flows.cli.results.alignment import write_alignment
    from tfp_flows.cli.training.alignment import AlignTask, train_alignment

    task = AlignTask(options, tables, splits, place.partial, labels)
    model, progress = train_alignment(task)
    write_alignment(task, model, progress)
    return progress


def _tables(
    options: AlignOptions,
) -> tuple[dict[str, data.Table], dict[str, np.ndarray]]:
    """The tables by domain, with the columns of the first in its order; their labels.

    Raises:
        RunError: fewer than two tables, names that repeat, or columns of one alone.
    """
    tables: dict[str, data.Table] = {}
    labels: dict[str, np.ndarray] = {}
    named = () if options.labels is None else (options.labels,)
    if len(options.data) < 2:
        raise RunError("expected two tables or more, received one: give one a domain")
    for source in options.data:
        table = load_table(
            options, source, context=(*(options.context or ()), *named) or None
        )
        if table.name in tables:
            raise RunError(
                f"{source}: a domain is called after its file, and two are called "
                f"{table.name!r}: rename one"
            )
        if named:
            table, labels[table.name] = _without_labels(table)
        for other in tables.values():
            table = _in_order(table, other)
        checked_notes(table, integers="continuous")
        tables[table.name] = table
        print(f"{'domain':<11}{table.name}, {table.num_rows:,} rows", flush=True)
    return tables, labels


def _without_labels(table: data.Table) -> tuple[data.Table, np.ndarray]:
    """The table and its last column of context, which is of neither role."""
    *names, name = table.context_columns
    columns = np.asarray(table.context)
    labels = columns[:, -1]
    if not np.isfinite(labels).all():
        raise RunError(
            f"{table.name}: column {name!r} of --labels holds NaN or infinities: give "
            "each row a number, or leave such rows out with --drop-invalid"
        )
    context = columns[:, :-1] if names else None
    kept = dataclasses.replace(table, context=context, context_columns=tuple(names))
    return kept, labels


def _split(options: AlignOptions, table: data.Table) -> data.Split:
    split = data.split_rows(
        table.num_rows, options.validation, options.test, seed=options.seed
    )
    if min(len(split.validation), len(split.test)) < _FEWEST_ROWS:
        raise RunError(
            f"{table.name}: expected {_FEWEST_ROWS} rows or more to stop and to report "
            "on: give larger --validation and --test, or more rows"
        )
    return split


def _in_order(table: data.Table, first: data.Table) -> data.Table:
    """The table with the columns in the order of the first one."""
    alone = set(table.columns) ^ set(first.columns)
    if alone:
        names = ", ".join(sorted(alone))
        raise RunError(
            f"{table.name} and {first.name} must have the same columns, and only one "
            f"has {names}: leave out others with --exclude, or rename"
        )
    order = [table.columns.index(name) for name in first.columns]
    return dataclasses.replace(
        table, columns=first.columns, values=table.values[:, order]
    )


def _fingerprint(tables: dict[str, data.Table], labels: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name, table in tables.items():
        digest.update(f"{name}\0{table.fingerprint()}\0".encode())
        digest.update(labels.get(name, np.zeros(0)).tobytes())
    return digest.hexdigest()
