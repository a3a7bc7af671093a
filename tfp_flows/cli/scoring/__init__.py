"""Scores of more rows than a machine holds: a file of them for a file of rows."""

__all__: list[str] = []
