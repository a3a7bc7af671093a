"""Small gray patches of scikit-learn's two photographs, split by image region."""

import numpy as np

from tfp_flows.data.errors import missing_package

__all__ = ["photo_patches"]

# ITU-R BT.601: the luma of an RGB pixel.
_LUMA = (0.299, 0.587, 0.114)


def photo_patches(
    num_train: int, num_held_out: int, *, size: int = 8, tile: int = 32, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draws gray patches of the photographs `china` and `flower`.

    The photographs are cut into square tiles, each tile is given to one part (80 %
    train, 10 % validation, 10 % test), and patches lie within a tile: parts share no
    pixel. Patches of one part may overlap.

    Args:
        num_train: number of patches to train on.
        num_held_out: number of validation patches, and of test patches.
        size: height and width of a patch in pixels.
        tile: height and width of a tile in pixels.
        seed: seed of both draws.

    Returns:
        patches [N, size, size] uint8, and the part of each, [N] of 0, 1, 2.
    """
    tiles = np.concatenate([_tiles(image, tile) for image in _gray_photos()])
    rng = np.random.default_rng(seed)
    tiles = tiles[rng.permutation(len(tiles))]
    one_tenth = len(tiles) // 10
    parts = (tiles[2 * one_tenth :], tiles[:one_tenth], tiles[one_tenth:][:one_tenth])
    counts = (num_train, num_held_out, num_held_out)
    patches = [_draw(part, n, size, rng) for part, n in zip(parts, counts, strict=True)]
    return np.concatenate(patches), np.repeat([0, 1, 2], counts)


def _gray_photos() -> list[np.ndarray]:
    try:
        # scikit-learn decodes the two JPEG files with Pillow, which it does not need
        # otherwise.
        import PIL  # noqa: F401
        from sklearn.datasets import load_sample_images
    except ImportError as error:
        raise missing_package(
            error.name or "scikit-learn", "cli", "the built-in set 'patches'"
        ) from error
    photos = load_sample_images().images
    return [np.rint(photo @ np.asarray(_LUMA)).astype("uint8") for photo in photos]


def _tiles(image: np.ndarray, tile: int) -> np.ndarray:
    rows, columns = (length // tile for length in image.shape)
    cropped = image[: rows * tile, : columns * tile]
    grid = cropped.reshape(rows, tile, columns, tile).swapaxes(1, 2)
    return grid.reshape(rows * columns, tile, tile)


def _draw(
    tiles: np.ndarray, count: int, size: int, rng: np.random.Generator
) -> np.ndarray:
    """Draws patches at different places, so that none is drawn twice."""
    windows = np.lib.stride_tricks.sliding_window_view(tiles, (size, size), (1, 2))
    places = windows.shape[:3]
    flat = rng.choice(np.prod(places), size=count, replace=False)
    return windows[np.unravel_index(flat, places)]
