"""Proper scores of draws: training without a density."""

__all__: list[str] = []
