"""Noise that is a function of the row it belongs to."""

import tensorflow as tf

__all__ = ["uniform_from_hash"]

# Odd multipliers with well-spread bits; any such numbers serve.
_MULTIPLIERS = (0x2C1B3C6D, 0x297A2D39, 0x5BD1E995)


def uniform_from_hash(x: tf.Tensor, salt: int) -> tf.Tensor:
    """Uniform numbers in (0, 1) that depend on each whole row of x and on `salt`.

    The same row gets the same numbers in every batch, process and device, so that a
    density estimated with them is a function of the row. Rows that differ in one
    entry get unrelated numbers; so do the entries of one row.

    Args:
        x: [batch..., D], a floating type. Equal values hash equally (−0 as 0).
        salt: a whole number that selects one of the independent streams.

    Returns:
        [batch..., D] with the dtype of x, multiples of 2⁻²³ plus 2⁻²⁴.
    """
    bits = tf.bitcast(tf.cast(x, tf.float32) + 0.0, tf.int32)
    position = _scramble(tf.range(tf.shape(x)[-1], dtype=tf.int32) + 1)
    # Summing scrambled entries is order-free but for `position`, which ties each
    # entry to its column; the sum is scrambled again with the column's own key.
    row = tf.reduce_sum(_scramble(bits ^ position), axis=-1, keepdims=True)
    mixed = _scramble(_scramble(row + _as_int32(salt * 0x9E3779B1)) + position)
    top_bits = tf.bitwise.right_shift(
        tf.bitcast(mixed, tf.uint32), tf.constant(9, tf.uint32)
    )
    return (tf.cast(tf.cast(top_bits, tf.int32), x.dtype) + 0.5) * 2.0**-23


def _scramble(value: tf.Tensor) -> tf.Tensor:
    """Multiply and xor-shift rounds on 32-bit words."""
    for multiplier in _MULTIPLIERS[:2]:
        value = value ^ _shift_right(value, 16)
        value = value * _as_int32(multiplier)
    value = value ^ _shift_right(value, 15)
    value = value * _as_int32(_MULTIPLIERS[2])
    return value ^ _shift_right(value, 13)


def _shift_right(value: tf.Tensor, count: int) -> tf.Tensor:
    shifted = tf.bitwise.right_shift(
        tf.bitcast(value, tf.uint32), tf.constant(count, tf.uint32)
    )
    return tf.bitcast(shifted, tf.int32)


def _as_int32(number: int) -> int:
    number &= 0xFFFFFFFF
    return number - (1 << 32) if number >= (1 << 31) else number
