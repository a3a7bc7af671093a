"""Volumes of flows whose singular values are known, and flags that must rise."""

import csv
import dataclasses
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.weights import perturb
from tfp_flows import architectures, bijectors
from tfp_flows.diagnostics import (
    VolumeLimits,
    VolumeMonitor,
    linear_flow_optimum,
    measure_volume,
)
from tfp_flows.diagnostics.volume.record import raised_flags
from tfp_flows.distributions import Dequantized
from tfp_flows.models import FlowModel

tfb, tfd = tfp.bijectors, tfp.distributions

DIAGONAL = np.array([4.0, 0.5, 0.02])


def flow(*layers, size=3, dtype="float64"):
    """A flow whose layers, data first, carry data to N(0, I)."""
    base = tfd.MultivariateNormalDiag(np.zeros(size, dtype), np.ones(size, dtype))
    chain = tfb.Chain(list(reversed(layers)))
    return tfd.TransformedDistribution(base, tfb.Invert(chain))


def rows(size=3, count=8, seed=0):
    return np.random.default_rng(seed).normal(size=(count, size))


@pytest.mark.parametrize("exact_size", [32, 0])
@pytest.mark.parametrize("inverted", [False, True])
def test_known_singular_values_in_both_directions(exact_size, inverted):
    scale = tfb.ScaleMatvecDiag(tf.Variable(DIAGONAL))
    layer = tfb.Invert(scale) if inverted else scale
    options = {"exact_size": exact_size, "iterations": 60}
    found = measure_volume(flow(layer), rows(), **options)
    expected = 1 / DIAGONAL if inverted else DIAGONAL
    assert found.largest == pytest.approx(expected.max(), rel=1e-6)
    assert found.smallest == pytest.approx(expected.min(), rel=1e-6)
    assert found.layers[0].largest == pytest.approx(found.largest)
    log_det = np.log(expected).sum() / 3
    assert found.profile == pytest.approx([log_det])
    assert found.imbalance == pytest.approx(abs(log_det))
    z = rows() * expected
    assert found.mean_square == pytest.approx(np.mean(z**2))
    assert found.max_abs == pytest.approx(np.abs(z).max())
    nll = -flow(layer).log_prob(tf.constant(rows())).numpy().mean()
    assert found.nll == pytest.approx(nll)
    assert found.round_trip < 1e-12


def autodiff_singular_values(density, x):
    x = tf.constant(x)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        z = density.bijector.inverse(tf.identity(x))
    jacobian = tape.batch_jacobian(z, x, experimental_use_pfor=False)
    values = np.linalg.svd(jacobian, compute_uv=False)
    return values.max(), values.min()


@pytest.mark.parametrize("exact_size", [32, 0])
@pytest.mark.parametrize("context_size", [None, 2])
def test_both_methods_agree_with_the_full_jacobian(exact_size, context_size):
    layers = [
        bijectors.Coupling(
            3,
            flip=flip,
            hidden_sizes=(8,),
            context_size=context_size,
            dtype="float64",
            name=f"coupling_{flip}",
        )
        for flip in (False, True)
    ]
    density = flow(layers[0], bijectors.Linear(3, dtype="float64"), layers[1])
    perturb(density)
    context = None if context_size is None else rows(2, seed=3)
    found = measure_volume(
        density, rows(), context, exact_size=exact_size, iterations=300
    )
    if context is not None:
        bound = bijectors.context_arguments(density.bijector, tf.constant(context))
        inverse = density.bijector.inverse
        density = type("Bound", (), {})()
        density.bijector = type("Map", (), {})()
        density.bijector.inverse = lambda x: inverse(x, **bound)
    largest, smallest = autodiff_singular_values(density, rows())
    assert found.largest == pytest.approx(largest, rel=1e-4)
    assert found.smallest == pytest.approx(smallest, rel=1e-4)
    assert [layer.name for layer in found.layers] == [
        "coupling_False",
        "linear",
        "coupling_True",
    ]


