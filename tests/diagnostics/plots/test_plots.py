"""Every picture draws for narrow, wide and awkward data, without warnings."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from tfp_flows.diagnostics import plots
from tfp_flows.diagnostics.plots import limits
from tfp_flows.diagnostics.plots.theme import DARK, compact, end_labels, shortened

PNG = b"\x89PNG"


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def drawn(figure):
    return plots.png(figure, dpi=30).startswith(PNG)


@pytest.mark.parametrize("size", [1, 2, 3, 40])
def test_tables_of_any_width(rng, size):
    data, samples = rng.standard_t(2, (1600, size)), rng.standard_t(2, (1700, size))
    names = [f"$x_{i} & <b>column</b> with a long name" for i in range(size)]
    panels = min(size, 6) ** 2
    figure = plots.pair_plot(data, samples, names)
    assert len(figure.axes) == panels
    assert drawn(figure)
    ranks = rng.uniform(size=(300, size))
    figure = plots.rank_histograms(ranks, names, theme=DARK)
    assert sum(axis.axison for axis in figure.axes) == min(size, 24)
    assert drawn(figure)
    assert drawn(plots.worst_rows(data[:12], np.arange(12.0), data, names))


def test_few_points_and_discrete_columns(rng):
    data = np.c_[rng.integers(0, 4, 50), np.zeros(50), rng.standard_normal(50)]
    assert drawn(plots.pair_plot(data, data + 0.1, ["levels", "constant", "normal"]))


@pytest.mark.parametrize("shape", [(8, 8), (5, 7, 1), (6, 6, 3)])
def test_images(rng, shape):
    data, samples = (rng.uniform(0, 17, (n, int(np.prod(shape)))) for n in (60, 7))
    assert drawn(plots.image_grid(data, samples, shape))
    assert drawn(plots.worst_images(data[:9], np.arange(9.0), data, shape))


def test_image_of_a_wrong_size_is_explained(rng):
    with pytest.raises(ValueError, match="image_shape=\\(8, 8\\)"):
        plots.image_grid(rng.uniform(size=(5, 60)), rng.uniform(size=(5, 60)), (8, 8))


def test_learning_curve_marks_the_best_epoch_and_keeps_its_frame():
    history = {"loss": [1e6, 5.0, 4.0, 3.5, np.nan], "val_loss": [1e6, 5.1, 4.2, 4.3]}
    lines = {"Gaussian": 6.0, "far": 1e5, "broken": np.inf}
    axis = plots.learning_curve(history, best_epoch=3, yardsticks=lines)
    texts = [text.get_text() for text in axis.texts]
    assert "best: epoch 3, 4.20" in texts
    assert axis.get_ylim()[1] < 20
    assert "far 100000.00 ↑" in texts
    assert "Gaussian 6.00" in texts
    assert drawn(axis.figure)


@pytest.mark.parametrize("history", [{}, {"loss": [3.0]}, {"loss": [np.nan]}])
def test_learning_curve_of_almost_nothing(history):
    assert drawn(plots.learning_curve(history, best_epoch=1).figure)


def test_scores_beyond_the_frame_are_counted(rng):
    held_out = np.r_[rng.standard_normal(500), -1e6, -np.inf]
    axis = plots.score_distribution(held_out, rng.standard_normal(500))
    assert any("further left" in text.get_text() for text in axis.texts)
    assert axis.get_xlim()[0] > -10
    assert drawn(axis.figure)


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
