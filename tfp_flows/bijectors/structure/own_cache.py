"""What a bijector remembers of its last passes, kept where the bijector is."""

from typing import Any

import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability.python.internal.cache_util import BijectorCache

__all__ = ["own_caches"]


class _OwnCache(BijectorCache):
    """The memory of one bijector, which goes with it; a copy begins without one.

    TFP has one table for all bijectors. Tensors of a graph that it remembers hold the
    graph, the graph holds them, and the table lets go of neither: a model that was
    traced would stay in memory for as long as the process runs.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> "_OwnCache":
        bijector = memo.get(id(self.bijector), self.bijector)
        return _OwnCache(bijector=bijector, bijector_class=type(bijector))

    def __reduce__(self) -> Any:
        names = (self._forward_name, self._inverse_name)
        return _OwnCache, (*names, self.bijector, self.bijector_class)


def own_caches(module: tf.Module) -> None:
    """Lets each bijector in a module, itself included, remember for itself."""
    for part in (module, *module.submodules):
        shared = getattr(type(part), "_cache", None)
        if isinstance(part, tfb.Bijector) and type(shared) is BijectorCache:
            part._cache = _OwnCache(bijector=part, bijector_class=type(part))
