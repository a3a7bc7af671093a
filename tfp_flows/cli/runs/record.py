"""The file `run.json`: what a run was asked for and given."""

import dataclasses
import json
import pathlib
from typing import Any

from tfp_flows.cli.errors import RunError
from tfp_flows.cli.runs.contents import RECORD
from tfp_flows.cli.runs.files import reading, write_json
from tfp_flows.cli.runs.options import AlignOptions, FitOptions
from tfp_flows.data import Schema

__all__ = ["RunRecord"]


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """What a run was asked for and given: the file `run.json`.

    Attributes:
        version: of this package.
        options: fields of `FitOptions`, or of `AlignOptions`.
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
        path = folder / RECORD
        if not path.is_file():
            raise RunError(
                f"{folder}: there is no run here (no {RECORD}): give a folder that "
                "tfp-flows fit or align wrote"
            )
        with reading(path):
            content = json.loads(path.read_text())
            content["options"] = dict(content["options"])
            content["schema"] = Schema.from_dict(content["schema"])
            return cls(**content)

    @property
    def is_alignment(self) -> bool:
        """Whether the run is of `align`, and not of `fit`."""
        return "matching" in self.options

    def write(self, folder: pathlib.Path) -> None:
        """Writes the record to a folder."""
        write_json(folder / RECORD, dataclasses.asdict(self))

    def check_same(self, earlier: "RunRecord") -> None:
        """Raises RunError where an earlier record is of another run than this."""
        kind = AlignOptions if self.is_alignment else FitOptions
        difference = kind(**self.options).difference(earlier.options)
        if difference is None and earlier.fingerprint != self.fingerprint:
            difference = f"the data were {earlier.options['data']} and have changed"
        if difference is not None:
            raise RunError(
                f"--resume: {difference}: repeat the command of the interrupted run, "
                "or start again with --overwrite"
            )
