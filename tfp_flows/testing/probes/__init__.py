"""How the audit looks at an object."""

__all__: list[str] = []
