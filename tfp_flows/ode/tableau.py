"""A Runge–Kutta method as data: its Butcher tableau, which checks itself."""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

__all__ = ["Tableau"]

# A rooted tree is the sorted tuple of its root's subtrees: () is a single node.
_Tree = tuple["_Tree", ...]


@dataclasses.dataclass(frozen=True)
class Tableau:
    """An explicit Runge–Kutta method.

        kᵢ = f(t + cᵢ h, y + h Σⱼ aᵢⱼ kⱼ),   y⁺ = y + h Σᵢ bᵢ kᵢ,   error ≈ h Σᵢ eᵢ kᵢ

    Between the ends y(t + θh) = y + h Σᵢ bᵢ(θ) kᵢ with bᵢ(θ) = Σₚ dᵢₚ θᵖ⁺¹.

    Args:
        order: p, of y⁺.
        a: row i has i numbers; the first is empty.
        b: weights.
        c: nodes, the row sums of a.
        error: e = b − b̂, b̂ of order p − 1; None for a method of fixed steps.
        dense: d, a row a stage; None for the cubic through both ends and both slopes.

    Raises:
        ValueError: sizes, row sums, or one of the order conditions up to p (up to p − 1
            for b̂ and for all θ of d) do not hold.

    Reference: Butcher (2016), "Numerical Methods for Ordinary Differential Equations",
    section 31: b · Φ(tree) = 1 / γ(tree) for all rooted trees of up to p nodes.
    """

    order: int
    a: Sequence[Sequence[float]]
    b: Sequence[float]
    c: Sequence[float]
    error: Sequence[float] | None = None
    dense: Sequence[Sequence[float]] | None = None

    def __post_init__(self) -> None:
        stages = len(self.b)
        sizes = [len(row) for row in self.a]
        if sizes != list(range(stages)) or len(self.c) != stages:
            raise ValueError(
                f"a, c: expected rows of 0 … {stages - 1} numbers and {stages} nodes "
                f"for {stages} weights, received {sizes} and {len(self.c)}."
            )
        sums = [math.fsum(row) for row in self.a]
        if not np.allclose(sums, self.c, rtol=0, atol=1e-13):
            raise ValueError(f"c: expected the row sums {sums}, received {self.c}.")
        self._check_order("b", lambda theta: np.asarray(self.b), self.order, [1.0])
        if self.error is not None:
            embedded = np.subtract(self.b, self.error)
            self._check_order("b − error", lambda _: embedded, self.order - 1, [1.0])
        if self.dense is not None:
            thetas = [0.2, 0.5, 0.9, 1.0]
            self._check_order("dense", self.weights_at, self.order - 1, thetas)

    @property
    def reuses_end(self) -> bool:
        """Whether the last stage is the first of the next step."""
        last = (*self.a[-1], 0.0)
        return len(self.b) > 1 and tuple(self.b) == last and self.c[-1] == 1

    def reusing_end(self) -> "Tableau":
        """This method with f(t + h, y⁺) as a last stage, which the next step reuses."""
        if self.reuses_end:
            return self
        return dataclasses.replace(
            self,
            a=(*self.a, tuple(self.b)),
            b=(*self.b, 0.0),
            c=(*self.c, 1.0),
            error=None if self.error is None else (*self.error, 0.0),
            dense=None if self.dense is None else (*self.dense, (0.0,)),
        )

    @functools.cached_property
    def interpolant(self) -> np.ndarray:
        """d, [stages, powers], also where it is the cubic of the ends."""
        if self.dense is not None:
            return np.asarray(self.dense)
        if not self.reuses_end:
            raise ValueError("The slope at the end is missing: see reusing_end().")
        first, last = np.zeros([2, len(self.b)])
        first[0] = last[-1] = 1.0
        # Hermite: b (3θ² − 2θ³) + first (θ − 2θ² + θ³) + last (θ³ − θ²).
        b = np.asarray(self.b)
        return np.stack([first, 3 * b - 2 * first - last, -2 * b + first + last], -1)

    def weights_at(self, theta: float) -> np.ndarray:
        """b(θ), [stages]."""
        powers = np.arange(1, self.interpolant.shape[1] + 1)
        return self.interpolant @ theta**powers

    def _check_order(
        self,
        name: str,
        weights: Callable[[float], np.ndarray],
        order: int,
        thetas: Sequence[float],
    ) -> None:
        stages = len(self.b)
        a = np.array([[*row, *[0.0] * (stages - len(row))] for row in self.a])
        for tree in _trees(order):
            nodes, density, phi = _elementary_weight(tree, a)
            for theta in thetas:
                expected, received = theta**nodes / density, weights(theta) @ phi
                if abs(expected - received) > 1e-12:
                    raise ValueError(
                        f"{name}: expected order {order}, received weights whose "
                        f"condition of order {nodes} gives {received} instead of "
                        f"{expected} at θ = {theta}."
                    )


def _trees(order: int) -> Iterator[_Tree]:
    """All rooted trees of up to `order` nodes."""
    by_size: list[set[_Tree]] = [set(), {()}]
    for size in range(2, order + 1):
        # Graft a leaf on every node of every tree that is one smaller.
        by_size.append({grown for tree in by_size[size - 1] for grown in _grow(tree)})
    for trees in by_size[: order + 1]:
        yield from trees


def _grow(tree: _Tree) -> Iterator[_Tree]:
    yield tuple(sorted((*tree, ())))
    for index, subtree in enumerate(tree):
        rest = tree[:index] + tree[index + 1 :]
        for grown in _grow(subtree):
            yield tuple(sorted((*rest, grown)))


def _elementary_weight(tree: _Tree, a: np.ndarray) -> tuple[int, float, np.ndarray]:
    """Returns the nodes of a tree, its density γ, and Φ of each stage."""
    nodes, density, phi = 1, 1.0, np.ones(len(a))
    for subtree in tree:
        of_nodes, of_density, of_phi = _elementary_weight(subtree, a)
        nodes, density, phi = nodes + of_nodes, density * of_density, phi * (a @ of_phi)
    return nodes, density * nodes, phi
