"""How a composed bijector is put together."""

from tensorflow_probability import bijectors as tfb

__all__ = ["inverted", "parts"]


# `tfb.Invert(b)` and `tfb.Chain([...])` return an object of their private first base
# class where a part is no composite tensor, and ours are none.
_INVERT, _CHAIN = tfb.Invert.__bases__[0], tfb.Chain.__bases__[0]


def inverted(bijector: tfb.Bijector) -> tfb.Bijector | None:
    """Returns what a `tfb.Invert` inverts; None for any other bijector."""
    return bijector.bijector if isinstance(bijector, _INVERT) else None


def parts(bijector: tfb.Bijector) -> list[tfb.Bijector]:
    """Returns the parts of a `tfb.Chain` in the order of its forward map.

    Other containers of this package, such as `MultiScale`, list theirs as `levels`.
    """
    if isinstance(bijector, _CHAIN):
        return list(reversed(bijector.bijectors))
    return list(getattr(bijector, "levels", ()))
