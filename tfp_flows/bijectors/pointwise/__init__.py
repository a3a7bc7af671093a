"""Maps of each number by itself."""

__all__: list[str] = []
