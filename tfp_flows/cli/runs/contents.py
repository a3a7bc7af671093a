"""What a run writes to its folder, which is all that a later run may remove."""

import fnmatch
import pathlib
import shutil

from tfp_flows.cli.errors import RunError
from tfp_flows.cli.runs.files import beside

__all__ = [
    "LOCK",
    "RECORD",
    "STATE",
    "check_own",
    "is_begun",
    "remove",
    "written_by_fit",
]

RECORD = "run.json"

# The file that names the checkpoints, and the one that is locked during a run.
STATE, LOCK = "state.json", "run.lock"

_RESULTS = ("history.csv", "metrics.json", "report.html", "saved_model")
_ARRAYS = ("held_out.npz", "yardsticks.npz")
_PICTURES = ("learning_curve", "samples", "scores", "ranks", "forecasts", "worst_rows")
_FIELDS = "translation-*.png"
_MODELS = ("model.keras", "epoch-*.keras", "unfinished.keras")
# A look at a folder writes these.
_OF_THE_DESKTOP = (".DS_Store", "Thumbs.db")
_PATTERNS = (
    *(RECORD, STATE, LOCK),
    *(*_RESULTS, *_ARRAYS, *_MODELS, *_OF_THE_DESKTOP),
    *(f"{name}.png" for name in _PICTURES),
    _FIELDS,
    beside(pathlib.Path("*.json")).name,
)


def written_by_fit(name: str) -> bool:
    """Whether a run writes a file or folder of this name."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in _PATTERNS)


def is_begun(folder: pathlib.Path) -> bool:
    """Whether there is a run in a folder."""
    return (folder / RECORD).exists()


def check_own(folder: pathlib.Path) -> None:
    """Refuses to replace a folder that holds what no run wrote.

    Raises:
        RunError: there is something in it, which is named.
    """
    if not folder.is_dir():
        return
    names = sorted(path.name for path in folder.iterdir())
    foreign = [name for name in names if not written_by_fit(name)]
    # A run that was killed at its very beginning left no record.
    if not is_begun(folder) and set(names) - {LOCK, beside(folder / RECORD).name}:
        raise RunError(
            f"--out {folder}: only the folder of a run is replaced, and there is no "
            f"{RECORD} in this one: choose another folder"
        )
    if foreign:
        raise RunError(
            f"--out {folder}: no run wrote {', '.join(foreign[:3])} in it: move what "
            "is yours elsewhere, or choose another folder"
        )


def remove(folder: pathlib.Path, *, but: str | None = None) -> None:
    """Removes what a run wrote, and the folder unless a file is to stay.

    Args:
        folder: a run's, which need not be there.
        but: name of the file that stays.

    Raises:
        OSError: something else is in the folder, and stays.
    """
    if not folder.is_dir():
        return
    names = [p.name for p in folder.iterdir() if written_by_fit(p.name)]
    # The record goes last but for the lock, so that what remains is known as a run's.
    for name in sorted(set(names) - {but}, key=lambda n: (n == LOCK, n == RECORD)):
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    if but is None:
        folder.rmdir()