def test_levels_of_an_image_flow_are_walked_with_their_own_event_ranks():
    density = architectures.glow(
        (4, 4, 1), num_values=17, steps_per_level=1, hidden_sizes=(8,), seed=0
    )
    images = np.random.default_rng(0).integers(0, 17, (6, 4, 4, 1))
    model = FlowModel(density)
    model.adapt(images)
    perturb(density)
    found = measure_volume(density, images, iterations=3)
    names = [layer.name for layer in found.layers]
    assert names[:4] == ["logit", "squeeze_0", "act_norm_0_0", "linear_0_0"]
    assert not found.layers[0].is_trained
    total = density.distribution.bijector.inverse_log_det_jacobian(
        density.dequantize(tf.constant(images, tf.float32)), 3
    )
    assert found.profile[-1] == pytest.approx(np.mean(total) / 16, abs=1e-4)
    nll = -np.mean(model.log_prob(images))
    assert found.nll == pytest.approx(nll, rel=1e-4)
    # The logit changes units; imbalance counts from the first trained layer.
    trained = np.array(found.profile[1:]) - found.profile[0]
    assert found.imbalance == pytest.approx(np.abs(trained).max())


@pytest.mark.parametrize("exact_size", [32, 0])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"gradient": "relative"},
        {"gradient": "exact"},
        {"density": "mixture"},
        {"inverse": "refined"},
    ],
    ids=str,
)
def test_layers_with_a_prescribed_gradient_are_measured_as_they_map(
    exact_size, options
):
    matrix = np.array([[2.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.1, 0.0, 0.7]])
    layer = bijectors.SelfNormalizingDense(
        3, initial=matrix, dtype="float64", **options
    )
    found = measure_volume(flow(layer), rows(), exact_size=exact_size, iterations=90)
    values = np.linalg.svd(matrix, compute_uv=False)
    tolerance = 1e-3 if options.get("inverse") == "refined" else 1e-6
    assert found.largest == pytest.approx(values.max(), rel=tolerance)
    assert found.smallest == pytest.approx(values.min(), rel=tolerance)
    log_det = np.log(np.abs(np.linalg.det(matrix))) / 3
    assert found.profile == pytest.approx([log_det])


def test_a_wrong_inverse_shows_in_the_round_trip():
    class Careless(tfb.Bijector):
        def __init__(self):
            self.weight = tf.Variable(2.0, dtype="float64")
            super().__init__(forward_min_event_ndims=0, dtype="float64")

        def _forward(self, x):
            return self.weight * x

        def _inverse(self, y):
            return y / (self.weight + 0.1)

        def _forward_log_det_jacobian(self, x):
            return tf.math.log(self.weight)

    assert measure_volume(flow(Careless()), rows()).round_trip > 0.01


def expanding(factor, layers=6, dtype="float32"):
    return flow(
        *(
            tfb.ScaleMatvecDiag(tf.Variable(np.full(3, factor, dtype)))
            for _ in range(layers)
        ),
        dtype=dtype,
    )


@pytest.mark.parametrize(
    ("factor", "flags"),
    [
        (1.0, ()),
        (10.0, ("expansion", "imbalance")),
        (0.1, ("contraction", "imbalance")),
        (np.nan, ("not_finite",)),
    ],
)
def test_flags_of_chains_that_expand_contract_and_break(factor, flags):
    found = measure_volume(expanding(factor), rows().astype("f"))
    assert raised_flags(found, VolumeLimits(), is_warm=True) == flags


@pytest.mark.parametrize("exact_size", [32, 0])
@pytest.mark.parametrize("factor", [0.0, np.inf, np.nan, 1e-30])
def test_broken_weights_are_reported_and_not_raised(factor, exact_size):
    density = expanding(factor, layers=3)
    found = measure_volume(density, rows().astype("f"), exact_size=exact_size)
    flags = raised_flags(found, VolumeLimits(), is_warm=True)
    assert "not_finite" in flags or "contraction" in flags


def test_floor_counts_only_after_warm_up():
    found = measure_volume(expanding(1.0), 5 * rows().astype("f"))
    limits = VolumeLimits(floor=1.0)
    assert raised_flags(found, limits, is_warm=False) == ()
    assert raised_flags(found, limits, is_warm=True) == ("above_floor",)


def test_balanced_log_dets_are_no_sign_of_conditioning():
    scale = np.array([1e3, 1e-3, 1.0])
    found = measure_volume(flow(tfb.ScaleMatvecDiag(tf.Variable(scale))), rows())
    assert found.imbalance < 1e-9
    limits = VolumeLimits(largest=1e2, smallest=1e-2)
    assert raised_flags(found, limits, is_warm=True) == ("expansion", "contraction")


def test_report_in_words():
    text = str(measure_volume(expanding(2.0, layers=2), rows().astype("f")))
    assert "E|z|²/d" in text
    assert len(text.splitlines()) == 4


