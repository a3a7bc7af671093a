"""Many files of rows, each with its own file of scores: there when it is complete."""

import dataclasses
import glob
import hashlib
import json
import pathlib

from tfp_flows.cli.errors import RunError
from tfp_flows.cli.runs.files import reading, write_json

__all__ = ["Shards"]

_RECORD = "scores.json"
_ENDINGS = (".csv", ".parquet")


@dataclasses.dataclass(frozen=True)
class Shards:
    """The files that a pattern names, and where the scores of each go.

    Attributes:
        folder: of the scores.
        ending: of their files.
        pairs: (rows, scores), by name.
    """

    folder: pathlib.Path
    ending: str
    pairs: tuple[tuple[pathlib.Path, pathlib.Path], ...]

    @classmethod
    def find(cls, pattern: str, folder: str) -> "Shards":
        """Finds the files.

        Args:
            pattern: of the files of rows.
            folder: of the scores, or a pattern of all its files of one ending.

        Raises:
            RunError: there are none, two of one name, or `folder` is a file or holds
                the data.
        """
        sources = [pathlib.Path(name) for name in sorted(glob.glob(pattern))]
        out, ending = pathlib.Path(folder), ".csv"
        if out.name in [f"*{known}" for known in _ENDINGS]:
            out, ending = out.parent, out.suffix
        if not sources:
            raise RunError(f"{pattern}: no file has such a name: look at the folder")
        if folder == "-" or (out.exists() and not out.is_dir()):
            raise RunError(
                f"--out {folder}: expected a folder for the scores of {len(sources)} "
                "files: choose another name"
            )
        pairs: dict[pathlib.Path, pathlib.Path] = {}
        for source in sources:
            target = out / f"{source.stem}{ending}"
            if target in pairs:
                raise RunError(
                    f"{source} and {pairs[target]} would both have their scores in "
                    f"{target}: rename one, or score them apart"
                )
            pairs[target] = source
        if out.exists() and any(out.samefile(source.parent) for source in sources):
            raise RunError(f"--out {out}: this is the data: choose another folder")
        return cls(
            out, ending, tuple((source, target) for target, source in pairs.items())
        )

    def claim(self, model: pathlib.Path, *, overwrite: bool) -> None:
        """Makes the folder, for the scores of one model and no other.

        Args:
            model: its file.
            overwrite: whether scores that are there give way.

        Raises:
            RunError: the folder holds scores of another model, or something else.
        """
        digest = hashlib.sha256(model.read_bytes()).hexdigest()
        content = {"model": digest, "ending": self.ending}
        record = self.folder / _RECORD
        if record.exists() and not overwrite:
            with reading(record):
                known = {"ending": ".csv", **json.loads(record.read_text())}
            if known != content:
                what = "of another model"
                if known["model"] == content["model"]:
                    what = f"in {known['ending']} files"
                raise RunError(
                    f"--out {self.folder}: the folder holds scores {what}: "
                    "choose another, or add --overwrite to replace them"
                )
            return
        taken = [
            target
            for _, one in self.pairs
            for target in map(one.with_suffix, _ENDINGS)
            if target.exists()
        ]
        if taken and not overwrite:
            raise RunError(
                f"--out {self.folder}: {taken[0].name} is there and was not written by "
                "score: choose another folder, or add --overwrite to replace it"
            )
        self.folder.mkdir(exist_ok=True)
        for target in taken:
            target.unlink()
        write_json(record, content)

    @property
    def missing(self) -> list[tuple[pathlib.Path, pathlib.Path]]:
        """Those without scores, or whose rows are newer than these."""
        return [
            (source, target)
            for source, target in self.pairs
            if not target.exists()
            or source.stat().st_mtime_ns > target.stat().st_mtime_ns
        ]
