"""The folder of a run: its options, its files, and how they appear whole."""

__all__: list[str] = []
