"""Where rows come from: one kind of source a file, and one way to read them all."""

__all__: list[str] = []
