"""How the steps of a solve are chosen."""

import dataclasses

__all__ = ["AdaptiveSteps", "FixedSteps", "Steps"]


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
        max_steps: most steps tried, accepted or not; what has not arrived by then is
            marked. Under XLA a solve with gradients reserves memory for so many.

    Raises:
        ValueError: a tolerance, `control` or `max_steps` is out of range.
    """

    rtol: float = 1e-5
    atol: float = 1e-5
    control: str = "row"
    max_steps: int = 256

    def __post_init__(self) -> None:
        for name in ("rtol", "atol"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(
                    f"{name}: expected a positive number, received "
                    f"{getattr(self, name)}. A tolerance of 1e-5 suits densities."
                )
        if self.control not in ("row", "batch"):
            raise ValueError(
                f'control: expected "row" or "batch", received {self.control!r}.'
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
