"""`tfp-flows fit`: checks that cost nothing first, then training, then the report."""

import argparse
import dataclasses
import importlib.util
import pathlib
from typing import TYPE_CHECKING

import numpy as np

import tfp_flows
from tfp_flows import data
from tfp_flows.cli.errors import RunError, RunInterrupted
from tfp_flows.cli.options import FitOptions
from tfp_flows.cli.rundir import RunDir, RunRecord
from tfp_flows.cli.startup import load_tensorflow

if TYPE_CHECKING:
    from tfp_flows.cli.checkpoint import Progress

__all__ = ["Task", "num_halvings", "run"]

# What the end of a run needs, beyond what its beginning does.
_PACKAGES = {"sklearn": "scikit-learn", "matplotlib": "matplotlib"}

# Small tables get smaller batches: two steps an epoch would take many epochs.
_BATCH_SIZE, _SMALLEST_BATCH, _STEPS = 512, 32, 20


@dataclasses.dataclass(frozen=True)
class Task:
    """One run, checked: what remains is to train.

    Attributes:
        options: What was asked for.
        table: All rows.
        split: Which rows are for what.
        flow: Name of the architecture.
        schema: What a row holds, and which columns to dequantize.
        folder: Where to write.
    """

    options: FitOptions
    table: data.Table
    split: data.Split
    flow: str
    schema: data.Schema
    folder: pathlib.Path

    @property
    def batch_size(self) -> int:
        """Rows of a training step: what was asked for, or what suits the table."""
        num_rows = len(self.split.train)
        suited = min(_BATCH_SIZE, max(num_rows // _STEPS, _SMALLEST_BATCH))
        return min(self.options.batch_size or suited, num_rows)

    def part(self, name: str) -> data.Table:
        """Returns the rows of the part `train`, `validation` or `test`."""
        return self.table.take(getattr(self.split, name))


def run(namespace: argparse.Namespace) -> None:
    """Runs the command."""
    options = FitOptions.from_namespace(namespace)
    place = RunDir(pathlib.Path(options.out).absolute())
    place.check(resume=options.resume, overwrite=options.overwrite)
    _check_packages()
    task = _prepare(options, place)
    try:
        progress = _train_and_report(task)
    except KeyboardInterrupt:
        if not place.has_checkpoint:
            raise
        raise RunInterrupted(
            f"interrupted; what is done is kept in {task.folder}: repeat the command "
            "with --resume to go on"
        ) from None
    finally:
        if not place.has_checkpoint:
            place.abandon()
    # A kill between the two leaves a complete run with a checkpoint too many.
    place.finish()
    progress.remove(place.final)
    print(
        f"\nwritten to {options.out}: open {pathlib.Path(options.out, 'report.html')}"
    )


def num_halvings(image_shape: tuple[int, int, int]) -> int:
    """Returns how many levels Glow can have: 2, or fewer for odd heights or widths."""
    height, width, _ = image_shape
    return max(n for n in (0, 1, 2) if height % 2**n == width % 2**n == 0)


def _check_packages() -> None:
    for module, package in _PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            raise data.missing_package(package, "cli", "the report of tfp-flows fit")


def _prepare(options: FitOptions, place: RunDir) -> Task:
    table = data.load(
        options.data,
        columns=options.columns,
        context=options.context,
        exclude=options.exclude,
        drop_invalid=options.drop_invalid,
    )
    description = data.describe(table)
    print(description.text(), flush=True)
    data.check(table, integers=options.integers)
    split = data.split_rows(
        table.num_rows,
        options.validation,
        options.test,
        how=options.split,
        seed=options.seed,
        partition=table.partition,
    )
    _check_parts(table, split)
    flow = _choose_flow(options.flow, table)
    _check_base(options.base, flow)
    integers = description.integers if options.integers == "dequantize" else ()
    record = RunRecord(
        version=tfp_flows.__version__,
        options=dataclasses.asdict(options),
        schema=dataclasses.replace(table.schema, integer_columns=integers),
        fingerprint=table.fingerprint(),
    )
    folder = place.open(record, resume=options.resume)
    return Task(options, table, split, flow, record.schema, folder)


def _check_parts(table: data.Table, split: data.Split) -> None:
    """Refuses parts that are too small for what is computed from them."""
    if len(split.test) < 2:
        raise data.DataError(
            f"{table.name}: expected at least 2 rows to report on, received "
            f"{len(split.test)}: give a larger --test"
        )
    if table.image_shape is None:
        _check_varying(table.name, table.columns, table.values[split.train])
    if table.context is not None:
        _check_varying(table.name, table.context_columns, table.context[split.train])


def _check_varying(table: str, names: tuple[str, ...], train: np.ndarray) -> None:
    constant = train.min(axis=0) == train.max(axis=0)
    if constant.any():
        name = names[int(np.argmax(constant))]
        raise data.DataError(
            f"{table}: column {name!r} has one value in all {len(train):,} training "
            f"rows: leave it out with --exclude {name}, or use --split random"
        )


def _choose_flow(name: str | None, table: data.Table) -> str:
    shape = table.image_shape
    if shape is None:
        if name == "glow":
            raise RunError(
                "--flow glow: expected images, received a table: choose a coupling or "
                "autoregressive flow"
            )
        return name or "coupling-spline"
    if name in (None, "glow") and num_halvings(shape) == 0:
        raise RunError(
            f"--flow glow: expected images of even height and width, received "
            f"{shape[0]} x {shape[1]}: crop or pad them, or add --flow coupling-spline"
        )
    return name or "glow"


def _check_base(base: str | None, flow: str) -> None:
    if flow == "glow" and base not in (None, "gaussian"):
        raise RunError(
            f"--base {base}: expected a table, and images have --base gaussian: add "
            "--flow coupling-spline to model their pixels as columns"
        )


def _train_and_report(task: Task) -> "Progress":
    # TensorFlow loads here, after everything that can go wrong without it.
    load_tensorflow()
    from tfp_flows.cli.outcome import write_outcome
    from tfp_flows.cli.training import train

    model, progress = train(task)
    write_outcome(task, model, progress)
    return progress