def fitted_linear(steps, rate=0.1):
    """Plain gradient descent on one linear layer; its monitor and its data."""
    x = rows_with_second_moments(np.array([2.0, 0.1]))
    layer = tfb.ScaleMatvecDiag(tf.Variable(np.ones(2)))
    model = FlowModel(flow(layer, size=2))
    model.compile(keras.optimizers.SGD(rate))
    monitor = VolumeMonitor(x, every=1, max_share=None)
    batches = tf.data.Dataset.from_tensors((x,)).repeat()
    model.fit(batches, steps_per_epoch=steps, verbose=0, callbacks=[monitor])
    return monitor, x


def rows_with_second_moments(second):
    return np.concatenate([np.diag(np.sqrt(2 * second)), -np.diag(np.sqrt(2 * second))])


def test_singular_values_follow_the_law_of_gradient_flow():
    # dσ/dt = 1/σ − λσ: σ² = (1 − exp(−2λt))/λ + σ₀² exp(−2λt).
    rate, steps = 0.005, 200
    monitor, _ = fitted_linear(steps, rate)
    assert [report.step for report in monitor.reports] == list(range(steps + 1))
    for report in monitor.reports[20::60]:
        decay = np.exp(-2 * np.array([2.0, 0.1]) * rate * report.step)
        expected = np.sqrt((1 - decay) / [2.0, 0.1] + decay)
        found = report.smallest, report.largest
        np.testing.assert_allclose(found, expected, rtol=5e-3)


def test_trained_linear_flow_reaches_and_never_passes_the_optimum():
    monitor, x = fitted_linear(400)
    floor = linear_flow_optimum(x, centered=False).floor
    nll = np.array([report.nll for report in monitor.reports])
    assert nll[-1] == pytest.approx(floor, abs=1e-4)
    assert nll.min() > floor - 1e-9
    assert monitor.reports[-1].mean_square == pytest.approx(1.0, abs=1e-3)


def small_model(**options):
    model = FlowModel(
        architectures.coupling_flow(
            3, num_layers=1, hidden_sizes=[8], seed=0, transform="affine"
        )
    )
    model.compile(keras.optimizers.Adam(1e-3), **options)
    return model


def test_numbers_reach_other_callbacks_and_the_picture_is_drawn(tmp_path):
    x = rows(count=128)
    monitor = VolumeMonitor(x, every=2, max_share=None, picture=tmp_path / "volume.png")
    log = tmp_path / "log.csv"
    model = small_model()
    history = model.fit(
        x,
        epochs=3,
        batch_size=32,
        verbose=0,
        callbacks=[monitor, keras.callbacks.CSVLogger(log)],
    )
    with log.open() as lines:
        written = list(csv.DictReader(lines))
    latest = monitor.reports[-1]
    for name, value in latest.scalars().items():
        assert float(written[-1][name]) == pytest.approx(value)
        assert history.history[name][-1] == value
    assert (tmp_path / "volume.png").read_bytes().startswith(b"\x89PNG")
    assert [report.step for report in monitor.reports] == [0, 2, 4, 6, 8, 10, 12]
    assert [report.epoch for report in monitor.reports] == [0, 1, 1, 2, 2, 3, 3]


def test_callbacks_before_the_monitor_go_without_its_numbers(tmp_path):
    x = rows(count=64)
    monitor = VolumeMonitor(x, every=1, max_share=None)
    before, after = (keras.callbacks.CSVLogger(tmp_path / n) for n in ("b", "a"))
    stop = keras.callbacks.EarlyStopping("volume_flags", mode="min")
    with pytest.warns(UserWarning, match="`volume_flags` which is not available"):
        history = small_model().fit(
            x, verbose=0, callbacks=[stop, before, monitor, after]
        )
    names = set(monitor.reports[-1].scalars())
    columns = [set((tmp_path / n).read_text().split("\n")[0].split(",")) for n in "ba"]
    assert not names & columns[0]
    assert names < columns[1]
    assert names < set(history.history)


def test_a_small_share_of_time_is_kept():
    x = rows(count=2048)
    model = small_model()
    monitor = VolumeMonitor(x, every=1, max_share=0.05)
    model.fit(x, epochs=4, batch_size=16, verbose=0, callbacks=[monitor])
    assert 1 < len(monitor.reports) < 256
    assert monitor.share <= 0.06


def test_early_stopping_can_watch_the_flags():
    stop = keras.callbacks.EarlyStopping("volume_flags", mode="min", patience=0)
    model = small_model()
    monitor = VolumeMonitor(
        rows(),
        every=1,
        max_share=None,
        limits=VolumeLimits(largest=1e-3, smallest=1e-4),
    )
    with pytest.warns(RuntimeWarning, match="Volume flags raised at step 0: expansion"):
        history = model.fit(rows(), epochs=5, verbose=0, callbacks=[monitor, stop])
    assert len(history.epoch) == 2
    assert monitor.flags == ("expansion",)


