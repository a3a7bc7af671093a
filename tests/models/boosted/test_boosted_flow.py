"""`BoostedFlow`: stages, frozen components, forms of data, files, refusals."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.weights import values
from tfp_flows.architectures import assembly, coupling_flow, fully_connected_flow
from tfp_flows.diagnostics import VolumeMonitor
from tfp_flows.models import BoostedFlow, FlowModel, RollBack
from tfp_flows.objectives import ResidualWeights

tfb, tfd = tfp.bijectors, tfp.distributions
FIT = {"batch_size": 100, "epochs": 3, "verbose": 0}


def gaussian(index=0):
    """One trainable Gaussian on the line, at −3 or further right."""
    loc = tf.Variable([2.0 * index - 3.0], name="loc")
    scale = tfp.util.TransformedVariable([1.0], tfb.Softplus(), name="scale")
    return tfd.MultivariateNormalDiag(loc, scale)


def spot(index=0):
    """One trainable Gaussian in the plane."""
    loc = tf.Variable([0.5 * index, 0.0], name="loc")
    return tfd.MultivariateNormalDiag(loc, tf.Variable([1.0, 1.0], name="scale"))


def flow(index, **arguments):
    return coupling_flow(
        2,
        num_layers=2,
        hidden_sizes=(16,),
        transform="affine",
        base=assembly.standard_normal(2, "float32"),
        seed=index,
        **arguments,
    )


@pytest.fixture
def two_modes():
    """Four fifths at −3 and a fifth at 3."""
    rng = np.random.default_rng(0)
    x = np.where(rng.uniform(size=[4_000, 1]) < 0.8, -3.0, 3.0)
    return (x + 0.5 * rng.normal(size=x.shape)).astype("float32")


@pytest.fixture
def plane():
    """Four clusters in the plane."""
    rng = np.random.default_rng(0)
    centers = np.array([[-3, 0], [3, 0], [0, 3], [0, -3]])
    return (
        centers[rng.integers(4, size=600)] + 0.4 * rng.normal(size=[600, 2])
    ).astype("float32")


def boosted(component=flow, num_components=2, rate=0.01, **arguments):
    keras.utils.set_random_seed(0)
    model = BoostedFlow(component, num_components, **arguments)
    model.compile(keras.optimizers.Adam(rate))
    return model


def assert_equal(first, second):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("rule", ["mixture", "residual"])
def test_second_component_takes_the_mode_the_first_does_not_cover(two_modes, rule):
    model = boosted(gaussian, rate=0.05, rule=rule)
    # Stage one as it would end on the larger mode alone.
    scale = model.component_models[0].distribution.parameters["scale_diag"]
    scale.assign([0.6])
    model.num_components = 1
    model.compile(keras.optimizers.SGD(0.0))
    model.fit(two_modes, epochs=1, batch_size=4_000, verbose=0)
    model.num_components = 2
    model.compile(keras.optimizers.Adam(0.05))
    model.fit(two_modes, epochs=60, batch_size=400, verbose=0)
    second = model.component_models[1].distribution
    assert second.loc.numpy()[0] == pytest.approx(3.0, abs=0.1)
    assert second.stddev().numpy()[0] == pytest.approx(0.5, abs=0.1)
    assert model.mixture_weights[1] == pytest.approx(0.2, abs=0.03)


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "rule",
    [
        "mixture",
        pytest.param("residual", marks=SLOW),
        pytest.param("tempered", marks=SLOW),
    ],
)
def test_training_likelihood_never_falls_and_early_components_stand_still(plane, rule):
    kept = {}

    class Watch(keras.callbacks.Callback):
        def on_stage_end(self, stage):
            index = stage.component
            kept[index] = values(self.model.component_models[index].variables)

    model = boosted(num_components=3, rule=rule)
    model.fit(plane, callbacks=[Watch()], **{**FIT, "epochs": 6})
    losses = [stage.loss for stage in model.stages]
    assert np.all(np.diff(losses) <= 1e-5)
    assert rule != "mixture" or losses[-1] < losses[0] - 0.01
    for index in range(3):
        assert_equal(kept[index], values(model.component_models[index].variables))
    assert sum(model.stages[-1].weights) == pytest.approx(1)
    assert model.evaluate(plane, verbose=0) == pytest.approx(losses[-1], abs=1e-4)


def test_one_component_is_the_plain_flow(plane):
    fit = {**FIT, "shuffle": False}
    model = boosted(num_components=1)
    model.fit(plane, **fit)
    keras.utils.set_random_seed(0)
    plain = FlowModel(flow(0))
    plain.compile(keras.optimizers.Adam(0.01))
    plain.fit(plane, **fit)
    assert_equal(values(model.trainable_variables), values(plain.trainable_variables))
    np.testing.assert_allclose(model.log_prob(plane), plain.log_prob(plane), atol=1e-5)


def test_likelihood_of_the_mixture_decides_when_a_stage_ends(plane):
    model = boosted(num_components=2, patience=2, rate=0.3)
    history = model.fit(plane, validation_split=0.2, **{**FIT, "epochs": 30}).history
    for number, stage in enumerate(model.stages, start=1):
        losses = stage.history["val_loss"]
        assert len(losses) == stage.num_epochs == history["stage"].count(number) < 30
    first, second = (stage.history["val_loss"] for stage in model.stages)
    assert np.argmin(first) == len(first) - 3
    # Patience does not count the half in which the component is lifted.
    assert len(second) >= 17
    assert len(history["val_loss"]) == sum(s.num_epochs for s in model.stages)
    # The weights of the best epoch are kept: a NaN or worse one would show here.
    held_out = plane[480:]
    found = model.evaluate(held_out, verbose=0)
    assert found == pytest.approx(model.stages[-1].val_loss, abs=1e-4)
    # There weights are those of the training rows, in an epoch those of the held-out.
    assert found == pytest.approx(min(second), abs=0.05)


def test_callbacks_see_one_model_and_one_count_of_epochs(plane, tmp_path, capsys):
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen.append("begin")

        def on_epoch_end(self, epoch, logs=None):
            assert self.model is model
            self.model.save(tmp_path / "inside.keras")
            seen.append((epoch, int(logs["stage"])))

        def on_train_end(self, logs=None):
            seen.append("end")

    model = boosted(spot)
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    model.fit(
        plane, callbacks=[Watch(), log], validation_data=plane, **{**FIT, "verbose": 2}
    )
    epochs = [(epoch, 1 + epoch // 3) for epoch in range(6)]
    assert seen == ["begin", *epochs, "end"]
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 7
    printed = capsys.readouterr().out
    assert "stage 1 of 2: MultivariateNormalDiag" in printed
    assert "component 2: 3 epochs, mixture NLL" in printed


def test_a_callback_stops_the_whole(plane):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 4

    model = boosted(spot, 3)
    model.fit(plane, callbacks=Stop(), **FIT)
    assert [stage.num_epochs for stage in model.stages] == [3, 2]
    assert len(model.component_models) == 2


def test_rates_that_fall_begin_anew_in_each_stage(plane):
    rates = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))
            self.model.optimizer.learning_rate = rates[-1] / 2

    model = boosted(spot)
    model.fit(plane, callbacks=Watch(), **FIT)
    np.testing.assert_allclose(rates, 2 * [0.01, 0.005, 0.0025])


def test_callbacks_of_one_flow_follow_the_component(plane):
    monitor, rescue = VolumeMonitor(plane, every=2, max_share=None), RollBack()
    model = boosted()
    model.fit(plane, callbacks=[monitor, rescue], **FIT)
    assert len(model.stages) == 2
    assert len(monitor.reports) > 4


def test_early_stopping_ends_a_stage_and_begins_anew(plane):
    stop = keras.callbacks.EarlyStopping("val_loss", patience=1, mode="max")
    model = boosted(spot, patience=None)
    # Every epoch that lowers the loss is one without improvement for this callback.
    model.fit(plane, validation_data=plane, callbacks=stop, **{**FIT, "epochs": 8})
    assert len(model.stages) == 2
    assert all(stage.num_epochs < 8 for stage in model.stages)


@pytest.mark.slow
def test_auto_stops_where_nothing_is_gained(two_modes):
    model = boosted(gaussian, "auto", rate=0.1, min_gain=0.3)
    model.fit(
        two_modes, validation_split=0.2, **{**FIT, "epochs": 25, "batch_size": 400}
    )
    assert len(model.component_models) == len(model.stages) == 2
    assert len(model.mixture_weights) == 2
    assert model.stages[1].gain > 0.3
    assert len(model.trainable_variables) == 4
    with pytest.raises(ValueError, match="validation_data or validation_split"):
        boosted(gaussian, "auto").fit(two_modes)


def test_an_interrupted_training_goes_on_with_its_stage(plane, tmp_path):
    """Saved within stage two, it begins stage two again."""
    path = tmp_path / "model.keras"

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 4:
                self.model.save(path)
                raise KeyboardInterrupt

    model = boosted(spot, 3)
    with pytest.raises(KeyboardInterrupt):
        model.fit(plane, callbacks=Interrupt(), validation_data=plane, **FIT)
    # What was there before the stage is as it was.
    assert len(model.component_models) == len(model.stages) == 1
    assert model.evaluate(plane, verbose=0) == pytest.approx(model.stages[0].loss, 1e-5)
    first = values(model.component_models[0].trainable_variables)

    loaded = keras.models.load_model(path)
    assert (len(loaded.component_models), len(loaded.stages)) == (2, 1)
    with pytest.raises(ValueError, match="set model.component"):
        loaded.fit(plane, validation_data=plane, **FIT)
    loaded.component = spot
    history = loaded.fit(plane, validation_data=plane, **FIT).history
    assert history["stage"] == [2.0] * 3 + [3.0] * 3
    assert [stage.component for stage in loaded.stages] == [0, 1, 2]
    assert_equal(first, values(loaded.component_models[0].trainable_variables))


def test_files_hold_everything(plane, tmp_path):
    rule = ResidualWeights(log_floor=-3.0)
    model = boosted(rule=rule, patience=4)
    model.fit(plane, **FIT)
    expected = model.log_prob(plane)
    model.save(tmp_path / "model.keras")
    other = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(other.log_prob(plane), expected)
    assert other.stages == model.stages
    assert (other.rule, other.patience) == (rule, 4)
    np.testing.assert_array_equal(other.sample(9, seed=1), model.sample(9, seed=1))
    model.export(str(tmp_path / "served"), verbose=False)
    served = tf.saved_model.load(str(tmp_path / "served"))
    np.testing.assert_allclose(served.log_prob(plane), expected, atol=1e-5)
    assert served.sample(9, seed=[0, 1]).shape == [9, 2]


@keras.saving.register_keras_serializable(package="tests")
def registered(index):
    return flow(index)


def test_a_registered_component_is_saved(plane, tmp_path):
    model = boosted(registered, 1)
    model.fit(plane, **FIT)
    model.save(tmp_path / "model.keras")
    other = keras.models.load_model(tmp_path / "model.keras")
    other.num_components = 2
    other.fit(plane, **FIT)
    assert len(other.stages) == 2


def test_rows_that_are_not_cached_are_evaluated(plane):
    expected = boosted(spot, rule="residual")
    fit = {**FIT, "shuffle": False, "batch_size": 600}
    expected.fit(plane, **fit)
    dataset = tf.data.Dataset.from_tensor_slices(plane).batch(600)
    streamed = boosted(spot, rule="residual")
    with pytest.warns(UserWarning, match="not known by their place"):
        streamed.fit(dataset, epochs=3, verbose=0)
    np.testing.assert_allclose(
        streamed.log_prob(plane), expected.log_prob(plane), atol=1e-3
    )
    small = boosted(spot, cache_rows=500)
    with pytest.warns(UserWarning, match="600 rows are more than cache_rows = 500"):
        small.fit(plane, **FIT)
    assert small.stages[1].loss <= small.stages[0].loss + 1e-5


def test_weights_of_rows_count_in_every_stage(two_modes):
    """Rows of weight zero are as good as absent."""
    weight = (two_modes[:, 0] < 0).astype("float32")
    fit = {**FIT, "batch_size": 4_000, "shuffle": False, "epochs": 20}
    weighted, alone = boosted(gaussian, rate=0.05), boosted(gaussian, rate=0.05)
    weighted.fit(two_modes, sample_weight=weight, **fit)
    alone.fit(two_modes[weight > 0], **fit)
    for model in (weighted, alone):
        assert model.stages[-1].loss == pytest.approx(0.72, abs=0.05)
    np.testing.assert_allclose(
        weighted.mixture_weights, alone.mixture_weights, atol=0.05
    )


def test_conditional_components(plane):
    context = plane[:, :1] ** 2
    model = boosted(lambda index: flow(index, context_size=1))
    model.fit(plane, context, validation_split=0.2, **FIT)
    assert model.log_prob(plane, context).shape == [600]
    assert model.sample(3, context=context[:4], seed=0).shape == [3, 4, 2]
    with pytest.raises(ValueError, match="context of 1 features"):
        model.log_prob(plane)


def test_families_may_differ_and_inverses_may_be_learned(plane):
    families = [
        lambda: fully_connected_flow(2, num_layers=2, seed=0),
        lambda: tfd.MultivariateNormalDiag(tf.Variable([0.0, 0.0]), tf.ones(2)),
        lambda: flow(2),
    ]
    model = boosted(lambda index: families[index](), 3)
    model.fit(plane, **FIT)
    assert model.evaluate(plane, verbose=0) == pytest.approx(
        model.stages[-1].loss, abs=1e-4
    )


@pytest.mark.filterwarnings("ignore:The weights became NaN")
@pytest.mark.slow
def test_correction_improves_or_is_taken_back(plane):
    model = boosted(num_components=2)
    model.fit(plane, validation_split=0.2, corrective_passes=1, **FIT)
    assert [(s.component, s.correction) for s in model.stages] == [
        (0, False),
        (1, False),
        (0, True),
        (1, True),
    ]
    assert all(stage.gain >= 0 for stage in model.stages[2:])
    before = model.evaluate(plane[480:], verbose=0)
    assert before == pytest.approx(model.stages[-1].val_loss, abs=1e-4)
    # So large a step can only do harm.
    model.compile(keras.optimizers.SGD(1e30))
    weights = values(model.trainable_variables)
    with pytest.raises(ValueError, match="not finite"):
        model.fit(plane, validation_split=0.2, corrective_passes=1, **FIT)
    assert_equal(weights, values(model.trainable_variables))
    assert model.evaluate(plane[480:], verbose=0) == pytest.approx(before, abs=1e-5)


@pytest.mark.filterwarnings("ignore:The weights became NaN")
def test_a_component_that_diverges_leaves_the_mixture(plane):
    model = boosted(num_components=1)
    model.fit(plane, **FIT)
    expected = model.log_prob(plane)
    model.num_components = 2
    model.compile(keras.optimizers.SGD(1e30))
    with pytest.raises(ValueError, match="weights are not finite"):
        model.fit(plane, **FIT)
    np.testing.assert_array_equal(model.log_prob(plane), expected)


def test_collapsed_weights_are_reported(two_modes):
    model = boosted(gaussian, rate=0.05, rule=ResidualWeights(log_floor=None))
    model.compile(keras.optimizers.SGD(0.0))
    with pytest.warns(UserWarning, match="effective sample size"):
        model.fit(two_modes, epochs=1, batch_size=4_000, verbose=0)
    assert model.stages[1].effective_sample_size < 0.05


def test_wrong_arguments_are_refused(plane):
    for number in (0, -1, 1.5, True, "all"):
        with pytest.raises(ValueError, match="whole number ≥ 1"):
            BoostedFlow(flow, number)
    with pytest.raises(TypeError, match="function that builds a fresh"):
        BoostedFlow(flow(0))
    with pytest.raises(TypeError, match="must return a tfp"):
        BoostedFlow(lambda: 1.0)
    with pytest.raises(ValueError, match="'mixture', 'residual', 'tempered'"):
        BoostedFlow(flow, rule="boost")
    with pytest.raises(ValueError, match="at least 1"):
        BoostedFlow(flow, patience=0)
    with pytest.raises(ValueError, match="compile"):
        BoostedFlow(flow).fit(plane)
    model = boosted()
    with pytest.raises(ValueError, match="leaves a part empty"):
        model.fit(plane[:2], validation_split=0.9)
    for weight in (np.ones(3), -np.ones(600), np.zeros(600), np.ones([600, 1])):
        with pytest.raises(ValueError, match="600 numbers ≥ 0"):
            model.fit(plane, sample_weight=weight)
    with pytest.raises(ValueError, match="epochs must be at least 1"):
        model.fit(plane, epochs=0)
    with pytest.raises(ValueError, match="NaN or an infinity"):
        model.fit(np.full([10, 2], np.nan))
    with pytest.raises(NotImplementedError, match="FlowModel"):
        model.train_on_batch(plane)
    model.fit(plane, **FIT)
    with pytest.raises(ValueError, match="All 2 components are trained"):
        model.fit(plane, **FIT)


def test_the_same_component_twice_is_refused(plane):
    one = flow(0)
    with pytest.raises(ValueError, match="shares the weight"):
        boosted(lambda: one).fit(plane, **FIT)
    inner = one.bijector

    def around():
        base = tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))
        return tfd.TransformedDistribution(base, inner)

    model = boosted(around)
    with pytest.raises(ValueError, match="shares the weight"):
        model.fit(plane, **FIT)
    assert len(model.component_models) == 1


def test_a_context_goes_with_rows_that_are_not_cached(plane):
    context = plane[:, :1] ** 2
    model = boosted(lambda index: flow(index, context_size=1), cache_rows=500)
    with pytest.warns(UserWarning, match="more than cache_rows = 500"):
        model.fit(plane, context, batch_size=100, epochs=1, verbose=0)
    assert len(model.stages) == 2
    assert np.all(np.isfinite(model.log_prob(plane, context)))


def test_other_events_are_refused(plane):
    model = boosted(lambda index: flow(0) if index == 0 else gaussian())
    with pytest.raises(ValueError, match="same event_shape"):
        model.fit(plane, **FIT)
    assert np.isfinite(model.evaluate(plane, verbose=0))


@pytest.mark.slow
def test_replicas_train_as_one_device():
    code = REPLICAS
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert "agrees" in done.stdout, done.stderr[-2000:]


REPLICAS = """
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)
from tests.models.boosted.test_boosted_flow import boosted
x = np.random.default_rng(0).normal(size=[256, 2]).astype("float32") ** 3

def train():
    model = boosted()
    model.fit(x, batch_size=64, epochs=2, shuffle=False, verbose=0, validation_data=x)
    return [stage.loss for stage in model.stages]

one = train()
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    two = train()
assert np.abs(np.subtract(one, two)).max() < 1e-3, (one, two)
print("agrees", one, two)
"""
