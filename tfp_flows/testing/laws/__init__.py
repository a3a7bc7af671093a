"""What the audit asks of an object, a file a kind of law."""

__all__: list[str] = []
