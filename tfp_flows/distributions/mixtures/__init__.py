"""Mixtures, their weights, and their estimation."""

__all__: list[str] = []
