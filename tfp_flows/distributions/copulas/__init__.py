"""Copulas, and distributions of a copula and marginals."""

__all__: list[str] = []
