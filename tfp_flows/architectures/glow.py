"""Glow."""
__all__ = ["glow"]
def glow(event_shape):
    raise ValueError
