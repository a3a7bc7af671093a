"""The sizes that a model file speaks of, and whether memory holds them."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

__all__ = ["EVENT_SIZES", "oversize_refused", "sizes_of"]

EVENT_SIZES = ("event_size", "event_shape")
_OTHERS = ("hidden_sizes", "units", "filters", "shape")


def oversize_refused(from_config: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a `from_config`: sizes that memory does not hold are a ValueError."""

    @functools.wraps(from_config)
    def rebuilt(cls: type, config: dict[str, Any], *arguments: Any) -> Any:
        try:
            return from_config(cls, config, *arguments)
        except (MemoryError, tf.errors.ResourceExhaustedError) as error:
            name, sizes = max(sizes_of(config), key=lambda named: max(named[1]))
            raise ValueError(
                f"The file speaks of {name} {', '.join(map(str, sizes))}, and this "
                "machine's memory holds no such weights: it was not loaded. Load a "
                "file that you trust, on a machine like the one that wrote it."
            ) from error

    return rebuilt


def sizes_of(config: Any) -> Iterator[tuple[str, list[int]]]:
    """Yields each name of sizes in a configuration with its sizes, at least one."""
    if isinstance(config, list | tuple):
        for item in config:
            yield from sizes_of(item)
    if not isinstance(config, dict):
        return
    for name, value in config.items():
        if name not in (*EVENT_SIZES, *_OTHERS):
            yield from sizes_of(value)
            continue
        if isinstance(value, dict):
            value = next(iter(value.values()), None)
        values = value if isinstance(value, list | tuple) else [value]
        if sizes := [size for size in values if isinstance(size, int)]:
            yield name, sizes
