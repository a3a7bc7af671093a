"""Reading the model of a run, whoever wrote it: no code is run, no memory filled."""

import itertools
import json
import math
import pathlib
import re
import zipfile
from typing import TYPE_CHECKING

from tfp_flows.cli.errors import RunError
from tfp_flows.cli.runs.files import reading

if TYPE_CHECKING:
    from tfp_flows.models import DensityModel

__all__ = ["load_model"]

# What Keras says of code that it refuses.
_REFUSED = re.compile(
    r"Could not locate \w+ '[^']*'|`Lambda` layer whose `\w+` is a Python lambda"
)


def load_model(path: pathlib.Path, num_columns: int) -> "DensityModel":
    """Loads a model.

    Args:
        path: its file.
        num_columns: how many columns its events have, at the most.

    Raises:
        RunError: the file is missing or damaged, names code that may not be called, or
            sizes beyond what it holds; nothing of that kind is built.
    """
    import keras

    # With the classes that the file names.
    from tfp_flows.models.bridge.names import UntrustedError

    with reading(path):
        _check_sizes(path, num_columns)
        try:
            return keras.models.load_model(path, compile=False)
        except (TypeError, ValueError) as error:
            named = _REFUSED.search(" ".join(str(error).split()))
            if not isinstance(error, UntrustedError) and named is None:
                raise
            reason = str(error).rstrip(".") if named is None else named.group()
            raise RunError(
                f"{path}: the file names code that a model may not call, and none of "
                f"it was run ({reason}): load what you trust, with the versions that "
                "wrote it"
            ) from error


def _check_sizes(path: pathlib.Path, num_columns: int) -> None:
    """Refuses sizes of which the file does not hold the weights, before they are made.

    A layer has as many weights as the product of two sizes that follow each other.
    """
    from tfp_flows.models.bridge.sizes import EVENT_SIZES, sizes_of

    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
        # No dtype of a weight has fewer than two bytes.
        stored = archive.getinfo("model.weights.h5").file_size // 2
    for name, sizes in sizes_of(config):
        # An event may be wider than a matrix that is stored, as wide as the data.
        most = max(num_columns, math.isqrt(stored)) if name in EVENT_SIZES else stored
        pairs = (a * b for a, b in itertools.pairwise(sizes))
        if max([*sizes, *pairs]) > most:
            raise RunError(
                f"{path}: the file speaks of {name} {', '.join(map(str, sizes))}, and "
                f"holds no more than {most:,}: it was not loaded: fit the model again "
                "with --overwrite"
            )
