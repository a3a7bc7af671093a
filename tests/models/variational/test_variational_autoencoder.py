"""Autoencoders against closed forms, and their training in stages."""

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from tensorflow_probability import bijectors as tfb

from tests.weights import values
from tfp_flows import ode
from tfp_flows.bijectors import (
    Continuous,
    Coupling,
    HutchinsonDivergence,
    MaskedAutoregressive,
)
from tfp_flows.models import (
    BoostedPosterior,
    DiscretizedLogisticLikelihood,
    FlowPosterior,
    GaussianPosterior,
    NormalLikelihood,
    VariationalAutoencoder,
)
from tfp_flows.models.variational import importance
from tfp_flows.networks import VelocityMLP, dense_decoder, dense_encoder
from tfp_flows.objectives import Reconstruction, TrajectoryPolynomial

LATENT, SHAPE = 4, (6, 6)
F64 = {"dtype": "float64"}


def component(index):
    return Coupling(
        LATENT, flip=index % 2 == 1, hidden_sizes=(8,), seed=index, name=f"f{index}"
    )


def amortized(index):
    """Two flows that see the encoder's context, in a chain."""
    layer = MaskedAutoregressive(
        LATENT, hidden_sizes=(8,), context_size=3, seed=index, name=f"made{index}"
    )
    coupling = Coupling(
        LATENT, hidden_sizes=(8,), context_size=3, seed=index, name=f"coupling{index}"
    )
    return tfb.Chain([coupling, layer])


def continuous():
    """A velocity that sees the encoder's context; one random probe in training."""
    network = VelocityMLP(LATENT, hidden_sizes=(8,), context_size=3, seed=1)
    solver = ode.Solver("rk4", ode.FixedSteps(2))
    noisy = HutchinsonDivergence()
    return FlowPosterior(Continuous(network, solver=solver, training_divergence=noisy))


POSTERIORS = {
    "continuous": (continuous, 3),
    "gaussian": (GaussianPosterior, 0),
    "amortized flow": (lambda: FlowPosterior(amortized(0)), 3),
    "boosted": (lambda: BoostedPosterior(component, 2), 0),
    "boosted, amortized": (lambda: BoostedPosterior(amortized, 2), 3),
}


def build(
    posterior=None,
    context_size=0,
    likelihood="bernoulli",
    parameters=1,
    compiles=True,
    penalties=(),
):
    keras.utils.set_random_seed(0)
    small = {"hidden_sizes": (16,), "seed": 1}
    made = VariationalAutoencoder(
        dense_encoder(SHAPE, LATENT, context_size=context_size, **small),
        dense_decoder(LATENT, SHAPE, parameters_per_value=parameters, **small),
        posterior=posterior,
        likelihood=likelihood,
        penalties=penalties,
    )
    if compiles:
        made.compile(keras.optimizers.Adam(0.01))
    return made


@pytest.fixture(scope="module")
def x():
    """Binary pictures of two kinds."""
    rng = np.random.default_rng(0)
    probabilities = np.where(rng.random([256, 1, 1]) < 0.5, 0.1, 0.8)
    return (rng.random([256, *SHAPE]) < probabilities).astype("float32")


def is_same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


class Recorder(keras.callbacks.Callback):
    """Weights at the end of every stage, and what a callback is told."""

    def __init__(self):
        super().__init__()
        self.models, self.epochs, self.begun, self.ended = set(), [], 0, 0
        self.at_stage = {}

    def on_train_begin(self, logs=None):
        self.begun += 1

    def on_train_end(self, logs=None):
        self.ended += 1

    def on_epoch_end(self, epoch, logs=None):
        self.models.add(id(self.model))
        self.epochs.append(epoch)
        self.at_stage[int(logs["stage"])] = (
            [values(c.variables) for c in self.model.components],
            values(self.model.encoder.weights) + values(self.model.decoder.weights),
            int(self.model.optimizer.iterations),
        )


@pytest.fixture(scope="module")
def boosted(x):
    """A model after two stages, its history and what was recorded."""
    made, recorder = build(POSTERIORS["boosted"][0]()), Recorder()
    start = [values(c.variables) for c in made.components]
    history = made.fit(
        x,
        epochs=3,
        batch_size=64,
        validation_data=x[:64],
        verbose=0,
        callbacks=[recorder, keras.callbacks.EarlyStopping("val_loss", min_delta=1e3)],
    )
    return made, history, recorder, start


