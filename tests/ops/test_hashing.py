"""Hashed noise: uniform, independent between rows, columns and streams."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tfp_flows.ops import uniform_from_hash


def noise(x, salt=0):
    return uniform_from_hash(tf.constant(x, tf.float32), salt).numpy()


@pytest.fixture(scope="module")
def rows():
    grid = np.meshgrid(*[np.arange(28.0)] * 3, indexing="ij")
    return np.stack(grid, -1).reshape(-1, 3)


def test_uniform_in_every_column(rows):
    u = noise(rows)
    assert u.min() > 0
    assert u.max() < 1
    for column in u.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-3


def test_columns_streams_and_neighboring_rows_are_uncorrelated(rows):
    u, other = noise(rows), noise(rows, salt=1)
    bound = 4.5 / np.sqrt(len(rows))
    pairs = [(u[:, 0], u[:, 1]), (u[:, 1], u[:, 2]), (u[:, 0], other[:, 0])]
    pairs += [(u[:-1, c], u[1:, c]) for c in range(3)]
    for one, two in pairs:
        assert abs(np.corrcoef(one, two)[0, 1]) < bound


def test_joint_uniformity_of_two_columns(rows):
    u = noise(rows)
    counts, *_ = np.histogram2d(u[:, 0], u[:, 1], bins=10, range=[[0, 1], [0, 1]])
    assert stats.chisquare(counts.ravel()).pvalue > 1e-3


def test_a_swap_of_entries_changes_the_noise():
    assert abs(noise([[1.0, 2.0]])[0, 0] - noise([[2.0, 1.0]])[0, 1]) > 1e-4
