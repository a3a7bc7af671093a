"""Starting values from data."""

__all__: list[str] = []
