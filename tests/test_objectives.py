"""Laws over the table of objectives, and the seam itself."""

import dataclasses
from typing import ClassVar

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.cases.case import parametrize
from tests.cases.objectives import CASES, ROWS, ScoreOfDraws, flow, stock
from tests.weights import values
from tfp_flows import objectives
from tfp_flows.architectures import coupling_flow
from tfp_flows.distributions import Dequantized
from tfp_flows.models import FlowModel
from tfp_flows.objectives import NegativeLogLikelihood, Terms

tfb, tfd = tfp.bijectors, tfp.distributions


def made(case, dtype="float32", seed=0):
    keras.utils.set_random_seed(seed)
    return case.model(case.make(), dtype)


def loss(model, inputs, weight=None):
    """The loss of a training step, without the step."""
    terms = model(inputs, training=True)
    return model.compute_loss(inputs, None, terms, weight, training=True)


def test_every_objective_has_a_case():
    exported = {
        name
        for name in objectives.__all__
        if hasattr(getattr(objectives, name), "needs")
    }
    assert exported | {"ScoreOfDraws"} == {case.exported for case in CASES}


@pytest.mark.parametrize(**parametrize(CASES, law="every_variable_gets_a_gradient"))
def test_every_variable_gets_a_gradient(case):
    model, inputs = made(case), case.inputs("float32")
    with tf.GradientTape() as tape:
        value = loss(model, inputs)
    variables = model.trainable_variables
    assert variables
    gradients = tape.gradient(value, [v.value for v in variables])
    for variable, gradient in zip(variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.all(np.isfinite(gradient)), variable.path


@pytest.mark.parametrize(**parametrize(CASES, law="rows_are_weighted_as_in_keras"))
def test_rows_are_weighted_as_in_keras(case):
    """Σ w l / N: weights of two halves give the halves' own losses."""
    inputs = case.inputs("float32")
    plain = loss(made(case), inputs)
    parts = []
    for start in (0, ROWS // 2):
        weight = np.zeros(ROWS, "float32")
        weight[start : start + ROWS // 2] = 1.0
        parts.append(loss(made(case), inputs, tf.constant(weight)))
    np.testing.assert_allclose(plain, sum(parts), rtol=1e-5)
    assert parts[0] != parts[1]


@pytest.mark.parametrize(**parametrize(CASES, law="the_seed_decides"))
def test_the_seed_decides(case):
    inputs = case.inputs("float32")
    first, again, other = (float(loss(made(case, seed=s), inputs)) for s in (3, 3, 4))
    assert first == again
    model = made(case)
    if "seed" in case.make().needs:
        assert first != other
        # A new seed in every step.
        assert float(loss(model, inputs)) != float(loss(model, inputs))


@pytest.mark.parametrize(**parametrize(CASES, law="double_precision_stays_double"))
def test_double_precision_stays_double(case):
    terms = made(case, "float64")(case.inputs("float64"), training=True)
    parts = [terms["loss"]] if isinstance(terms, dict) else [terms.loss]
    assert {part.dtype for part in parts} == {tf.float64}
    assert np.all(np.isfinite(parts[0]))
    assert parts[0].shape == (ROWS,)


# Penalties of paths compile the solver, which that of a trajectory does each time.
PATHS = ("KineticEnergy", "JacobianNorm", "RandomEndTime")


@pytest.mark.parametrize(
    **parametrize(
        CASES,
        law="a_step_with_xla_is_a_step_without",
        slow=[case for case in CASES if case.name in PATHS],
    )
)
def test_a_step_with_xla_is_a_step_without(case):
    """Where numbers are drawn, XLA draws others: then weights move."""
    after, inputs = [], case.inputs("float32")
    draws = "seed" in case.make().needs
    for jit in (False, True):
        model = made(case)
        before = values(model.trainable_variables)
        model.compile(keras.optimizers.SGD(1e-3), jit_compile=jit)
        keras.Model.train_on_batch(model, inputs)
        after.append(values(before if draws and not jit else model.trainable_variables))
    pairs = list(zip(*after, strict=True))
    assert all(np.all(np.isfinite(compiled)) for _, compiled in pairs)
    if draws:
        assert any(np.any(plain != compiled) for plain, compiled in pairs)
        return
    for plain, compiled in pairs:
        np.testing.assert_allclose(plain, compiled, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(**parametrize(CASES, law="it_is_saved_by_its_fields"))
def test_it_is_saved_by_its_fields(case):
    objective = case.make()
    written = keras.saving.serialize_keras_object(objective)
    assert keras.saving.deserialize_keras_object(written) == objective


# An objective from outside.


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    return (rng.normal(size=[512, 2]) @ [[1.0, 0.6], [0.0, 0.8]]).astype("float32")


def test_an_energy_score_trains_a_stock_distribution(rows, tmp_path):
    """In ten lines outside of this package, by `fit`, and back from a file."""
    keras.utils.set_random_seed(0)
    model = stock(ScoreOfDraws(64), "float32")
    model.compile(keras.optimizers.Adam(0.05))
    before = model.evaluate(rows, verbose=0, return_dict=True)
    logs = model.fit(rows, epochs=60, batch_size=128, validation_split=0.25, verbose=0)
    after = model.evaluate(rows, verbose=0, return_dict=True)
    assert after["loss"] < before["loss"] - 1.0
    np.testing.assert_allclose(model.distribution.mean(), rows.mean(0), atol=0.15)
    np.testing.assert_allclose(
        model.distribution.covariance(), np.cov(rows.T), atol=0.25
    )
    likelihood = -np.mean(model.log_prob(rows))
    np.testing.assert_allclose(after["negative_log_likelihood"], likelihood, rtol=1e-4)
    shown = {"loss", "spread", "val_loss", "val_spread", "val_negative_log_likelihood"}
    assert set(logs.history) == shown
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.objective == ScoreOfDraws(64)
    np.testing.assert_array_equal(again.log_prob(rows), model.log_prob(rows))


class Implicit(tfd.Distribution):
    """Samples and no density."""

    def __init__(self, scale):
        self.scale = scale
        super().__init__(
            tf.float32, tfd.FULLY_REPARAMETERIZED, False, True, {"scale": scale}
        )

    def _event_shape(self):
        return tf.TensorShape([2])

    def _batch_shape(self):
        return tf.TensorShape([])

    def _sample_n(self, n, seed=None):
        noise = tf.random.stateless_normal([n, 2], seed)
        return self.scale * tf.math.sinh(noise)


def test_a_distribution_without_a_density_trains_and_shows_its_objective(rows):
    model = FlowModel(Implicit(tf.Variable(5.0)), objective=ScoreOfDraws(32))
    model.compile(keras.optimizers.Adam(0.1))
    before = model.evaluate(rows, verbose=0, return_dict=True)
    model.fit(rows, epochs=20, batch_size=128, verbose=0)
    after = model.evaluate(rows, verbose=0, return_dict=True)
    assert set(after) == {"loss", "spread"}
    assert after["loss"] < before["loss"] - 1.0
    assert model.sample(3, seed=0).shape == (3, 2)


@pytest.mark.parametrize(
    ("distribution", "needs", "message"),
    [
        (lambda: Implicit(tf.Variable(1.0)), "log_prob", "has no log-density"),
        (
            lambda: tfd.MixtureSameFamily(
                tfd.Categorical(logits=tf.Variable([0.0, 1.0])),
                tfd.MultivariateNormalDiag(tf.zeros([2, 2])),
            ),
            "samples",
            "not reparameterized",
        ),
        (
            lambda: tfd.Sample(tfd.Normal(tf.Variable(0.0), 1.0), 2),
            "layer_inputs",
            "no transformed distribution",
        ),
        (lambda: coupling_flow(2), "path", "continuous, with a path"),
        (lambda: coupling_flow(2), "velocity", "continuous, with a velocity"),
        (
            lambda: Dequantized(coupling_flow(2)),
            "path",
            "none of its layers is continuous",
        ),
        (lambda: coupling_flow(2), "score", "gives no score"),
    ],
    ids=["log_prob", "samples", "layer_inputs", "path", "velocity", "noise", "unknown"],
)
def test_what_a_distribution_lacks_is_said_before_training(
    distribution, needs, message
):
    class Wanting:
        def __call__(self, evaluation, *, seed, training):
            raise AssertionError("not reached")

    Wanting.needs = frozenset({needs})
    with pytest.raises(ValueError, match=f"Wanting, which needs {needs}: .*{message}"):
        FlowModel(distribution(), objective=Wanting())


def test_another_objective_takes_over_at_once(rows):
    model = flow(ScoreOfDraws(8), "float32")
    model.compile("sgd")
    first = model.fit(rows, epochs=1, verbose=0).history
    assert set(first) == {"loss", "spread"}
    model.objective = NegativeLogLikelihood()
    logs = model.evaluate(rows, verbose=0, return_dict=True)
    assert set(logs) == {"loss"}
    np.testing.assert_allclose(logs["loss"], -np.mean(model.log_prob(rows)), rtol=1e-4)
    second = model.fit(rows, epochs=1, verbose=0).history
    assert set(second) == {"loss"}
    assert abs(second["loss"][0] - logs["loss"]) < abs(first["loss"][0] - logs["loss"])


def test_no_objective_is_refused():
    with pytest.raises(TypeError, match="attribute `needs`.* received str"):
        FlowModel(coupling_flow(2), objective="mse")


def test_a_known_column_that_is_missing_is_named():
    model = flow(objectives.MixtureLikelihood(0.5), "float32")
    with pytest.raises(ValueError, match="known number for each row"):
        loss(model, np.zeros([4, 2], "float32"))
    model.compile("sgd")
    with pytest.raises(ValueError, match="MixtureLikelihood needs a known number"):
        model.fit(np.zeros([4, 2], "float32"))


def test_an_objective_that_could_not_be_loaded_is_not_saved(tmp_path):
    @dataclasses.dataclass(frozen=True)
    class Mine:
        needs: ClassVar = frozenset({"log_prob"})

        def __call__(self, evaluation, *, seed, training):
            return Terms(-evaluation.log_prob)

    model = flow(Mine(), "float32")
    with pytest.raises(TypeError, match="Mine: register it"):
        model.save(tmp_path / "model.keras")


# What is computed once.


class Continuous(tfb.Bijector):
    """A stand-in for a continuous layer: x → 2x, its path and its velocity."""

    end_time = 2.0

    def __init__(self):
        self.solved = []
        super().__init__(forward_min_event_ndims=1, parameters={})

    def _forward(self, x):
        self.solved.append(x)
        return 2.0 * x

    def _inverse(self, y):
        return 0.5 * y

    def _forward_log_det_jacobian(self, x):
        return tf.math.log(2.0) * x.shape[-1]

    def path(self, x):
        return tf.stack([x, self.forward(x)])

    def velocity(self, t, x):
        return x * np.log(2.0)


def test_path_and_velocity_come_from_the_layer_and_one_solve():
    seen = {}

    @dataclasses.dataclass(frozen=True)
    class Kinetic:
        needs: ClassVar = frozenset({"log_prob", "path", "velocity"})

        def __call__(self, evaluation, *, seed, training):
            seen.update(path=evaluation.path, velocity=evaluation.velocity)
            (states,) = evaluation.path
            energy = tf.reduce_sum(tf.square(states[1] - states[0]), axis=-1)
            return Terms(-evaluation.log_prob + energy, {"energy": energy})

    layer = Continuous()
    base = tfd.MultivariateNormalDiag(tf.Variable([0.0, 0.0]), tf.ones([2]))
    model = FlowModel(
        tfd.TransformedDistribution(base, tfb.Invert(layer)), objective=Kinetic()
    )
    model.compile("sgd")
    layer.solved.clear()
    x = np.ones([4, 2], "float32")
    logs = model.fit(x, epochs=1, batch_size=4, verbose=0).history
    assert logs["energy"] == [2.0]
    assert len(layer.solved) == 1
    velocity, end_time = seen["velocity"]
    np.testing.assert_allclose(velocity(0.0, x), x * np.log(2.0))
    assert end_time == 2.0


def test_a_penalty_shares_the_walk_of_the_likelihood():
    """No multiplication more than the density has, but those of the penalty."""
    counts = []
    for penalties in ([], [LayerSizes()]):
        distribution = coupling_flow(2, num_layers=2, hidden_sizes=(8,), seed=1)
        model = FlowModel(distribution, penalties=penalties)
        step = tf.function(lambda m=model: m(tf.zeros([5, 2]), training=True).loss)
        graph = step.get_concrete_function().graph
        counts.append(sum(op.type == "MatMul" for op in graph.get_operations()))
    assert counts[0] == counts[1] > 0


@dataclasses.dataclass(frozen=True)
class LayerSizes:
    """A penalty on what arrives at the layers."""

    needs: ClassVar = frozenset({"layer_inputs"})
    weight = 1.0

    def __call__(self, evaluation, *, seed, training):
        sizes = [tf.reduce_mean(tf.square(h)) for _, h in evaluation.layer_inputs()]
        return Terms(tf.add_n(sizes))


def test_the_likelihood_is_the_default():
    model = FlowModel(coupling_flow(2))
    assert model.objective == NegativeLogLikelihood()
    assert [metric.name for metric in model.metrics] == ["loss"] or not model.metrics
