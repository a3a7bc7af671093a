"""What layers with a learned inverse need of a training."""

__all__: list[str] = []
