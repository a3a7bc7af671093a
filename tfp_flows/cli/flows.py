"""The flows and bases that a user can name, and what each can take.

Nothing here needs TensorFlow: `--help` and refusals come at once.
"""

import math
from typing import TYPE_CHECKING

from tfp_flows.cli.errors import RunError

if TYPE_CHECKING:
    from tfp_flows.data import Table

__all__ = [
    "BASES",
    "FLOWS",
    "IMAGE_FLOWS",
    "NORMAL_BASED",
    "check_base",
    "check_energy",
    "choose_flow",
    "num_halvings",
]

FLOWS = (
    "autoregressive-affine",
    "autoregressive-spline",
    "continuous",
    "coupling-affine",
    "coupling-spline",
    "equivariant",
    "glow",
)

# What follows velocities at several scales is named by what the data are.
IMAGE_FLOWS = ("glow", "multiscale-continuous")

NORMAL_BASED = ("equivariant", *IMAGE_FLOWS)
"""Flows whose own base is one normal distribution, and which do not whiten."""

# Exact likelihoods of an image flow that follows velocities take a pass a number.
_MOST_NUMBERS = 256

BASES = ("auto", "copula", "gaussian", "mixture", "student-t")


def choose_flow(name: str | None, table: "Table") -> str:
    """Returns the flow that was named, or the one that suits the data."""
    shape = table.image_shape
    if table.particle_shape is not None:
        if name not in (None, "equivariant"):
            raise RunError(
                f"--flow {name}: expected rows of free columns, received positions of "
                "particles, whose center is not modeled: choose --flow equivariant"
            )
        return "equivariant"
    if name == "equivariant":
        raise RunError(
            "--flow equivariant: expected positions of particles, an .npy file of "
            "floats [N, P, 2] or [N, P, 3], received rows of columns or images: choose "
            "another flow"
        )
    if shape is None:
        if name == "glow":
            raise RunError(
                "--flow glow: expected images, received a table: choose a coupling or "
                "autoregressive flow"
            )
        return name or "coupling-spline"
    if name in (None, "glow") and num_halvings(shape) == 0:
        raise RunError(
            f"--flow glow: expected images of even height and width, received "
            f"{shape[0]} x {shape[1]}: crop or pad them, or add --flow coupling-spline"
        )
    is_small = math.prod(shape) <= _MOST_NUMBERS and num_halvings(shape) > 0
    if name == "continuous" and is_small:
        return "multiscale-continuous"
    return name or "glow"


def check_base(base: str | None, flow: str, boost: object = None) -> None:
    """Refuses a base, or a mixture, that the flow cannot have."""
    if flow == "equivariant" and base not in (None, "gaussian", "student-t"):
        raise RunError(
            f"--base {base}: expected a base that rotations do not change, --base "
            "gaussian or student-t, for a flow of particles"
        )
    if flow == "equivariant" and boost is not None:
        raise RunError(
            "--boost: expected a flow that trains by likelihood, and one of particles "
            "trains by matching: leave out --boost"
        )
    if flow in IMAGE_FLOWS and base not in (None, "gaussian"):
        raise RunError(
            f"--base {base}: expected a table, and images have --base gaussian: add "
            "--flow coupling-spline to model their pixels as columns"
        )


def check_energy(base: str | None, flow: str, boost: int | str | None) -> None:
    """Refuses what the energy score cannot train: what is not drawn with gradients."""
    faults = {
        "--boost": (boost is not None, "a mixture has no gradient of its draws"),
        f"--base {base}": (
            base not in (None, "gaussian"),
            "its draws have no gradient: leave it out",
        ),
        f"--flow {flow}": (flow in IMAGE_FLOWS, "images are trained by likelihood"),
    }
    for option, (given, reason) in faults.items():
        if given:
            raise RunError(f"--objective energy with {option}: {reason}")


def num_halvings(image_shape: tuple[int, int, int]) -> int:
    """Returns how many levels Glow can have: 2, or fewer for odd heights or widths."""
    height, width, _ = image_shape
    return max(n for n in (0, 1, 2) if height % 2**n == width % 2**n == 0)
