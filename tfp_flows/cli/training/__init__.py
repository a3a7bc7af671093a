"""From a checked task to the best model."""

__all__: list[str] = []
