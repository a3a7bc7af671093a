"""Walks through trees of bijectors."""

__all__: list[str] = []
