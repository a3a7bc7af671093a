"""Two-dimensional densities with known shapes, generated with NumPy."""

from collections.abc import Callable

import numpy as np

__all__ = [
    "TOYS",
    "checkerboard",
    "eight_gaussians",
    "moons",
    "pinwheel",
    "rings",
    "spirals",
]

Generator = np.random.Generator


def moons(num_rows: int, rng: Generator, noise: float = 0.1) -> np.ndarray:
    """Draws [N, 2] points from two interleaved half circles of radius 1."""
    angle = rng.uniform(0.0, np.pi, num_rows)
    lower = rng.integers(2, size=num_rows)
    x = np.where(lower, 1.0 - np.cos(angle), np.cos(angle))
    y = np.where(lower, 0.5 - np.sin(angle), np.sin(angle))
    return np.stack([x, y], axis=1) + noise * rng.standard_normal((num_rows, 2))


def checkerboard(num_rows: int, rng: Generator) -> np.ndarray:
    """Draws uniformly from the 8 dark unit squares of a 4 by 4 board on [-2, 2]²."""
    column = rng.integers(4, size=num_rows)
    row = 2 * rng.integers(2, size=num_rows) + column % 2
    corner = np.stack([column, row], axis=1) - 2.0
    return corner + rng.uniform(size=(num_rows, 2))


def rings(num_rows: int, rng: Generator, noise: float = 0.08) -> np.ndarray:
    """Draws from four concentric circles of radii 0.75, 1.5, 2.25 and 3."""
    radius = 0.75 * rng.integers(1, 5, size=num_rows)
    angle = rng.uniform(0.0, 2.0 * np.pi, num_rows)
    points = radius[:, None] * _unit(angle)
    return points + noise * rng.standard_normal((num_rows, 2))


def pinwheel(num_rows: int, rng: Generator, num_arms: int = 5) -> np.ndarray:
    """Draws from Gaussian arms whose angle is twisted by their radius."""
    radius = 1.0 + 0.3 * rng.standard_normal(num_rows)
    across = 0.05 * rng.standard_normal(num_rows)
    arm = rng.integers(num_arms, size=num_rows) * (2.0 * np.pi / num_arms)
    angle = arm + 0.25 * np.exp(radius)
    outward = _unit(angle)
    sideways = np.stack([-outward[:, 1], outward[:, 0]], axis=1)
    return 2.0 * (radius[:, None] * outward + across[:, None] * sideways)


def eight_gaussians(num_rows: int, rng: Generator, scale: float = 0.2) -> np.ndarray:
    """Draws from eight equal Gaussians on a circle of radius 2."""
    angle = rng.integers(8, size=num_rows) * (np.pi / 4.0)
    return 2.0 * _unit(angle) + scale * rng.standard_normal((num_rows, 2))


def spirals(num_rows: int, rng: Generator, noise: float = 0.05) -> np.ndarray:
    """Draws from two spirals of one and a half turns, radii up to 1.5."""
    along = np.sqrt(rng.uniform(size=num_rows))
    angle = 3.0 * np.pi * along + np.pi * rng.integers(2, size=num_rows)
    points = 1.5 * along[:, None] * _unit(angle)
    return points + noise * rng.standard_normal((num_rows, 2))


TOYS: dict[str, tuple[str, Callable[[int, Generator], np.ndarray]]] = {
    "checkerboard": ("8 unit squares with sharp edges", checkerboard),
    "eight-gaussians": ("8 equal Gaussians on a circle", eight_gaussians),
    "moons": ("two interleaved half circles", moons),
    "pinwheel": ("5 twisted arms", pinwheel),
    "rings": ("4 concentric circles", rings),
    "spirals": ("2 arms of one and a half turns", spirals),
}


def _unit(angle: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)
