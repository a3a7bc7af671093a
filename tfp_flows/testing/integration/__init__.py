"""Integrals of densities."""

__all__: list[str] = []
