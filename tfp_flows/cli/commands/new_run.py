"""What the commands that train share: a table is read, a folder is written."""

import dataclasses
import importlib.util
import pathlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import tfp_flows
from tfp_flows import data
from tfp_flows.cli.errors import RunError, RunInterrupted, in_flags
from tfp_flows.cli.runs.files import naming
from tfp_flows.cli.runs.folder import RunDir
from tfp_flows.cli.runs.record import RunRecord
from tfp_flows.cli.training.progress import Progress

__all__ = ["Prepared", "checked_notes", "load_table", "write_run"]

# What the end of a run needs, beyond what its beginning does.
_PACKAGES = {"matplotlib": "matplotlib"}

_READING = (
    *("columns", "target", "context", "exclude", "weights"),
    *("drop_invalid", "missing", "header"),
)


class Prepared(NamedTuple):
    """A run whose data and options are checked."""

    options: Any
    """Those that it is recorded with."""
    schema: data.Schema
    fingerprint: str
    """Of the data."""
    train: Callable[[], Progress]
    """Trains, and writes the results to the partial folder."""


def load_table(options: Any, source: str, **changed: Any) -> data.Table:
    """Reads a table as the options of a command say, but for what is changed."""
    given = {
        name: getattr(options, name) for name in _READING if hasattr(options, name)
    }
    return data.load(source, **given | changed)


def checked_notes(table: data.Table, **options: Any) -> tuple[str, ...]:
    """Checks a table, prints what is to be known of it, and returns it."""
    notes = [found.spelled(in_flags) for found in data.check(table, **options)]
    for note in notes:
        print(f"{'note':<11}{note}", flush=True)
    return tuple(notes)


def write_run(
    command: str,
    options: Any,
    sources: Iterable[str],
    prepare: Callable[[RunDir], Prepared],
) -> None:
    """Writes the folder of a run, with checks that cost nothing first.

    Args:
        command: its name.
        options: where the folder is, and whether there may be one already.
        sources: the data, which must not be in it.
        prepare: reads and checks the data.

    Raises:
        RunError: the folder cannot be written, or a package lacks.
        RunInterrupted: says how to go on.
    """
    if options.out == "-":
        raise RunError(f"--out -: {command} writes a folder: give its name")
    # Links are followed, so that one folder has one lock.
    place = RunDir(pathlib.Path(options.out).resolve())
    again = {"resume": options.resume, "overwrite": options.overwrite}
    for source in sources:
        place.check(source, **again)
    for module, package in _PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            raise data.missing_package(package, "cli", "the report of tfp-flows fit")
    prepared = prepare(place)
    record = RunRecord(
        version=tfp_flows.__version__,
        options=dataclasses.asdict(prepared.options),
        schema=prepared.schema,
        fingerprint=prepared.fingerprint,
    )
    with place.opened(record, **again), naming(place.partial):
        progress = _train_or_leave(prepared.train, place)
        # A kill between the two leaves a complete run with a checkpoint too many.
        place.finish(overwrite=options.overwrite)
        progress.remove(place.final)
    report = pathlib.Path(options.out, "report.html")
    print(f"\nwritten to {options.out}: open {report}")


def _train_or_leave(train: Callable[[], Progress], place: RunDir) -> Progress:
    """An interrupted run can be resumed, a failed one where it got far enough."""
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
