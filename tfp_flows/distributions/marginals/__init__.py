"""Distributions on the line, their tails, and their estimation."""

__all__: list[str] = []
