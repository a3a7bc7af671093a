"""Autoencoders with flow posteriors, and mixtures that match an energy."""

__all__: list[str] = []
