"""Random starts, which follow a seed or `keras.utils.set_random_seed`."""

import random

import numpy as np

__all__ = ["generator", "rotation"]


def generator(seed: int | None) -> np.random.Generator:
    """By the seed; without one by Python's numbers, which Keras' global seed sets."""
    return np.random.default_rng(random.randrange(2**31) if seed is None else seed)


def rotation(size: int, seed: int | None) -> np.ndarray:
    """Returns an orthogonal matrix, [size, size]."""
    return np.linalg.qr(generator(seed).normal(size=[size, size]))[0]
