"""What a user asked `fit` or `align` for."""

import argparse
import dataclasses
import sys
from typing import Any, Literal

__all__ = ["AlignOptions", "FitOptions"]

# Where and how loudly to run; they do not change the model.
_NOT_COMPARED = ("data", "out", "resume", "overwrite", "quiet")


@dataclasses.dataclass(frozen=True)
class _Options:
    """Options of a command that trains; the parser documents each."""

    quiet: bool = dataclasses.field(default=False, kw_only=True)

    @classmethod
    def from_namespace(cls, namespace: argparse.Namespace) -> Any:
        """Takes the options of this class from a parsed command line."""
        values: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            value = getattr(namespace, field.name)
            values[field.name] = tuple(value) if isinstance(value, list) else value
        if values.get("integers", "") is None:
            values["integers"] = "dequantize" if values["target"] else "refuse"
        is_matched = values.get("flow") == "continuous" and not values["boost"]
        values["epochs"] = values["epochs"] or (30 if is_matched else 100)
        return cls(**values)

    @property
    def verbose(self) -> int:
        """As Keras counts: 0 nothing, 1 a bar on a screen, 2 a line an epoch."""
        if self.quiet:
            return 0
        return 1 if sys.stdout.isatty() else 2

    def difference(self, earlier: dict) -> str | None:
        """Names the first option that differs from an earlier run's, if any.

        Args:
            earlier: `dataclasses.asdict` of the earlier options after a trip through
                JSON.
        """
        for field in dataclasses.fields(self):
            name, value = field.name, getattr(self, field.name)
            # An older version did not have this option.
            before = earlier.get(name, getattr(type(self), name, None))
            before = list(before) if isinstance(before, tuple) else before
            now = list(value) if isinstance(value, tuple) else value
            if name not in _NOT_COMPARED and now != before:
                flag = name.replace("_", "-")
                return f"--{flag} was {_text(before)} and is now {_text(now)}"
        return None


@dataclasses.dataclass(frozen=True)
class FitOptions(_Options):
    """Options of `tfp-flows fit`; the parser documents each."""

    data: str
    out: str
    flow: str | None
    base: str | None
    whiten: Literal["yes", "no"] | None
    boost: int | Literal["auto"] | None
    epochs: int
    patience: int
    batch_size: int | None
    learning_rate: float
    seed: int
    columns: tuple[str, ...] | None
    context: tuple[str, ...] | None
    exclude: tuple[str, ...]
    validation: float
    test: float
    split: Literal["random", "tail"]
    integers: Literal["refuse", "dequantize", "continuous"]
    drop_invalid: bool
    resume: bool = False
    overwrite: bool = False
    weights: str | None = None
    bounds: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    header: Literal["yes", "no", "auto"] = "auto"
    target: tuple[str, ...] | None = None
    objective: Literal["likelihood", "energy"] = "likelihood"
    rows_in_memory: int | None = None


@dataclasses.dataclass(frozen=True)
class AlignOptions(_Options):
    """Options of `tfp-flows align`; the parser documents each."""

    data: tuple[str, ...]
    out: str
    matching: str
    likelihood_weight: float
    epochs: int
    patience: int
    batch_size: int | None
    learning_rate: float
    seed: int
    columns: tuple[str, ...] | None
    exclude: tuple[str, ...]
    missing: tuple[str, ...]
    header: Literal["yes", "no", "auto"]
    validation: float
    test: float
    drop_invalid: bool
    resume: bool = False
    overwrite: bool = False
    context: tuple[str, ...] | None = None
    weights: str | None = None
    transport_weight: float = 0.3
    labels: str | None = None


def _text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(value) or "not given"
    return "not given" if value is None else str(value)
