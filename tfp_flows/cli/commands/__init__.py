"""The commands of `tfp-flows`, a file each."""

__all__: list[str] = []
