"""Maximum likelihood in NumPy and float64, for what sets a start or is a yardstick."""

__all__: list[str] = []
