"""The best likelihood of a linear flow, in closed form."""

__all__: list[str] = []