def test_a_stage_trains_its_component_and_the_networks_alone(boosted):
    _, _, recorder, before = boosted
    networks = None
    for stage in (1, 2):
        components, now, _ = recorder.at_stage[stage]
        for index in range(2):
            same = is_same(before[index], components[index])
            assert same == (index != stage - 1), f"component {index}, stage {stage}"
        assert networks is None or not any(map(np.array_equal, networks, now))
        before, networks = components, now


def test_callbacks_see_one_training_with_consecutive_epochs(boosted):
    made, history, recorder, _ = boosted
    # Stages end by early stopping after two epochs, the second of which has β = 1.
    assert recorder.epochs == history.epoch == list(range(4))
    assert (recorder.begun, recorder.ended) == (1, 1)
    assert recorder.models == {id(made)}
    assert history.history["stage"] == [1, 1, 2, 2]
    assert made.history is history
    assert set(history.history) == {
        *("loss", "kl", "reconstruction", "stage", "beta"),
        *("val_loss", "val_kl", "val_reconstruction"),
    }
    assert all(len(v) == 4 for v in history.history.values())


def test_each_stage_has_an_optimizer_of_its_own(boosted):
    _, _, recorder, _ = boosted
    assert [recorder.at_stage[stage][2] for stage in (1, 2)] == [8, 8]


def test_stages_end_with_weights_on_the_simplex(boosted):
    made = boosted[0]
    assert made.num_finished_stages == made.stage == 2
    weights = made.mixture_weights.numpy()
    np.testing.assert_allclose(weights.sum(), 1, rtol=1e-6)
    assert np.all(weights >= 0)


def test_a_stage_does_not_end_while_beta_rises(x):
    stop = keras.callbacks.EarlyStopping("loss", min_delta=1e3)
    history = build().fit(
        x, epochs=6, annealing_epochs=4, verbose=0, callbacks=[stop], batch_size=128
    )
    assert history.history["beta"] == [0.25, 0.5, 0.75, 1.0]


class Killed(Exception):
    pass


