"""Draws of a model as draws of a known energy."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfp_flows.estimation.importance import WeightedDraws

__all__ = ["log_weights", "reweight"]

_FEWEST = 100


def reweight(
    model: Any,
    energy: Callable[[tf.Tensor], Any],
    num_draws: int = 10_000,
    *,
    seed: int = 0,
    batch_size: int = 1_000,
    verbose: int = 1,
) -> WeightedDraws:
    """Draws xᵢ ~ q of a model with weights wᵢ = exp(−U(xᵢ)) / q(xᵢ).

    Expectations under p = exp(−U) / Z, log Z and free energies then come with errors,
    and with a verdict whether the weights can carry them: print the result.

    Args:
        model: a `DensityModel`, or any distribution: what has `sample` and `log_prob`.
            Its density must be exact: an estimated divergence has to be scored with
            `ExactDivergence`, for noise in log q is noise in the weights.
        energy: U in units of kT, [b, event...] float64 → [b]; ∞ is a weight of zero.
        num_draws: n; fewer than 10,000 mostly flatter the effective sample size.
        seed: of the draws, which also depend on `batch_size`.
        batch_size: draws that are sampled and scored together.
        verbose: 1 for a progress bar, 0 for silence.

    Raises:
        ValueError: less than 100 draws, an energy of the wrong shape, or one that is
            NaN or −∞.

    A ring, drawn from the normal distribution over it:

        >>> import tensorflow_probability as tfp
        >>> normal = tfp.distributions.MultivariateNormalDiag(scale_diag=[1.8, 1.8])
        >>> ring = lambda x: 2 * (tf.norm(x, axis=-1) - 2) ** 2
        >>> weighted = reweight(normal, ring, verbose=0)
        >>> weighted.reliable
        True
        >>> error = weighted.log_normalizer.value - np.log((2 * np.pi) ** 1.5)
        >>> bool(abs(error) < 4 * weighted.log_normalizer.error)
        True
    """
    if num_draws < _FEWEST:
        raise ValueError(
            f"num_draws: expected at least {_FEWEST}, received {num_draws}: an "
            "effective sample size of so few draws says nothing."
        )
    progress = keras.utils.Progbar(num_draws, verbose=verbose, unit_name="draw")
    draws, logs = [], []
    for index, start in enumerate(range(0, num_draws, batch_size)):
        count = min(batch_size, num_draws - start)
        batch = model.sample(count, seed=tf.constant([seed, index]))
        draws.append(np.asarray(batch))
        logs.append(log_weights(model, energy, batch))
        progress.add(count)
    return WeightedDraws(np.concatenate(draws), np.concatenate(logs))


def log_weights(
    model: Any, energy: Callable[[tf.Tensor], Any], x: np.ndarray | tf.Tensor
) -> np.ndarray:
    """Returns −U(x) − log q(x) of rows [b, event...]: [b], float64.

    Of draws of p itself they are what `WeightedDraws.bridged_log_normalizer` takes.

    Args: and errors as in `reweight`.
    """
    log_q = np.asarray(model.log_prob(x), "float64")
    value = np.asarray(energy(tf.cast(x, "float64")), "float64")
    if value.shape != log_q.shape:
        raise ValueError(
            f"energy must return a number for each of the rows, shape {log_q.shape}, "
            f"received shape {value.shape}."
        )
    for name, bad in (
        ("energy", np.isnan(value) | (value == -np.inf)),
        ("log-density of the model", ~np.isfinite(log_q)),
    ):
        if bad.any():
            raise ValueError(
                f"The {name} is not a number or infinite at {bad.sum()} of {len(x)} "
                f"rows, first at {np.asarray(x)[bad][0].tolist()}."
            )
    return -value - log_q
