"""The flows and bases that a user can name, and what each can take.

Nothing here needs TensorFlow: `--help` and refusals come at once.
"""

from typing import TYPE_CHECKING

from tfp_flows.cli.errors import RunError

if TYPE_CHECKING:
    from tfp_flows.data import Table

__all__ = [
    "BASES",
    "FLOWS",
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
    "glow",
)

BASES = ("auto", "copula", "gaussian", "mixture", "student-t")


def choose_flow(name: str | None, table: "Table") -> str:
    """Returns the flow that was named, or the one that suits the data."""
    shape = table.image_shape
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
    return name or "glow"


def check_base(base: str | None, flow: str) -> None:
    """Refuses a base that the flow cannot have."""
    if flow == "glow" and base not in (None, "gaussian"):
        raise RunError(
            f"--base {base}: expected a table, and images have --base gaussian: add "
            "--flow coupling-spline to model their pixels as columns"
        )


def check_energy(
    base: str | None, flow: str, boost: int | str | None, integers: str
) -> None:
    """Refuses what the energy score cannot train: what is not drawn with gradients."""
    faults = {
        "--boost": (boost is not None, "a mixture has no gradient of its draws"),
        f"--base {base}": (
            base not in (None, "gaussian"),
            "its draws have no gradient: leave it out",
        ),
        f"--flow {flow}": (flow == "glow", "images are trained by likelihood"),
        "--integers dequantize": (
            integers == "dequantize",
            "whole numbers have no gradient: use --integers continuous",
        ),
    }
    for option, (given, reason) in faults.items():
        if given:
            raise RunError(f"--objective energy with {option}: {reason}")


def num_halvings(image_shape: tuple[int, int, int]) -> int:
    """Returns how many levels Glow can have: 2, or fewer for odd heights or widths."""
    height, width, _ = image_shape
    return max(n for n in (0, 1, 2) if height % 2**n == width % 2**n == 0)