class Kill(keras.callbacks.Callback):
    """Saves and ends the training in the middle of stage 2."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        if logs["stage"] == 2:
            self.model.save(self.path)
            raise Killed


def test_a_killed_fit_goes_on_with_its_stage(x, tmp_path):
    made = build(BoostedPosterior(component, 2, weights="uniform"))
    arguments = {"epochs": 1, "batch_size": 128, "verbose": 0}
    with pytest.raises(Killed):
        made.fit(x, callbacks=[Kill(tmp_path / "m.keras")], **arguments)
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert (loaded.stage, loaded.num_finished_stages) == (2, 1)
    first = values(loaded.components[0].variables)
    assert is_same(first, values(made.components[0].variables))
    assert loaded.fit(x, **arguments).history["stage"] == [2]
    assert loaded.num_finished_stages == 2
    assert is_same(first, values(loaded.components[0].variables))
    np.testing.assert_array_equal(loaded.mixture_weights, [0.5, 0.5])
    # All stages are finished: the last one goes on, with β = 1.
    again = loaded.fit(x, **arguments).history
    assert (again["stage"], again["beta"]) == ([2], [1.0])
    assert is_same(first, values(loaded.components[0].variables))


@pytest.fixture(scope="module")
def trained(x, boosted):
    """One model of each kind, away from the start, where flows are the identity."""
    models = {"boosted": boosted[0]}
    for name in POSTERIORS:
        if name not in models:
            make, context_size = POSTERIORS[name]
            made = models[name] = build(make(), context_size)
            for variable in made.weights:
                if "kernel" in variable.name or "bias" in variable.name:
                    noise = keras.random.normal(variable.shape, seed=1)
                    variable.assign_add(0.1 * noise)
            if made.num_components == 2:
                made.mixture_weights.assign([0.3, 0.7])
                made.progress.assign([2, 2])
    return models


@pytest.mark.parametrize("name", POSTERIORS)
def test_whole_model_and_weights_round_trip(trained, x, tmp_path, name):
    made = trained[name]
    expected = made.elbo(x, 2, seed=1)
    made.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.elbo(x, 2, seed=1), expected)
    assert (loaded.stage, loaded.num_finished_stages) == (
        made.stage,
        made.num_finished_stages,
    )
    made.save_weights(tmp_path / "m.weights.h5")
    make, context_size = POSTERIORS[name]
    fresh = build(make(), context_size, compiles=False)
    fresh.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(fresh.elbo(x, 2, seed=1), expected)


@pytest.mark.parametrize("name", POSTERIORS)
def test_bound_evaluate_and_predict_agree(trained, x, name):
    made = trained[name]
    logs = made.evaluate(x, verbose=0, return_dict=True)
    np.testing.assert_allclose(
        logs["loss"], logs["reconstruction"] + logs["kl"], rtol=1e-5
    )
    bound = np.mean(made.elbo(x, 50, seed=1))
    deviation = np.std(made.elbo(x, 1, seed=1)) / np.sqrt(len(x))
    assert abs(logs["loss"] + bound) < 5 * deviation
    predicted = made.predict(x, verbose=0)
    assert predicted["loss"].shape == (len(x),)
    assert abs(predicted["loss"].mean() + bound) < 5 * deviation
    assert np.mean(made.log_prob(x, 100, seed=1)) > bound
    posterior = made.posterior_distribution(x)
    assert posterior.batch_shape == [len(x)]
    sample, mean = made.encode(x, seed=1)
    assert sample.shape == mean.shape == (len(x), LATENT)
    draws = posterior.sample(64, seed=2)
    error = 6 * np.std(draws, axis=0) / np.sqrt(64) * np.sqrt(2)
    assert np.all(np.abs(np.mean(draws, axis=0) - mean) < error)


def test_pictures_follow_the_seed(trained, x):
    made = trained["boosted"]
    for method, first in (("reconstruct", x), ("generate", 5)):
        one, same, other = (getattr(made, method)(first, seed=s) for s in (1, 1, 2))
        np.testing.assert_array_equal(one, same)
        assert np.any(one != other)
        assert one.shape == (256 if method == "reconstruct" else 5, *SHAPE)
        assert np.all((one >= 0) & (one <= 1))
    drawn = made.generate(5, seed=1, sample=True)
    assert set(np.unique(drawn)) <= {0.0, 1.0}
    for wrong in (-1, 2.5):
        with pytest.raises(ValueError, match="whole number"):
            made.generate(wrong)
    with pytest.raises(ValueError, match="stateless seed"):
        made.generate(1, seed=[1, 2, 3])


def test_export_answers_where_the_package_cannot_be_imported(trained, x, tmp_path):
    made = trained["boosted, amortized"]
    made.export(str(tmp_path / "model"), verbose=False)
    seed, count = tf.constant([0, 3]), tf.constant(2)
    sample, mean = made.encode(x, seed)
    np.savez(
        tmp_path / "model.npz",
        x=x,
        sample=sample,
        mean=mean,
        reconstruct=made.reconstruct(x, seed),
        generate=made.generate(2, seed),
        elbo=made.elbo(x, count, seed),
    )
    reader = pathlib.Path(__file__).parents[2] / "serving" / "read_autoencoder.py"
    result = subprocess.run(
        [sys.executable, str(reader), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr[-2000:]
    assert result.stdout.count("agrees") == 1


@pytest.mark.slow
def test_a_continuous_posterior_is_exported(trained, x, tmp_path):
    made = trained["continuous"]
    made.export(str(tmp_path / "model"), verbose=False)
    served = tf.saved_model.load(str(tmp_path / "model"))
    seed, count = tf.constant([0, 3]), tf.constant(2)
    found = served.elbo(x[:8], count, seed)
    np.testing.assert_allclose(found, made.elbo(x[:8], 2, seed), rtol=1e-5)


@pytest.fixture(scope="module")
def straightened(x):
    """A continuous posterior before and after a training by a penalty alone, nearly."""
    posterior = FlowPosterior(
        Continuous(
            VelocityMLP(LATENT, hidden_sizes=(8,), context_size=3, seed=1),
            solver=ode.Solver(steps=ode.AdaptiveSteps(1e-3)),
        )
    )
    made = build(posterior, 3, penalties=[TrajectoryPolynomial(1e4)])
    rng = np.random.default_rng(0)
    for variable in made.components[0].trainable_variables:
        variable.assign_add(rng.normal(size=variable.shape))
    history = made.fit(
        x[:64], batch_size=32, epochs=4, validation_data=x[:32], verbose=0
    )
    return made, history.history


def test_paths_of_a_posterior_are_straightened_and_counted(straightened, x):
    made, history = straightened
    residuals = history["trajectory_polynomial"]
    assert residuals[-1] < 0.5 * residuals[0]
    # In the gradient, not in the loss that is shown.
    parts = np.array(history["reconstruction"]) + history["kl"]
    np.testing.assert_allclose(history["loss"][-1], parts[-1], rtol=1e-5)
    assert "val_trajectory_polynomial" not in history
    assert all(calls > 0 for calls in history["calls"] + history["val_calls"])
    assert made.predict(x[:5], verbose=0)["calls"].shape == (5,)


def test_a_model_with_penalties_is_saved_with_them(straightened, x, tmp_path):
    made, _ = straightened
    made.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.elbo(x, 2, seed=1), made.elbo(x, 2, seed=1))
    logs = loaded.fit(x[:32], batch_size=32, verbose=0).history
    assert "trajectory_polynomial" in logs


@pytest.mark.parametrize(
    ("posterior", "context", "penalty"),
    [
        (GaussianPosterior, 0, TrajectoryPolynomial()),
        (lambda: BoostedPosterior(component, 2), 0, TrajectoryPolynomial()),
        (continuous, 3, Reconstruction()),
    ],
)
def test_penalties_of_paths_that_are_not_there_are_refused(posterior, context, penalty):
    with pytest.raises(ValueError, match="expected penalties of paths"):
        build(posterior(), context, penalties=[penalty])


# A linear decoder with orthogonal columns: the posterior is a diagonal Gaussian.

NOISE = 0.5
LOADINGS = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.5], [0.0, -0.5], [0.0, 1.0]])
SHIFT = np.arange(5.0)


def linear_autoencoder(posterior=None, stretch=1.0, moved=0.0):
    """The exact posterior; wrong by a factor of its scale and a shift of its mean."""
    precision = 1 + (LOADINGS**2).sum(axis=0) / NOISE**2
    encoder = keras.Sequential([keras.Input((5,), **F64), keras.layers.Dense(4, **F64)])
    decoder = keras.Sequential([keras.Input((2,), **F64), keras.layers.Dense(5, **F64)])
    decoder.set_weights([LOADINGS.T, SHIFT])
    loc = LOADINGS / precision / NOISE**2
    raw_scale = np.log(np.expm1(stretch / np.sqrt(precision)))
    kernel = np.concatenate([loc, np.zeros([5, 2])], axis=1)
    encoder.set_weights([kernel, np.concatenate([moved - SHIFT @ loc, raw_scale])])
    return VariationalAutoencoder(
        encoder, decoder, posterior=posterior, likelihood=NormalLikelihood(NOISE)
    )


def test_callbacks_know_how_long_a_training_is(x):
    class Length(keras.callbacks.Callback):
        seen = []

        def on_epoch_end(self, epoch, logs=None):
            self.seen.append((epoch + 1, self.params["epochs"], self.params["steps"]))

    made = build(BoostedPosterior(component, 2))
    rows = x[:64]
    made.fit(rows, batch_size=32, epochs=2, verbose=0, callbacks=[Length()])
    assert Length.seen == [(1, 2, 2), (2, 2, 2), (3, 4, 2), (4, 4, 2)]


def linear_data():
    rng = np.random.default_rng(3)
    noise = NOISE * rng.normal(size=[40, 5])
    x = rng.normal(size=[40, 2]) @ LOADINGS.T + SHIFT + noise
    covariance = LOADINGS @ LOADINGS.T + NOISE**2 * np.eye(5)
    return x, stats.multivariate_normal(SHIFT, covariance).logpdf(x)


def shifts():
    return BoostedPosterior(
        [tfb.Shift(np.zeros(2)), tfb.Shift(np.array([0.4, -0.3]))], weights="uniform"
    )


def test_the_exact_posterior_attains_the_evidence():
    """At every draw: log p(x, z) − log q(z|x) is log p(x)."""
    x, evidence = linear_data()
    made = linear_autoencoder()
    np.testing.assert_allclose(made.elbo(x, 3, seed=0), evidence, rtol=1e-9)
    np.testing.assert_allclose(made.log_prob(x, 7, seed=0), evidence, rtol=1e-9)


@pytest.mark.parametrize("mixture", [False, True])
def test_a_wrong_posterior_is_below_and_importance_weights_approach(mixture):
    x, evidence = linear_data()
    made = linear_autoencoder(shifts() if mixture else None, stretch=1.3, moved=0.1)
    if mixture:
        made.mixture_weights.assign([0.5, 0.5])
        made.progress.assign([2, 2])
    bounds = [np.mean(made.elbo(x, 2000, seed=0))]
    bounds += [np.mean(made.log_prob(x, n, seed=0)) for n in (10, 2000)]
    assert bounds[0] < bounds[1] < bounds[2] < np.mean(evidence) + 1e-2
    np.testing.assert_allclose(made.log_prob(x, 20_000, seed=1), evidence, atol=0.05)


def test_the_gap_of_the_bound_is_the_divergence():
    """KL(N(m + δ, s²σ²) ‖ N(m, σ²)) in closed form."""
    x, evidence = linear_data()
    stretch, moved = 1.3, 0.1
    made = linear_autoencoder(stretch=stretch, moved=moved)
    precision = 1 + (LOADINGS**2).sum(axis=0) / NOISE**2
    gap = 0.5 * (stretch**2 - 1 + moved**2 * precision) - np.log(stretch)
    found = evidence - made.elbo(x, 20_000, seed=0).numpy()
    np.testing.assert_allclose(found, gap.sum(), atol=0.05)


def test_log_prob_in_pieces_and_of_a_data_set(x, trained, monkeypatch):
    made = trained["gaussian"]
    whole = made.log_prob(x, 200, seed=1, verbose=0)
    batches = tf.data.Dataset.from_tensor_slices(x).batch(100)
    np.testing.assert_array_equal(made.log_prob(batches, 200, seed=1), whole)
    monkeypatch.setattr(importance, "_LARGEST", 36 * 100 * 7)
    pieces = made.log_prob(x, 200, seed=1)
    assert np.any(pieces != whole)
    np.testing.assert_allclose(pieces.mean(), whole.mean(), atol=0.1)
    with pytest.raises(ValueError, match="num_samples"):
        made.log_prob(x, 0)


def test_gray_levels_and_real_data_train(x):
    rng = np.random.default_rng(0)
    gray = np.round(np.clip(200 * x + 20 * rng.random(x.shape), 0, 255))
    for likelihood, parameters, data in (
        ("discretized_logistic", 2, gray),
        (NormalLikelihood(0.3), 1, x + 0.1 * rng.normal(size=x.shape)),
    ):
        made = build(None, 0, likelihood, parameters)
        history = made.fit(data, epochs=8, batch_size=64, verbose=0, annealing_epochs=0)
        assert history.history["loss"][-1] < history.history["loss"][0]
        assert made.generate(2, seed=0, sample=True).shape == (2, *SHAPE)
        assert np.all(np.isfinite(made.log_prob(data[:5], 10, seed=0)))


def test_data_sets_weights_and_eager_steps(x):
    def weights(data, run_eagerly=False, **arguments):
        made = build()
        made.compile(keras.optimizers.SGD(0.01), run_eagerly=run_eagerly)
        made.seeds.state.assign([7, 0])
        made.fit(data, epochs=2, verbose=0, shuffle=False, **arguments)
        return values(made.trainable_variables)

    expected = weights(x, batch_size=64)
    batches = tf.data.Dataset.from_tensor_slices(x).batch(64)
    ones = np.ones(len(x), "float32")
    for other in (
        weights(batches),
        weights(x, batch_size=64, sample_weight=ones),
        weights(x, batch_size=64, run_eagerly=True),
    ):
        for one, same in zip(expected, other, strict=True):
            np.testing.assert_allclose(one, same, atol=1e-5)
    doubled = weights(x, batch_size=64, sample_weight=2 * ones)
    assert not is_same(expected, doubled)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.full([4, *SHAPE], 0.5), "zeros and ones, received the value 0.5"),
        (np.full([4, *SHAPE], np.nan), "NaN"),
        (np.zeros([4, 36]), r"x must have shape \[N, 6, 6\]"),
        (np.zeros([0, *SHAPE]), "no rows"),
        (tf.data.Dataset.from_tensors(np.full([4, *SHAPE], 2.0)), "value 2"),
    ],
)
def test_bad_data_is_refused_before_training(trained, data, message):
    made = trained["gaussian"]
    before = made.get_weights()
    with pytest.raises(ValueError, match=message):
        made.fit(data, verbose=0)
    with pytest.raises(ValueError, match=message):
        made.fit(np.zeros([4, *SHAPE]), validation_data=data, verbose=0)
    assert is_same(before, made.get_weights())


def test_gray_levels_outside_are_refused():
    likelihood = DiscretizedLogisticLikelihood()
    for value in (-1.0, 256.0, 0.5):
        with pytest.raises(ValueError, match="whole numbers 0 … 255"):
            likelihood.check(np.array([[0.0, value]]))
    likelihood.check(np.array([[0.0, 255.0]]))
    with pytest.raises(ValueError, match="num_values"):
        DiscretizedLogisticLikelihood(1)
    with pytest.raises(ValueError, match="scale must be positive"):
        NormalLikelihood(0.0)


class Planar(tfb.Bijector):
    """z + u tanh(w·z + b): no inverse in closed form."""

    def __init__(self):
        super().__init__(forward_min_event_ndims=1, name="planar", parameters={})

    def _forward(self, z):
        return z + 0.5 * tf.tanh(tf.reduce_sum(z, -1, keepdims=True))

    def _forward_log_det_jacobian(self, z):
        slope = 1 - tf.square(tf.tanh(tf.reduce_sum(z, -1)))
        return tf.math.log1p(0.5 * LATENT * slope)


class WrongInverse(Planar):
    """Returns what it is given."""

    def _inverse(self, y):
        return y

    def _inverse_log_det_jacobian(self, y):
        return -self._forward_log_det_jacobian(y)


def test_boosting_needs_inverses_and_a_single_flow_does_not(x):
    with pytest.raises(ValueError, match="Component 1, Planar 'planar', has no inv"):
        build(BoostedPosterior([component(0), Planar()]))
    with pytest.raises(ValueError, match="does not return from z to z0"):
        build(BoostedPosterior([WrongInverse()]))
    made = build(FlowPosterior(Planar()))
    assert np.all(np.isfinite(made.elbo(x, seed=0)))


def test_components_have_to_be_fresh():
    same = component(0)
    with pytest.raises(ValueError, match="returned a bijector that an earlier call"):
        BoostedPosterior(lambda index: same, 2)
    with pytest.raises(ValueError, match="shares the weight"):
        build(BoostedPosterior(lambda index: tfb.Chain([same]), 2))
    for count in (0, None):
        with pytest.raises(ValueError, match="at least 1"):
            BoostedPosterior(component, count)
    with pytest.raises(TypeError, match="component 0 must be"):
        BoostedPosterior(lambda index: "flow", 2)
    with pytest.raises(ValueError, match="weights must be"):
        BoostedPosterior(component, 2, weights="em")
    with pytest.raises(ValueError, match="entropy_weight"):
        BoostedPosterior(component, 2, entropy_weight=0.0)


def test_sizes_that_do_not_fit_are_refused():
    encoder, decoder = dense_encoder(SHAPE, LATENT), dense_decoder(LATENT, SHAPE)
    make = VariationalAutoencoder
    odd = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten()])
    odd.add(keras.layers.Dense(7))
    with pytest.raises(ValueError, match=r"encoder must return \[N, 2 d \+ 0\]"):
        make(odd, decoder)
    with pytest.raises(ValueError, match=r"decoder must take \[N, 4\]"):
        make(encoder, dense_decoder(5, SHAPE))
    with pytest.raises(ValueError, match="decoder must return 72 numbers"):
        make(encoder, decoder, likelihood="discretized_logistic")
    with pytest.raises(ValueError, match="Flow 0 of the posterior"):
        make(encoder, decoder, posterior=FlowPosterior(Coupling(5)))
    with pytest.raises(ValueError, match="pass event_shape"):
        make(keras.layers.Dense(8), decoder)
    with pytest.raises(ValueError, match="must be one of 'bernoulli'"):
        make(encoder, decoder, likelihood="poisson")
    with pytest.raises(TypeError, match="encoder must be a Keras layer"):
        make("encoder", decoder)
    with pytest.raises(TypeError, match="posterior must be"):
        make(encoder, decoder, posterior=Coupling(4))


def test_a_loss_a_target_and_an_uncompiled_model_are_refused(x):
    made = build()
    with pytest.raises(ValueError, match="without a loss"):
        made.compile("adam", loss="mse")
    with pytest.raises(ValueError, match="no target"):
        made.fit(x, x)
    fresh = VariationalAutoencoder(
        dense_encoder(SHAPE, LATENT), dense_decoder(LATENT, SHAPE)
    )
    with pytest.raises(ValueError, match="compile"):
        fresh.fit(x)
