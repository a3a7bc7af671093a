"""The report page."""

__all__: list[str] = []
