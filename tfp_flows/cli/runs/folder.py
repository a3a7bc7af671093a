"""The folder of a run: filled beside its place, and renamed when it is complete."""

import dataclasses
import json
import os
import pathlib
import shutil
import tempfile
from typing import Any

from tfp_flows.cli.errors import RunError
from tfp_flows.cli.runs.files import reading, write_json
from tfp_flows.cli.runs.options import FitOptions
from tfp_flows.data import Schema

__all__ = ["RunDir", "RunRecord", "STATE"]

_RECORD = "run.json"

# The file that names the checkpoints.
STATE = "state.json"


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """What a run was asked for and given: the file `run.json`.

    Attributes:
        version: of this package.
        options: fields of `FitOptions`.
        schema: what a row of the data holds.
        fingerprint: SHA-256 of the data's names and numbers.
    """

    version: str
    options: dict[str, Any]
    schema: Schema
    fingerprint: str

    @classmethod
    def read(cls, folder: pathlib.Path) -> "RunRecord":
        """Reads the record of the run in a folder."""
        path = folder / _RECORD
        if not path.is_file():
            raise RunError(
                f"{folder}: there is no run here (no {_RECORD}): give a folder that "
                "tfp-flows fit wrote"
            )
        with reading(path):
            content = json.loads(path.read_text())
            content["options"] = dict(content["options"])
            content["schema"] = Schema.from_dict(content["schema"])
            return cls(**content)

    def write(self, folder: pathlib.Path) -> None:
        """Writes the record to a folder."""
        write_json(folder / _RECORD, dataclasses.asdict(self))


@dataclasses.dataclass(frozen=True)
class RunDir:
    """The places of one run.

    Attributes:
        final: the folder DIR of a complete run.
    """

    final: pathlib.Path

    @property
    def partial(self) -> pathlib.Path:
        """`DIR.partial`, where everything is written until the run is complete."""
        return self.final.with_name(self.final.name + ".partial")

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is something to resume from."""
        return (self.partial / STATE).exists()

    def check(self, *, resume: bool, overwrite: bool) -> None:
        """Refuses early what would fail, or destroy something, at the end."""
        if self.final.exists() and not self.final.is_dir():
            raise RunError(f"--out {self.final}: this is a file: choose another name")
        if overwrite:
            _check_replaceable(self.final)
            _check_replaceable(self.partial)
        if resume and not self.partial.exists():
            state = "is complete" if self.final.exists() else "does not exist"
            raise RunError(
                f"--resume: {self.partial} is not there and {self.final} {state}: "
                "leave out --resume"
            )
        if self.final.exists() and not overwrite:
            raise RunError(
                f"--out {self.final}: the folder exists: add --overwrite to replace it "
                "when the run succeeds"
            )
        if self.partial.exists() and not (resume or overwrite):
            raise RunError(
                f"--out {self.final}: an interrupted run is in {self.partial}: add "
                "--resume to go on with it, or --overwrite to start again"
            )

    def open(self, record: RunRecord, *, resume: bool) -> pathlib.Path:
        """Returns the partial folder: a new one, or the one of the same run.

        Raises:
            RunError: the run to resume had other options or data, or the folder
                cannot be written.
        """
        if resume:
            _check_same_run(RunRecord.read(self.partial), record)
            return self.partial
        try:
            if self.partial.exists():
                shutil.rmtree(self.partial)
            self.partial.mkdir(parents=True)
            record.write(self.partial)
        except OSError as error:
            raise RunError(
                f"--out {self.final}: cannot write {self.partial} ({error.strerror}): "
                "choose another folder"
            ) from error
        return self.partial

    def abandon(self) -> None:
        """Removes the partial folder."""
        shutil.rmtree(self.partial, ignore_errors=True)

    def finish(self) -> None:
        """Puts the complete run in its place; an old one goes only then."""
        if not self.final.exists():
            os.rename(self.partial, self.final)
            return
        # A new folder of our own: any other name could be somebody's.
        aside = tempfile.mkdtemp(prefix=f".{self.final.name}.", dir=self.final.parent)
        old = pathlib.Path(aside, self.final.name)
        try:
            os.rename(self.final, old)
            os.rename(self.partial, self.final)
        except OSError:
            if old.exists():
                os.rename(old, self.final)
            raise
        finally:
            if self.final.exists():
                shutil.rmtree(aside)


def _check_replaceable(folder: pathlib.Path) -> None:
    """Refuses to replace a folder that holds something else than a run."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _RECORD).exists():
        raise RunError(
            f"--out {folder}: --overwrite replaces only the folder of a run, and there "
            f"is no {_RECORD} in this one: choose another folder"
        )


def _check_same_run(earlier: RunRecord, now: RunRecord) -> None:
    difference = FitOptions(**now.options).difference(earlier.options)
    if difference is None and earlier.fingerprint != now.fingerprint:
        difference = f"the data were {earlier.options['data']} and have changed"
    if difference is not None:
        raise RunError(
            f"--resume: {difference}: repeat the command of the interrupted run, or "
            "start again with --overwrite"
        )
