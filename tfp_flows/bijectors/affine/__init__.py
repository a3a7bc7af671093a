"""Affine maps: by feature, or of the whole event."""

__all__: list[str] = []
