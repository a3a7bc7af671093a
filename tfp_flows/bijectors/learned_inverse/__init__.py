"""Layers that learn their own inverse."""

__all__: list[str] = []
