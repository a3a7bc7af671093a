"""What every layer of a flow does to volume, watched in training."""

__all__: list[str] = []
