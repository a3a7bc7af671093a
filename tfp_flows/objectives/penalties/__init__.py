"""What is minimized beside an objective."""

__all__: list[str] = []
