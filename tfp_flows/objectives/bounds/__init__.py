"""Bounds of a likelihood that cannot be evaluated."""

__all__: list[str] = []
