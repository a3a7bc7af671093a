"""Every picture shows its numbers, for narrow, wide and awkward data, and renders."""

import io
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from tfp_flows.diagnostics import plots
from tfp_flows.diagnostics.plots import limits, weight_plot
from tfp_flows.diagnostics.plots.theme import (
    DARK,
    LIGHT,
    compact,
    end_labels,
    rgb,
    shortened,
)
from tfp_flows.estimation.importance import WeightedDraws


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def shows(figure, *colors):
    """Whether the rendered picture has pixels of each color, on its own paper."""
    pixels = imread(io.BytesIO(plots.png(figure, dpi=72)))[..., :3]
    paper = figure.get_facecolor()[:3]
    distance = [np.abs(pixels - rgb(color)).max(axis=-1) for color in colors]
    is_paper = np.abs(pixels - paper).max(axis=-1) < 0.01
    return is_paper[0].all() and all(d.min() < 0.1 for d in distance)


def texts(artists):
    return [artist.get_text() for artist in artists]


def outlines(axis):
    """Heights of the histograms on an axis: of data, of samples."""
    return [bars.get_data().values for bars in axis.patches if not bars.get_fill()]


@pytest.mark.parametrize("size", [1, 2, 3, 40])
def test_pairs_of_tables_of_any_width(rng, size):
    data, samples = rng.standard_t(2, (1600, size)), rng.standard_t(2, (1700, size))
    names = [f"$x_{i} & <b>column</b> with a long name" for i in range(size)]
    figure = plots.pair_plot(data, samples, names)
    panels = min(size, 6)
    axes = np.reshape(figure.axes, [panels, panels])
    below = [axis.get_xlabel() for axis in axes[-1]]
    assert below == [shortened(name, 96 // panels) for name in names[:panels]]
    # Of each color all but the tails, which the frame leaves out.
    diagonal = axes[1] if size == 2 else np.diagonal(axes)
    for axis in diagonal:
        data_share, samples_share = (heights.sum() for heights in outlines(axis))
        assert 0.9 < data_share <= 1
        assert 0.9 < samples_share <= 1
    joint = [axis for axis in figure.axes if axis not in diagonal]
    assert all(len(axis.images) == 1 for axis in joint)
    assert shows(figure, LIGHT.data, LIGHT.model)


@pytest.mark.parametrize("size", [1, 2, 3, 40])
def test_ranks_of_tables_of_any_width(rng, size):
    ranks = rng.uniform(size=(300, size))
    ranks[:, 0] **= 4
    names = [f"$x_{i} & <b>column</b> with a long name" for i in range(size)]
    figure = plots.rank_histograms(ranks, names, theme=DARK)
    shown = [axis for axis in figure.axes if axis.axison]
    assert len(shown) == min(size, 24)
    assert shown[0].get_title(loc="left").startswith("$x_0 &")
    expected, _ = np.histogram(ranks[:, 0], 12, (0, 1), density=True)
    heights = [bar.get_height() for bar in shown[0].containers[0]]
    np.testing.assert_allclose(heights, np.minimum(expected, 3))
    assert f"↑{expected[0]:.0f}" in texts(shown[0].texts)
    assert shows(figure, DARK.model, DARK.muted, DARK.band)


@pytest.mark.parametrize("size", [1, 2, 3, 40])
def test_worst_rows_of_tables_of_any_width(rng, size):
    data = rng.standard_t(2, (1600, size))
    names = [f"$x_{i} & <b>column</b> with a long name" for i in range(size)]
    data[3, -1] = 1e4
    figure = plots.worst_rows(data[:12], np.arange(12.0), data, names)
    (axis,) = figure.axes
    written = np.reshape(texts(axis.texts), [12, min(size, 12)])
    # The most unusual column is among those drawn, wherever it stands.
    last = shortened(names[-1], 72 // min(size, 6))
    assert texts(axis.get_xticklabels())[-1] == last
    assert written[:, -1].tolist() == [compact(value) for value in data[:12, -1]]
    assert texts(axis.get_yticklabels())[1] == "worst 2   1.0 nats"
    np.testing.assert_allclose(axis.images[0].get_array()[3, -1], rgb(LIGHT.data))
    assert shows(figure, LIGHT.data)


def test_few_points_and_discrete_columns(rng):
    data = np.c_[rng.integers(0, 4, 50), np.zeros(50), rng.standard_normal(50)]
    figure = plots.pair_plot(data, data + 0.1, ["levels", "constant", "normal"])
    axes = np.reshape(figure.axes, [3, 3])
    below, above = (
        axis.collections[0].get_offsets() for axis in (axes[2, 0], axes[0, 2])
    )
    np.testing.assert_allclose(below, data[:, [0, 2]])
    np.testing.assert_allclose(above, data[:, [2, 0]] + 0.1)
    np.testing.assert_allclose(
        outlines(axes[0, 0])[0], np.bincount(data[:, 0].astype(int)) / 50
    )
    assert shows(figure, LIGHT.data, LIGHT.model)


@pytest.mark.parametrize("shape", [(8, 8), (5, 7, 1), (6, 6, 3)])
def test_images(rng, shape):
    data, samples = (rng.uniform(0, 17, (n, int(np.prod(shape)))) for n in (60, 7))
    figure = plots.image_grid(data, samples, shape)
    left, right = (axis.images[0].get_array() for axis in figure.axes)
    height, width = shape[:2]
    assert left.shape == (7 * (height + 1) - 1, 7 * (width + 1) - 1, 3)
    low, high = np.quantile(data, [0.001, 0.999])
    first = np.reshape(samples[0], [height, width, -1])
    expected = np.clip((first - low) / (high - low), 0, 1)
    expected = np.broadcast_to(expected, [height, width, 3])
    np.testing.assert_allclose(right[:height, :width], expected)
    assert shows(figure, LIGHT.data, LIGHT.model)


@pytest.mark.parametrize("shape", [(8, 8), (5, 7, 1), (6, 6, 3)])
def test_worst_images(rng, shape):
    data = rng.uniform(0, 17, (60, int(np.prod(shape))))
    figure = plots.worst_images(data[:9], np.arange(9.0), data, shape)
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles[:2] == ["worst 1\n0.0 nats", "worst 2\n1.0 nats"]
    assert titles[9:] == [""] * 7
    drawn = [axis.images[0].get_array() for axis in figure.axes[:9]]
    brightest = np.argmax(data[:9], axis=1)
    for image, place in zip(drawn, brightest, strict=True):
        assert image.shape == (*shape[:2], 3)
        pixel = np.unravel_index(place, (*shape, 1)[:3])
        assert image[pixel] == image.max()
    assert shows(figure, LIGHT.ink)


def test_image_of_a_wrong_size_is_explained(rng):
    with pytest.raises(ValueError, match="image_shape=\\(8, 8\\)"):
        plots.image_grid(rng.uniform(size=(5, 60)), rng.uniform(size=(5, 60)), (8, 8))


def test_learning_curve_marks_the_best_epoch_and_keeps_its_frame():
    history = {"loss": [1e6, 5.0, 4.0, 3.5, np.nan], "val_loss": [1e6, 5.1, 4.2, 4.3]}
    lines = {"Gaussian": 6.0, "far": 1e5, "broken": np.inf}
    axis = plots.learning_curve(history, best_epoch=3, yardsticks=lines)
    written = texts(axis.texts)
    assert "best: epoch 3, 4.20" in written
    assert axis.get_ylim()[1] < 20
    assert "far 100000.00 ↑" in written
    assert "Gaussian 6.00" in written
    curves = [line.get_ydata() for line in axis.lines[:2]]
    np.testing.assert_array_equal(curves[0], history["loss"])
    np.testing.assert_array_equal(curves[1], history["val_loss"])
    assert shows(axis.figure, LIGHT.data, LIGHT.model, LIGHT.muted)


@pytest.mark.parametrize(
    ("history", "written"),
    [
        ({}, []),
        ({"loss": [3.0]}, ["training", "best: epoch 1, 3.00"]),
        ({"loss": [np.nan]}, []),
    ],
)
def test_learning_curve_of_almost_nothing(history, written):
    axis = plots.learning_curve(history, best_epoch=1)
    assert texts(axis.texts) == written
    assert np.isfinite(axis.get_ylim()).all()
    assert shows(axis.figure, LIGHT.muted if written else LIGHT.line)


def test_scores_beyond_the_frame_are_counted(rng):
    held_out = np.r_[rng.standard_normal(500), -1e6, -np.inf]
    axis = plots.score_distribution(held_out, rng.standard_normal(500))
    assert any("2 held-out rows further left" in text for text in texts(axis.texts))
    assert axis.get_xlim()[0] > -10
    assert shows(axis.figure, LIGHT.data, LIGHT.model)


def test_a_given_axis_is_drawn_on_and_returned(rng):
    axis = Figure().subplots()
    assert (
        plots.score_distribution(rng.normal(size=9), rng.normal(size=9), axis=axis)
        is axis
    )
    assert plots.learning_curve({"loss": [2.0, 1.0]}, axis=axis) is axis


def test_limits_hold_the_bulk_whatever_the_tail(rng):
    low, high = limits.robust_limits(np.r_[rng.standard_normal(10_000), 1e12, np.nan])
    assert -4 < low < -2
    assert 2 < high < 4
    assert limits.robust_limits(np.full(9, 3.0)) == pytest.approx((2.76, 3.24))


def test_levels_get_one_bin_each():
    values = np.repeat(np.arange(5.0), 3)
    edges = limits.histogram_edges(values, (-1.0, 6.0), 45)
    np.testing.assert_allclose(edges, np.arange(-0.5, 5.0))
    assert np.histogram(values, edges)[0].tolist() == [3] * 5


def test_bins_of_a_fine_grid_hold_as_many_levels_each():
    grid = np.round(np.arange(0.0, 30.0, 0.1), 1)
    values = np.tile(grid, 5)
    edges = limits.histogram_edges(values, (-1.0, 31.0), 45)
    counts = np.histogram(values, edges)[0]
    assert set(counts[:-1]) == {35}
    jittered = values + np.random.default_rng(0).normal(size=len(values))
    assert len(limits.histogram_edges(jittered, (-1.0, 31.0), 45)) == 46


def test_best_epoch_may_be_the_start_and_its_name_is_above_the_frame():
    history = {"loss": [np.nan, 5.0, 4.0], "val_loss": [3.0, 5.1, 5.3]}
    axis = plots.learning_curve(history, best_epoch=0, first_epoch=0)
    (name,) = (t for t in axis.texts if t.get_text().startswith("best"))
    assert name.get_text() == "best: epoch 0, 3.00"
    axis.figure.draw_without_rendering()
    assert name.get_window_extent().y0 >= axis.get_window_extent().y1
    assert axis.get_ylim()[0] <= 3.0
    np.testing.assert_array_equal(axis.lines[0].get_xdata(), [0, 1, 2])


def test_robust_scores_survive_a_constant_column():
    reference = np.c_[np.ones(50), np.linspace(-1, 1, 50)]
    scores = limits.robust_scores(np.array([[3.0, 0.68]]), reference)
    np.testing.assert_allclose(scores, [[2.0, 1.0]], atol=0.01)


def test_end_labels_do_not_collide():
    axis = Figure(figsize=(6, 4)).subplots()
    axis.set_ylim(0, 1)
    end_labels(
        axis, [(0.5, "a", "k"), (0.5, "b", "k"), (0.99, "c", "k"), (1, "d", "k")]
    )
    heights = sorted(text.get_position()[1] for text in axis.texts)
    assert np.diff(heights).min() > 0.04
    assert heights[-1] <= 1.001


def test_text_is_kept_short():
    assert shortened("a\nvery long name", 8) == "a very …"
    assert [compact(v) for v in (1.23e-7, 1234.6, 0.5)] == ["1.2e-7", "1235", "0.5"]


def test_package_does_not_load_matplotlib_or_tensorflow():
    code = (
        "import sys, tfp_flows.diagnostics; "
        "print({'matplotlib', 'tensorflow', 'sklearn', 'scipy'} & set(sys.modules))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "set()"


def test_weights_carry_their_verdict(rng):
    good = WeightedDraws(np.zeros(1000), rng.normal(scale=0.1, size=1000))
    heavy = WeightedDraws(np.zeros(1000), rng.standard_cauchy(size=1000))
    for weighted, verdict in ((good, " reliable"), (heavy, "not reliable")):
        figure = weight_plot(weighted)
        assert any(verdict in text.get_text() for text in figure.texts)
        assert all(len(axis.patches) + len(axis.lines) for axis in figure.axes)
