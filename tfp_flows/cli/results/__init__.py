"""From the best model to likelihoods, files and a report."""

__all__: list[str] = []
