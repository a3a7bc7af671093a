"""Mixtures of flows that are trained one after another."""

__all__: list[str] = []
