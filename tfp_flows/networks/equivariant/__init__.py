"""Networks that turn and permute with the particles they act on."""

__all__: list[str] = []