def test_a_model_of_gridded_data_is_watched():
    counts = np.random.default_rng(0).poisson(4.0, (64, 2)).astype("float32")
    density = Dequantized(
        architectures.coupling_flow(2, num_layers=1, hidden_sizes=[8], seed=0)
    )
    model = FlowModel(density)
    model.compile("adam")
    monitor = VolumeMonitor(counts, every=1, max_share=None)
    model.fit(counts, epochs=1, verbose=0, callbacks=[monitor])
    assert np.isfinite(monitor.reports[-1].nll)


def test_a_probe_without_spread_has_an_absolute_round_trip():
    layer = tfb.ScaleMatvecDiag(tf.Variable([3.0], dtype="float64"))
    found = measure_volume(flow(layer, size=1), np.full((2, 1), 0.7))
    assert found.round_trip < 1e-15
    assert raised_flags(found, VolumeLimits(), is_warm=True) == ()


def test_unusable_probes_are_refused():
    with pytest.raises(ValueError, match="at least one row"):
        VolumeMonitor(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="at least one row"):
        measure_volume(expanding(1.0), np.zeros((0, 3), "f"))
    with pytest.raises(TypeError, match=r"next\(iter\(dataset\)\)"):
        VolumeMonitor(tf.data.Dataset.from_tensors(np.zeros((2, 3))))
    with pytest.raises(ValueError, match="every"):
        VolumeMonitor(np.zeros((2, 3)), every=0)
    with pytest.raises(TypeError, match="no map"):
        measure_volume(tfd.Normal(0.0, 1.0), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="smallest"):
        VolumeLimits(largest=1.0, smallest=2.0)


@pytest.mark.parametrize("shape", [(4, 5), (4, 2), (4,), (4, 2, 3)])
def test_a_probe_of_another_shape_than_the_flows_events_is_refused(shape):
    with pytest.raises(ValueError, match=r"event shape \(3,\).*received shape \(4,"):
        measure_volume(expanding(1.0), np.zeros(shape, "f"))


def test_a_probe_of_a_model_is_refused_before_training():
    monitor = VolumeMonitor(np.zeros((4, 2)))
    with pytest.raises(ValueError, match="rows as they are passed to `fit`"):
        small_model().fit(rows(), verbose=0, callbacks=[monitor])


def test_a_context_of_other_rows_than_the_probe_is_refused():
    layer = bijectors.Coupling(3, hidden_sizes=(8,), context_size=2, dtype="float64")
    with pytest.raises(ValueError, match=r"as many rows as the probe, 8, received"):
        measure_volume(flow(layer), rows(), rows(2, count=7))


def test_picture_of_many_layers_and_reports():
    from tfp_flows.diagnostics.plots import png
    from tfp_flows.diagnostics.volume.picture import volume_profile

    report = measure_volume(expanding(1.1, layers=40), rows().astype("f"))
    reports = [dataclasses.replace(report, epoch=i) for i in range(60)]
    axis = volume_profile(reports)
    assert len(axis.lines) == 41
    assert png(axis.figure, dpi=30).startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="Measure first"):
        volume_profile([])


def test_picture_shows_the_history_and_survives_broken_reports(tmp_path):
    from tfp_flows.diagnostics.volume.picture import (
        singular_value_history,
        volume_profile,
        write_profile,
    )

    factors = (1.0, 2.0, np.nan)
    reports = [
        dataclasses.replace(
            measure_volume(expanding(factor, layers=2), rows().astype("f")),
            step=index,
            epoch=index,
        )
        for index, factor in enumerate(factors)
    ]
    history = singular_value_history(reports)
    np.testing.assert_allclose(history.lines[1].get_ydata(), [1.0, 4.0, np.nan])
    profile = volume_profile(reports[:2])
    named = [text.get_text() for text in profile.texts]
    assert named == ["start", "epoch 1, step 1"]
    np.testing.assert_allclose(
        profile.lines[1].get_ydata(), np.log(2.0) * np.arange(3), rtol=1e-6
    )
    for count in (1, 3):
        write_profile(tmp_path / "volume.png", reports[:count])
        assert (tmp_path / "volume.png").read_bytes().startswith(b"\x89PNG")


def test_diagnostics_load_without_tensorflow():
    code = "import tfp_flows.diagnostics, sys; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
