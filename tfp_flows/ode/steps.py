"""How the steps of a solve are chosen."""

import dataclasses

__all__ = ["AdaptiveSteps", "FixedSteps", "Steps"]

_KINDS = {"control": ("row", "batch"), "relative_to": ("feature", "component")}


@dataclasses.dataclass(frozen=True)
class AdaptiveSteps:
    """Steps as long as the tolerance allows.

    A step is accepted where its error, √mean((error / (atol + rtol · |y|))²) over the
    features of a component of the state, is at most 1 for each component. The next
    step is this one times 0.9 · error^(−0.9/p) · (error before)^(0.1/p), within
    [0.1, 10]: proportional-integral control (Hairer and Wanner, "Solving Ordinary
    Differential Equations II", section IV.2, where 0.7 and 0.4 stand; networks took
    2 to 30 % more calls with these). The first follows Hairer, Nørsett and Wanner I,
    section II.4, at the cost of one call.

    Args:
        rtol: relative tolerance.
        atol: absolute tolerance, in the units of the state.
        control: "row": each row has steps of its own, and its result does not depend
            on the rows beside it. "batch": one step for all, chosen by the mean of
            the squared errors over rows; fewer calls, but a rare row may miss the
            tolerance many times over.
        relative_to: what |y| is. "feature": each number of the state by itself.
            "component": the root mean square over the features of a component of the
            row. Then turning or permuting what a component holds changes no step, and
            an equivariant velocity has an equivariant solution, not only one to within
            the tolerance.
        max_steps: most steps tried, accepted or not; what has not arrived by then is
            marked. Under XLA a solve with gradients reserves memory for so many.

    Raises:
        ValueError: an argument is out of range.
    """

    rtol: float = 1e-5
    atol: float = 1e-5
    control: str = "row"
    max_steps: int = 256
    relative_to: str = "feature"

    def __post_init__(self) -> None:
        for name in ("rtol", "atol"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(
                    f"{name}: expected a positive number, received "
                    f"{getattr(self, name)}. A tolerance of 1e-5 suits densities."
                )
        for name, kinds in _KINDS.items():
            if getattr(self, name) not in kinds:
                raise ValueError(
                    f"{name}: expected {' or '.join(map(repr, kinds))}, received "
                    f"{getattr(self, name)!r}."
                )
        if self.max_steps < 1:
            raise ValueError(
                f"max_steps: expected at least 1, received {self.max_steps}."
            )


@dataclasses.dataclass(frozen=True)
class FixedSteps:
    """So many steps of equal length, whatever the error.

    Args:
        num_steps: n ≥ 1.
    """

    num_steps: int

    def __post_init__(self) -> None:
        if self.num_steps < 1:
            raise ValueError(
                f"num_steps: expected at least 1, received {self.num_steps}."
            )


Steps = AdaptiveSteps | FixedSteps
