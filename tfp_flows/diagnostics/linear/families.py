"""Families of linear flows as data: which numbers of a row W acts on, and which W.

A row is cut into vectors. Those along one axis share a matrix W, which their second
moments decide: all features of a row, each by itself, or the channels of a pixel. A
circular convolution with a kernel of full size is, in the unitary Fourier basis, one
matrix of channels a frequency.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tfp_flows.diagnostics.linear import closed_forms

__all__ = ["FAMILIES", "Family"]


class Family(NamedTuple):
    """One family.

    Attributes:
        fit: from second moments S to W and the number of its free parameters.
        vectors: from rows to vectors [..., M, d]; M of them share a W, leading axes
            have one each. Linear, and the squared norm of a row is kept.
        center: the part of the vectors' mean, [..., d], that a bias takes away.
        shift: μ, taken from rows, for that part.
        is_spatial: rows are [positions..., C] and μ is [C]; else they are flat.
        is_diagonal: vectors are single features.
        is_bounded: singular values can be bounded.
        takes_singular: S may be singular, without a bound or ridge.
        is_per_example: every row has a W of its own.
    """

    fit: closed_forms.ClosedForm
    vectors: Callable[[np.ndarray], np.ndarray]
    center: Callable[[np.ndarray], np.ndarray] = np.asarray
    shift: Callable[[np.ndarray], np.ndarray] = np.ravel
    is_spatial: bool = False
    is_diagonal: bool = False
    is_bounded: bool = False
    takes_singular: bool = False
    is_per_example: bool = False


def _features(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1)


def _each_feature(x: np.ndarray) -> np.ndarray:
    return _features(x).T[:, :, np.newaxis]


def _pixels(x: np.ndarray) -> np.ndarray:
    return x.reshape(-1, x.shape[-1])


def _pixels_of_each(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1, x.shape[-1])


def _each_frequency(x: np.ndarray) -> np.ndarray:
    spectrum = np.fft.fftn(x, axes=range(1, x.ndim - 1), norm="ortho")
    return np.moveaxis(spectrum, 0, -2)


def _frequency_zero(mean: np.ndarray) -> np.ndarray:
    kept = np.zeros_like(mean)
    origin = (0,) * (mean.ndim - 1)
    kept[origin] = mean[origin]
    return kept


def _of_constant(spectrum: np.ndarray) -> np.ndarray:
    *positions, _ = spectrum.shape
    return spectrum[(0,) * len(positions)].real / math.sqrt(math.prod(positions))


_by_feature = functools.partial(Family, vectors=_each_feature, is_diagonal=True)
_spatial = functools.partial(Family, is_spatial=True)

FAMILIES = {
    "full": Family(closed_forms.full, _features, is_bounded=True),
    "diagonal": _by_feature(closed_forms.full, is_bounded=True),
    "scalar": _by_feature(closed_forms.scalar, is_bounded=True),
    "unit_det": Family(closed_forms.unit_det, _features),
    "orthogonal": _by_feature(closed_forms.orthogonal, takes_singular=True),
    "ppca": Family(closed_forms.ppca, _features, takes_singular=True),
    "conv1x1": _spatial(closed_forms.full, _pixels, is_bounded=True),
    "conv1x1_per_example": _spatial(
        closed_forms.full, _pixels_of_each, is_per_example=True
    ),
    "circular_conv": _spatial(
        closed_forms.circular,
        _each_frequency,
        _frequency_zero,
        _of_constant,
        is_bounded=True,
    ),
}
