"""Optima of convolutions: one matrix for each frequency, or for each example.

In the unitary Fourier basis a circular convolution with a kernel of full size is one
matrix a frequency, and the likelihood a sum over frequencies; each has the optimum of a
dense matrix, with the spectrum P(ω) in place of the covariance.
"""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from tfp_flows.diagnostics.linear.families import remedies

__all__ = ["fit_circular", "fit_per_example", "per_example", "transform"]


def transform(x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """A(ω) F(x)(ω), with F the unitary FFT over all axes but first and last.

    The squared norm of a row equals that of the convolved row.

    Args:
        x: [N, positions..., C].
        scale: A, [frequencies..., C, C].

    Returns:
        [N, frequencies..., C], complex.
    """
    return np.einsum("...ij,n...j->n...i", scale, _spectrum(x))


def fit_circular(
    data: Iterator[np.ndarray],
    centered: bool,
    ridge: float,
    bounds: tuple[float, float],
) -> dict[str, Any]:
    """Fits A(ω) = P(ω)^(−1/2), its singular values clipped to `bounds`.

    With a bias, one number a channel, the mean is taken out of frequency zero.

    Returns:
        Fields of a `LinearOptimum`.

    Raises:
        ValueError: a spectrum is singular.
    """
    power, mean, num_rows, shape = _power(data)
    channels, positions = shape[-1], math.prod(shape[:-1])
    origin = (0,) * (len(shape) - 1)
    # The provisional shift is the channels' mean in the first batch: what is left of
    # the mean sits at frequency zero, √positions times.
    provisional, rest = mean
    if centered:
        power[origin] -= positions * np.outer(rest, rest)
        shift = provisional + rest
    else:
        whole, shift = provisional + rest, np.zeros(channels)
        power[origin] += positions * (np.outer(whole, whole) - np.outer(rest, rest))
    values, vectors = np.linalg.eigh(power + ridge * np.eye(channels))
    if math.isinf(bounds[1]):
        _check_spectrum(values, channels * positions)
    with np.errstate(divide="ignore"):
        root = np.clip(np.maximum(values, 0.0) ** -0.5, *bounds)
    scale = np.einsum("...ij,...j,...kj->...ik", vectors, root, vectors.conj())
    spent = np.einsum("...ij,...jk,...ik->...", scale, power, scale.conj()).real
    value = float(np.sum(np.log(root)) - 0.5 * np.sum(spent))
    return {
        "log_likelihood": value - 0.5 * channels * positions * math.log(2 * math.pi),
        "eigenvalues": values[..., ::-1],
        "scale": scale,
        "shift": shift,
        "num_parameters": _num_free(shape) + centered * channels,
        "num_rows": num_rows,
        "event_shape": shape,
    }


def fit_per_example(
    data: Iterator[np.ndarray], centered: bool, ridge: float
) -> dict[str, Any]:
    """Gives every example the optimal matrix of its own second moments.

    Returns:
        Fields of a `LinearOptimum`; parameters are counted for one example.

    Raises:
        ValueError: fewer positions than channels, or a singular example.
    """
    first = next(data)
    channels = first.shape[-1]
    total, eigenvalues, num_rows = 0.0, np.zeros(channels), 0
    for batch in itertools.chain([first], data):
        values, spectra = per_example(batch, centered, ridge)
        total += values.sum()
        eigenvalues += spectra.sum(axis=0)
        num_rows += len(batch)
    return {
        "log_likelihood": float(total / num_rows),
        "eigenvalues": eigenvalues[::-1] / num_rows,
        "scale": None,
        "shift": np.zeros(channels),
        "num_parameters": channels * (channels + 1) // 2 + centered * channels,
        "num_rows": num_rows,
        "event_shape": first.shape[1:],
    }


def per_example(
    x: np.ndarray, centered: bool, ridge: float
) -> tuple[np.ndarray, np.ndarray]:
    """Log-likelihood of each row under its own optimum, and its eigenvalues.

    ``−(n/2) [log det S(x) + C (1 + log 2π)]`` for n positions and no ridge.

    Args:
        x: [N, positions..., C].
        centered: each row has a bias of its own too.
        ridge: added to S(x).

    Returns:
        [N] nats, and [N, C] in rising order.
    """
    channels = x.shape[-1]
    rows = x.reshape(len(x), -1, channels)
    positions = rows.shape[1]
    if ridge == 0 and positions < channels + centered:
        raise ValueError(
            f"{positions} positions do not span {channels} channels: {remedies()}"
        )
    if centered:
        rows = rows - rows.mean(axis=1, keepdims=True)
    second = np.einsum("npi,npj->nij", rows, rows) / positions
    values = np.linalg.eigvalsh(second)
    widened = values + ridge
    _check_spectrum(widened, channels)
    spent = np.sum(values / widened + np.log(widened), axis=-1)
    constant = channels * math.log(2 * math.pi)
    return -0.5 * positions * (spent + constant), values


def _spectrum(x: np.ndarray) -> np.ndarray:
    return np.fft.fftn(x, axes=range(1, x.ndim - 1), norm="ortho")


def _power(
    data: Iterator[np.ndarray],
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray], int, tuple[int, ...]]:
    """P(ω) about a provisional mean, that mean and what it missed, rows, shape."""
    first = next(data)
    axes = tuple(range(first.ndim - 1))
    provisional, channels = first.mean(axis=axes), first.shape[-1]
    power = np.zeros([*first.shape[1:], channels], "complex128")
    rest, num_rows = np.zeros(channels), 0
    for batch in itertools.chain([first], data):
        centered = batch - provisional
        spectrum = _spectrum(centered)
        power += np.einsum("n...i,n...j->...ij", spectrum, spectrum.conj())
        rest += centered.mean(axis=axes) * len(batch)
        num_rows += len(batch)
    return power / num_rows, (provisional, rest / num_rows), num_rows, first.shape[1:]


def _check_spectrum(values: np.ndarray, size: int) -> None:
    limit = size * np.finfo("float64").eps * values.max(axis=-1)
    if np.any(values.min(axis=-1) <= limit):
        raise ValueError(
            "A matrix of second moments is singular (a constant or duplicated channel, "
            f"or too few rows): {remedies()}"
        )


def _num_free(shape: tuple[int, ...]) -> int:
    """Real parameters of Hermitian P(ω) with P(−ω) its conjugate, as real data has."""
    channels, positions = shape[-1], math.prod(shape[:-1])
    # A frequency is its own mirror image if each component is 0 or half the length.
    own = math.prod(2 if size % 2 == 0 else 1 for size in shape[:-1])
    pairs = (positions - own) // 2
    return own * channels * (channels + 1) // 2 + pairs * channels**2
