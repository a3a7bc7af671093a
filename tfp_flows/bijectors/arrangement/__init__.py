"""Maps that move numbers to other places."""

__all__: list[str] = []
