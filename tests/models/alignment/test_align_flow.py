"""Exact translation, and what training needs: domains by themselves, no pairs."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tests.weights import values
from tfp_flows.architectures import continuous_flow, coupling_flow, glow
from tfp_flows.distributions import Dequantized
from tfp_flows.models import AlignFlow
from tfp_flows.models.alignment.batches import checked_weights, shuffled_batches
from tfp_flows.models.alignment.matching import energy_distance

SMALL = {"num_layers": 1, "hidden_sizes": (4,), "seed": 1}
TINY = {"hidden_sizes": (4,), "num_levels": 1}
NORMAL = tfd.MultivariateNormalDiag(tf.zeros([2]), tf.ones([2]))


def rows(count, seed, dtype="float32"):
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(count, 3)) @ rng.normal(size=(3, 3))
    return (mixed + 5 * seed).astype(dtype)


def small_flows(domains, dtype="float32", num_layers=2):
    base = tfd.MultivariateNormalDiag(tf.zeros([3], dtype), tf.ones([3], dtype))
    options = {**SMALL, "num_layers": num_layers, "transform": "affine"}
    return {d: coupling_flow(3, base=base, dtype=dtype, **options) for d in domains}


def compiled(matching="least_squares", **options):
    keras.utils.set_random_seed(3)
    critics = {d: keras.Sequential([keras.layers.Dense(1)]) for d in "ab"}
    model = AlignFlow(small_flows("ab", num_layers=1), critics, matching=matching)
    model.compile(keras.optimizers.Adam(0.01), **options)
    return model


@pytest.fixture(scope="module")
def three():
    """Three domains in float64 with weights away from their start."""
    model = AlignFlow(small_flows("abc", "float64"))
    model.adapt({name: rows(200, seed) for seed, name in enumerate("abc")})
    rng = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(weight + 0.1 * rng.normal(size=weight.shape))
    return model


def test_there_and_back_is_the_identity_and_ways_do_not_matter(three):
    x = rows(50, 0, "float64")
    y = three.translate(x, "a", "b").numpy()
    assert np.abs(y - x).max() > 1
    # Other tensors than those that TFP remembers.
    back = three.translate(y + 0.0, "b", "a").numpy()
    assert np.abs(back - x).max() < 1e-12 * np.abs(y).max()
    straight = three.translate(x, "a", "c").numpy()
    by_b = three.translate(y + 0.0, "b", "c").numpy()
    assert np.abs(by_b - straight).max() < 1e-12 * np.abs(straight).max()
    np.testing.assert_array_equal(three.translate(x[:1], "a", "b")[0], y[0])


def test_densities_differ_by_the_jacobian_of_the_translation(three):
    x = tf.constant(rows(5, 0, "float64"))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = three.translate(x, "a", "b")
    jacobian = tape.batch_jacobian(y, x)
    expected = three.log_prob(x, "a") - three.log_prob(y, "b")
    np.testing.assert_allclose(tf.linalg.slogdet(jacobian)[1], expected, rtol=1e-9)


def test_the_start_is_the_linear_map_between_moments():
    x, y = rows(300, 0), rows(200, 1)
    model = AlignFlow.for_tables("ab", 3, **SMALL)
    model.adapt({"a": x, "b": y})

    def root(table, power):
        spectrum, directions = np.linalg.eigh(np.corrcoef(table.T))
        return (directions * spectrum**power) @ directions.T

    white = (x - x.mean(0)) / x.std(0) @ root(x, -0.5)
    expected = y.mean(0) + y.std(0) * (white @ root(y, 0.5))
    found = model.translate(x, "a", "b")
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(np.cov(found.numpy().T), np.cov(y.T), rtol=0.02)


def test_joint_draws_and_ways_from_row_to_row(three):
    drawn = three.sample(7, seed=1)
    np.testing.assert_allclose(
        three.translate(drawn["a"], "a", "c"), drawn["c"], rtol=1e-9
    )
    x, y = rows(4, 0, "float64"), rows(4, 1, "float64")
    way = three.interpolate(x, "a", y, "b", 5)
    assert way["c"].shape == (5, 4, 3)
    np.testing.assert_allclose(way["a"][0], x, rtol=1e-9)
    np.testing.assert_allclose(way["b"][-1], y, rtol=1e-9)
    ends = (
        tf.norm(three.encode(x, "a"), axis=-1),
        tf.norm(three.encode(y, "b"), axis=-1),
    )
    middle = tf.norm(three.encode(way["a"][2], "a"), axis=-1)
    assert np.all(middle > 0.5 * np.minimum(*ends))


class Optimal(keras.layers.Layer):
    """The best critic of N(loc, scale²) against what a translation makes of another."""

    def __init__(self, own, other, slope, shift):
        super().__init__(dtype="float64")
        self.own, self.other, self.slope, self.shift = own, other, slope, shift

    def call(self, x, training=False):
        real = self.own.prob(x)
        return real / (
            real + self.other.prob(self.slope * x + self.shift) * abs(self.slope)
        )


def test_the_best_critics_of_two_domains_add_up_to_one():
    def normal(loc, scale):
        loc = tf.constant([loc], "float64")
        return tfd.MultivariateNormalDiag(loc, tf.constant([scale], "float64"))

    def flow(slope, shift):
        bijector = tfb.Chain(
            [tfb.Shift(tf.constant([shift], "float64")), tfb.Scale(np.float64(slope))]
        )
        return tfd.TransformedDistribution(normal(0.0, 1.0), bijector)

    # y = 2 (x − 1) / 0.5 + 3 = 4 x − 1, whatever the data are.
    flows = {"a": flow(0.5, 1.0), "b": flow(2.0, 3.0)}
    a, b = normal(0.3, 0.7), normal(1.0, 4.0)
    critics = {"a": Optimal(a, b, 4.0, -1.0), "b": Optimal(b, a, 0.25, 0.25)}
    model = AlignFlow(flows, critics)
    x = np.linspace(-2, 2, 9)[:, None]
    found = model.critic_sum(x, "a", "b")
    np.testing.assert_allclose(found, np.ones(9), atol=1e-6)


def test_energy_distance_is_that_of_all_pairs():
    x, y = rows(6, 0, "float64"), rows(5, 1, "float64")

    def mean(one, other, skipped):
        found = [
            np.linalg.norm(u - v)
            for i, u in enumerate(one)
            for j, v in enumerate(other)
            if not (skipped and i == j)
        ]
        return np.mean(found)

    expected = 2 * mean(x, y, False) - mean(x, x, True) - mean(y, y, True)
    np.testing.assert_allclose(energy_distance(x, y), expected, rtol=1e-6)


def test_each_domain_is_passed_through_before_a_row_returns():
    x = {"a": np.arange(10.0), "b": np.arange(4.0)}
    position = tf.Variable(0, dtype="int64")
    batches = shuffled_batches(x, 2, None, tf.Variable([5, 0], dtype="int64"), position)
    epochs = []
    for _ in "ab":
        epochs.append(list(batches.as_numpy_iterator()))
        position.assign_add(5)
    for epoch in epochs:
        seen = np.concatenate([batch["a"] for batch in epoch])
        assert sorted(seen) == list(range(10))
        first = np.concatenate([batch["b"] for batch in epoch])
    orders = [np.concatenate([batch["a"] for batch in epoch]) for epoch in epochs]
    assert not np.array_equal(*orders)
    short = np.concatenate([batch["b"] for epoch in epochs for batch in epoch])
    assert all(sorted(part) == list(range(4)) for part in short.reshape(5, 4))
    assert len(first) == 10


@pytest.fixture(scope="module")
def data():
    return {"a": rows(96, 0), "b": rows(60, 1)}


@pytest.fixture(scope="module")
def trained(data):
    """Trained for two epochs of three steps with critics."""
    model = compiled()
    history = model.fit(data, batch_size=32, epochs=2, validation_data=data, verbose=0)
    return model, history.history


def test_training_shows_every_term_and_stops_on_rows_without_pairs(trained, data):
    model, history = trained
    for name in ("loss", "nll_a", "least_squares_b_a", "critic_a", "critic_sum"):
        assert np.isfinite(history[name]).all()
    logs = model.evaluate(data, batch_size=32, verbose=0, return_dict=True)
    nll = [-np.mean(model.log_prob(data[name], name)) for name in "ab"]
    np.testing.assert_allclose([logs["nll_a"], logs["nll_b"]], nll, rtol=1e-4)
    expected = np.mean(nll) / 3 + logs["distance"]
    np.testing.assert_allclose(logs["loss"], expected, rtol=0.02)


def test_a_training_in_two_parts_is_the_training_in_one(trained, data, tmp_path):
    model = compiled()
    model.fit(data, batch_size=32, epochs=1, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    loaded.fit(data, batch_size=32, epochs=2, initial_epoch=1, verbose=0)
    for one, other in zip(
        values(loaded.variables), values(trained[0].variables), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_a_step_counts_when_its_rows_have_come(data):
    model, seen = compiled(), []

    def late(index):
        time.sleep(0.05)
        seen.append(int(model.position))
        return index

    def batch(index):
        index = tf.numpy_function(late, [index], tf.int64)
        with tf.control_dependencies([index]):
            return {name: tf.identity(part[:8]) for name, part in data.items()}

    model.adapt(data)
    model.fit(tf.data.Dataset.range(3).map(batch), epochs=2, verbose=0)
    # Before the first step some rows are looked at.
    assert seen[-6:] == list(range(6))


def test_a_served_model_translates_without_critics(trained, data, tmp_path):
    model = trained[0]
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    x = tf.constant(data["a"])
    np.testing.assert_allclose(
        served.translate_a_b(x), model.translate(x, "a", "b"), rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(
        served.log_prob_a(x), model.log_prob(x, "a"), rtol=1e-5, atol=1e-5
    )
    again = served.decode_a(served.encode_a(x))
    np.testing.assert_allclose(again, x, rtol=1e-4, atol=1e-4)
    assert set(served.sample(3, seed=[0, 1])) == {"a", "b"}
    flows_alone = sum(len(flow.variables) for flow in model.flow_models)
    assert len(served._all_variables) <= flows_alone


@pytest.mark.parametrize("still", ["flows", "critics"])
def test_a_step_of_one_side_leaves_the_other_bit_identical(data, still):
    model = compiled("wasserstein" if still == "flows" else "cross_entropy")
    adam, none = keras.optimizers.Adam(0.01), keras.optimizers.SGD(0.0)
    pair = (none, adam) if still == "flows" else (adam, none)
    model.compile(*pair, jit_compile=still == "flows")
    model.adapt(data)
    sides = {"flows": model.flow_models, "critics": model.critic_networks}
    kept = {
        name: values([w for part in parts for w in part.trainable_variables])
        for name, parts in sides.items()
    }
    model.train_on_batch({name: table[:32] for name, table in data.items()})
    for name, parts in sides.items():
        now = values([w for part in parts for w in part.trainable_variables])
        same = [np.array_equal(*pair) for pair in zip(now, kept[name], strict=True)]
        assert all(same) == (name == still)


def test_a_weight_a_dimension_is_three_a_row(data):
    losses = []
    for weight, reduction in ((0.6, "per_dimension"), (0.2, "per_row")):
        model = AlignFlow(
            small_flows("ab"), likelihood_weight=weight, reduction=reduction
        )
        model.adapt(data)
        batch = {name: tf.constant(table[:32]) for name, table in data.items()}
        losses.append(model._objective.of_flows(*model._batch(batch), training=True)[0])
    np.testing.assert_allclose(*losses, rtol=1e-6)


def flows(**changes):
    pair = {name: coupling_flow(2, base=NORMAL, **SMALL) for name in "ab"}
    return {**pair, **changes}


def with_context():
    return coupling_flow(2, base=NORMAL, context_size=1, **SMALL)


REFUSED = {
    "no dictionary": (lambda: [NORMAL], {}, "must be a dictionary"),
    "one domain": (lambda: {"a": flows()["a"]}, {}, "two domains or more"),
    "width": (lambda: flows(b=coupling_flow(3, **SMALL)), {}, "one shape"),
    "base": (lambda: flows(b=coupling_flow(2, **SMALL)), {}, "one fixed base"),
    "context": (lambda: flows(b=with_context()), {}, "conditions on a context"),
    "grid": (lambda: flows(b=Dequantized(flows()["b"], 1.0)), {}, "rounds to a grid"),
    "solver": (
        lambda: flows(b=continuous_flow(2, base=NORMAL, hidden_sizes=(4,))),
        {},
        "inverse is approximate",
    ),
    "matching": (flows, {"matching": "nearest"}, "one of least_squares"),
    "no critics": (flows, {"matching": "wasserstein"}, "needs critics"),
    "one critic": (flows, {"critics": {"a": None}}, "a critic for each"),
    "nothing": (
        flows,
        {"matching": "none", "likelihood_weight": 0.0},
        "above 0 without matching",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_flows_that_do_not_align_are_refused(name):
    make, options, message = REFUSED[name]
    with pytest.raises((TypeError, ValueError), match=message):
        AlignFlow(make(), **options)


BAD = {
    "one table": (lambda x: x["a"], "a dictionary of rows for 'a', 'b'"),
    "unknown": (lambda x: {**x, "c": x["a"]}, "rows of the domains 'a', 'b'"),
    "width": (lambda x: {**x, "b": x["b"][:, :2]}, r"x\['b'\] must have shape"),
    "empty": (lambda x: {**x, "b": x["b"][:0]}, r"x\['b'\] has no rows"),
    "one row": (lambda x: {**x, "b": x["b"][:1]}, r"x\['b'\] has one row"),
    "nan": (lambda x: {**x, "b": x["b"] * np.nan}, "NaN"),
}


@pytest.mark.parametrize("name", BAD)
def test_rows_that_cannot_be_aligned_are_refused(trained, data, name):
    change, message = BAD[name]
    for door in (trained[0].fit, trained[0].evaluate):
        with pytest.raises((TypeError, ValueError), match=message):
            door(change(data), verbose=0)


def test_columns_are_matched_by_name_and_domains_are_known(trained, data):
    pandas = pytest.importorskip("pandas")
    model = trained[0]
    frames = {d: pandas.DataFrame(t, columns=list("uvw")) for d, t in data.items()}
    turned = {**frames, "b": frames["b"][["w", "u", "v"]]}
    np.testing.assert_array_equal(model._packed(turned).rows["b"], data["b"])
    with pytest.raises(ValueError, match="matched by name"):
        model.fit({**frames, "b": frames["b"].rename(columns={"w": "z"})})
    with pytest.raises(ValueError, match="no domain 'z': expected one of 'a', 'b'"):
        model.translate(data["a"], "a", "z")


def test_known_pairs_choose_among_translations_that_match_alike(data):
    keras.utils.set_random_seed(3)
    model = AlignFlow(small_flows("ab"))
    model.compile(keras.optimizers.Adam(0.01))
    model.adapt(data)
    x, center = data["a"][:20], data["b"].mean(axis=0)
    # The mirror image of the start, which likelihood and distance do not tell from it.
    pairs = {"a": x, "b": 2 * center - model.translate(x, "a", "b").numpy()}
    keywords = {"validation_data": (data, pairs), "batch_size": 32, "verbose": 0}
    errors = model.fit(data, pairs, epochs=10, **keywords).history["val_pairs"]
    assert errors[-1] < 0.4 * errors[0]
    gaps = [
        (model.translate(pairs[a], a, b) - pairs[b]) / data[b].std(axis=0)
        for a, b in ("ab", "ba")
    ]
    np.testing.assert_allclose(errors[-1], np.mean(np.square(gaps)), rtol=1e-3)


def test_rows_come_as_often_as_they_weigh(data):
    x = {"a": np.arange(4.0), "b": np.arange(4.0)}
    shares = checked_weights({"a": [0, 1, 1, 2]}, x)
    position = tf.Variable(0, dtype="int64")
    seed = tf.Variable([5, 0], dtype="int64")
    epoch = shuffled_batches(x, 2, 8, seed, position, shares=shares)
    seen = {d: np.concatenate([b[d] for b in epoch.as_numpy_iterator()]) for d in x}
    np.testing.assert_array_equal(np.bincount(seen["a"].astype(int)), [0, 4, 4, 8])
    np.testing.assert_array_equal(np.bincount(seen["b"].astype(int)), [4, 4, 4, 4])
    model = compiled()
    weight = np.repeat([3, 1], 48)
    model.adapt(data, {"a": weight})
    expected = np.average(data["a"], axis=0, weights=weight)
    assert np.abs(model.location[0] - expected).max() < 0.2
    assert np.abs(data["a"].mean(axis=0) - expected).max() > 0


@pytest.fixture(scope="module")
def conditional():
    """A model with a context, and rows whose mean is the context in both domains."""
    rng = np.random.default_rng(0)
    context = {d: rng.integers(2, size=(64, 1)).astype("float32") for d in "ab"}
    noise = {d: rng.normal(size=(64, 2)).astype("float32") for d in "ab"}
    scale = {"a": 1.0, "b": 3.0}
    x = {d: (scale[d] * (noise[d] + 4 * context[d]), context[d]) for d in "ab"}
    options = {**SMALL, "own_layers": 1, "matching": "least_squares", "context_size": 1}
    model = AlignFlow.for_tables("ab", 2, **options)
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(x, batch_size=32, epochs=3, validation_data=x, verbose=0)
    return model, x


def test_a_context_is_kept_on_the_way_there_and_back(conditional, tmp_path):
    model, x = conditional
    rows, context = x["a"]
    y = model.translate(rows, "a", "b", context).numpy()
    back = model.translate(y + 0.0, "b", "a", context)
    np.testing.assert_allclose(back, rows, rtol=1e-4, atol=1e-4)
    assert np.abs(model.translate(rows, "a", "b", 1 - context) - y).max() > 0.01
    share = model.critic_sum(rows, "a", "b", context)
    assert share.shape == (64,)
    drawn = model.sample(64, 1, context)
    there = model.translate(drawn["a"], "a", "b", context)
    np.testing.assert_allclose(there, drawn["b"], rtol=1e-4, atol=1e-4)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(loaded.translate(rows, "a", "b", context), y, rtol=1e-5)


@pytest.mark.slow
def test_a_served_model_takes_the_context_with_the_rows(conditional, tmp_path):
    model, x = conditional
    rows, context = map(tf.constant, x["a"])
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    np.testing.assert_allclose(
        served.translate_a_b(rows, context),
        model.translate(rows, "a", "b", context),
        rtol=1e-4,
        atol=1e-4,
    )
    assert served.sample(64, seed=1, context=context)["b"].shape == (64, 2)


BAD_PARTS = {
    "no context": (lambda x: x["b"][0], {}, r"x\['b'\] must be a tuple"),
    "context of other rows": (
        lambda x: (x["b"][0], x["b"][1][:9]),
        {},
        r"x\['b'\] has 64 rows and 9 of context",
    ),
    "pairs of one domain": (
        None,
        {"pairs": lambda x: {"a": x["a"]}},
        "two or more of the domains",
    ),
    "pairs of two lengths": (
        None,
        {"pairs": lambda x: {"a": x["a"], "b": tuple(part[:9] for part in x["b"])}},
        "one length in all domains",
    ),
    "no pairs": (None, {"pairs": lambda x: x["a"]}, "pairs must be a dictionary"),
    "weights": (None, {"sample_weight": lambda x: {"c": [1]}}, "for domains of x"),
    "negative": (
        None,
        {"sample_weight": lambda x: {"a": -np.ones(64)}},
        "64 numbers ≥ 0",
    ),
}


@pytest.mark.parametrize("name", BAD_PARTS)
def test_parts_that_do_not_fit_the_rows_are_refused(conditional, name):
    model, x = conditional
    change, extra, message = BAD_PARTS[name]
    if change is not None:
        x = {**x, "b": change(x)}
    extra = {key: make(x) for key, make in extra.items()}
    with pytest.raises((TypeError, ValueError), match=message):
        model.fit(x, verbose=0, **extra)


def test_images_are_translated_without_noise_and_come_back():
    def flow(seed):
        image = glow((4, 4, 1), num_values=17, steps_per_level=1, seed=seed, **TINY)
        return image.distribution

    model = AlignFlow({"a": flow(0), "b": flow(1)})
    rng = np.random.default_rng(0)
    images = {d: rng.integers(17, size=(40, 4, 4, 1)) for d in "ab"}
    # Gray levels stand for their bins.
    centers = {d: x.astype("float32") + 0.5 for d, x in images.items()}
    model.adapt(centers)
    y = model.translate(centers["a"], "a", "b").numpy()
    np.testing.assert_array_equal(model.translate(centers["a"], "a", "b"), y)
    alone = model.translate(centers["a"][:3], "a", "b")
    np.testing.assert_allclose(alone, y[:3], rtol=1e-5)
    # The margin of the logit lies beyond the first and the last gray level.
    assert y.min() > -1
    assert y.max() < 18
    back = model.translate(y + 0.0, "b", "a")
    np.testing.assert_allclose(back, centers["a"], atol=2e-3)


@pytest.mark.slow
def test_moons_become_their_image_at_no_cost_of_likelihood():
    """Distances fall by more than 80 %, likelihoods by less than 0.05 nats."""
    from sklearn.datasets import make_moons

    turn = np.deg2rad(20.0)
    turned = [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]

    def pair(seed):
        a, b = (make_moons(4000, noise=0.1, random_state=seed + i)[0] for i in (0, 1))
        return {"a": a, "b": 2 * b @ turned + [3.0, -1.0]}

    domains, held_out = pair(0), {}
    for matching in ("none", "energy"):
        keras.utils.set_random_seed(0)
        model = AlignFlow.for_tables("ab", 2, matching=matching, seed=0)
        rate = keras.optimizers.schedules.CosineDecay(2e-3, 40 * 16)
        model.compile(keras.optimizers.Adam(rate))
        model.fit(domains, epochs=40, verbose=0)
        held_out[matching] = model.evaluate(pair(200), verbose=0, return_dict=True)
    untouched = energy_distance(domains["a"][:1000], domains["b"][:1000])
    scale = np.mean(domains["b"].std(axis=0))
    assert held_out["energy"]["distance"] < 0.2 * untouched / scale
    assert held_out["energy"]["nll"] < held_out["none"]["nll"] + 0.05
