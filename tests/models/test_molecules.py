"""A model of atoms of several kinds, padded to a number of places."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.weights import perturb
from tfp_flows.architectures import coupling_flow, equivariant_flow
from tfp_flows.bijectors import context_arguments
from tfp_flows.distributions import CenteredNormal, CenteredStudentT, NodeFeatures
from tfp_flows.models import FlowModel, MoleculeModel
from tfp_flows.objectives import FlowMatching
from tfp_flows.ode import AdaptiveSteps, FixedSteps, Solver
from tfp_flows.ops import jacobian

RNG = np.random.default_rng(0)
KINDS = np.eye(2)
# Three atoms, two of one kind, and four.
H = np.zeros([8, 5, 2])
H[:, :3] = KINDS[[0, 1, 1]]
H[4:, 3] = KINDS[0]
PRESENT = H.any(axis=-1)
CONTEXT = H.reshape(8, -1)
X = 2 * RNG.normal(size=[8, 5, 3]) * PRESENT[..., np.newaxis] + 30.0
EXACT = Solver(steps=AdaptiveSteps(1e-9, 1e-9))


@pytest.fixture(scope="module")
def model():
    flow = equivariant_flow(
        5,
        3,
        node_features=2,
        hidden_size=4,
        base=CenteredStudentT(5, 3, 20.0, node_features=2, dtype="float64"),
        solver=EXACT,
        seed=0,
        dtype="float64",
    )
    model = FlowModel(flow, objective=FlowMatching(coupling="orbit"))
    model.compile(keras.optimizers.Adam(0.02), jit_compile=False)
    model.fit(X, CONTEXT, epochs=20, batch_size=8, verbose=0)
    return model


@pytest.mark.parametrize("df", [None, 8.0])
def test_by_way_of_tfp_what_is_no_atom_counts_for_nothing(df):
    """Two steps of a method that turns with what it solves: no tolerance."""
    options = {"node_features": 2, "dtype": "float64"}
    flow = equivariant_flow(
        5,
        3,
        hidden_size=4,
        base=None if df is None else CenteredStudentT(5, 3, df, **options),
        solver=Solver("midpoint", FixedSteps(2)),
        seed=0,
        **options,
    )
    perturb(flow, scale=0.2)

    def log_prob(x, h):
        context = tf.constant(h.reshape(len(h), -1))
        return flow.log_prob(
            x,
            bijector_kwargs=context_arguments(flow.bijector, context),
            distribution_kwargs={"context": context},
        ).numpy()

    expected = log_prob(X, H)
    turn, order = np.linalg.qr(RNG.normal(size=[3, 3]))[0], RNG.permutation(5)
    moved = log_prob((X @ turn)[:, order] - 7.0, H[:, order])
    np.testing.assert_allclose(moved, expected, rtol=1e-10)
    elsewhere = np.where(PRESENT[..., np.newaxis], X, 1e3)
    np.testing.assert_array_equal(log_prob(elsewhere, H), expected)
    assert np.abs(log_prob(X, H[:, [1, 0, 2, 3, 4]]) - expected).max() > 1e-3


@pytest.mark.slow
def test_density_sees_neither_the_group_nor_places_without_an_atom(model):
    expected = model.log_prob(X, CONTEXT).numpy()
    turn = np.linalg.qr(RNG.normal(size=[3, 3]))[0]
    order = RNG.permutation(5)
    moved = (X @ turn)[:, order] - 7.0
    found = model.log_prob(moved, H[:, order].reshape(8, -1))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    elsewhere = np.where(PRESENT[..., np.newaxis], X, 1e3)
    np.testing.assert_array_equal(model.log_prob(elsewhere, CONTEXT), expected)
    # Another kind in a place is another molecule.
    other = model.log_prob(X, H[:, [1, 0, 2, 3, 4]].reshape(8, -1))
    assert np.abs(other - expected).max() > 0.01


@pytest.mark.slow
def test_log_determinant_is_that_of_the_atoms_that_are_there(model):
    """Of the whole map, in orthonormal coordinates of M atoms without their center."""
    base = model.distribution.distribution
    for rows, count in ((slice(0, 2), 3), (slice(4, 6), 4)):
        helmert = [np.r_[np.ones(k), -k, np.zeros(4 - k)] for k in range(1, count)]
        rows_of = [row / np.linalg.norm(row) for row in helmert]
        basis = tf.constant(np.kron(rows_of, np.eye(3)))
        context = CONTEXT[rows][:1]
        size = 3 * (count - 1)

        def image(w, basis=basis, context=context):
            z = model.inverse(tf.reshape(w @ basis, [-1, 5, 3]), context)
            return tf.matmul(tf.reshape(z, [-1, 15]), basis, transpose_b=True)

        w = tf.matmul(tf.reshape(X[rows], [2, 15]), basis, transpose_b=True)
        _, expected = np.linalg.slogdet(jacobian(image, w, size))
        z = model.inverse(X[rows], context)
        found = model.log_prob(X[rows], context) - base.log_prob(z, context=context)
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.slow
def test_samples_are_zero_where_no_atom_is(model):
    x = model.sample(20, CONTEXT, seed=1).numpy()
    assert x.shape == (20, 8, 5, 3)
    assert np.isfinite(x).all()
    np.testing.assert_array_equal(x[:, ~PRESENT], 0)
    assert np.abs(x.sum(axis=2)).max() < 1e-9


@pytest.mark.parametrize("df", [None, 3.5])
def test_base_is_that_of_the_mask(df):
    options = {"dtype": "float64"}
    if df is None:
        base, kind = CenteredNormal(5, 3, node_features=2, **options), CenteredNormal
    else:
        base = CenteredStudentT(5, 3, df, node_features=2, **options)
        kind = CenteredStudentT
        options["df"] = df
    masked = kind(5, 3, mask=PRESENT, **options)
    np.testing.assert_allclose(
        base.log_prob(X, context=CONTEXT), masked.log_prob(X), rtol=1e-12
    )
    draws = base.sample([2000, 8], seed=(1, 2), context=CONTEXT)
    np.testing.assert_allclose(draws, masked.sample(2000, seed=(1, 2)), rtol=1e-12)


@pytest.mark.slow
def test_saved_and_exported_it_answers_alike(model, tmp_path):
    model.save(tmp_path / "atoms.keras")
    loaded = keras.models.load_model(tmp_path / "atoms.keras")
    expected = model.log_prob(X, CONTEXT)
    np.testing.assert_allclose(loaded.log_prob(X, CONTEXT), expected, rtol=1e-10)
    model.export(str(tmp_path / "served"), verbose=False)
    served = tf.saved_model.load(str(tmp_path / "served"))
    np.testing.assert_allclose(served.log_prob(X, CONTEXT), expected, rtol=1e-10)
    drawn = served.sample(3, 1, CONTEXT).numpy()
    np.testing.assert_array_equal(drawn[:, ~PRESENT], 0)


@pytest.mark.slow
def test_what_is_no_molecule_is_refused(model):
    single = np.zeros([8, 10])
    single[:, 0] = 1
    with pytest.raises(ValueError, match="at least two particles"):
        model.log_prob(X, single)
    with pytest.raises(ValueError, match="at least two particles"):
        model.adapt(X, single)
    with pytest.raises(ValueError, match="finite numbers"):
        model.log_prob(X, np.where(CONTEXT == 1, np.nan, 0))
    with pytest.raises(ValueError, match="context must have shape"):
        model.predict((X, CONTEXT[:, :4]))
    with pytest.raises(ValueError, match=r"\(5, 3\)"):
        model.log_prob(X[:, :4], CONTEXT)


def test_what_does_not_go_together_is_refused():
    with pytest.raises(ValueError, match="node_features=2"):
        equivariant_flow(5, 3, node_features=2, base=CenteredNormal(5, 3))
    with pytest.raises(ValueError, match="leave out mask"):
        CenteredNormal(3, 2, node_features=2, mask=[1, 1, 0])
    with pytest.raises(ValueError, match="expected a context exactly"):
        CenteredNormal(3, 2, node_features=2).sample(seed=1)


@pytest.mark.slow
def test_kinds_and_positions_together_train_draw_and_are_saved(tmp_path):
    keras.utils.set_random_seed(0)
    kinds = coupling_flow(10, context_size=1, hidden_sizes=(8,), num_layers=2, seed=0)
    features = FlowModel(NodeFeatures(kinds, 5, 2))
    flow = equivariant_flow(5, 3, node_features=2, hidden_size=4, seed=0)
    model = MoleculeModel(features, FlowModel(flow, objective=FlowMatching()))
    x, h = X.astype("float32"), CONTEXT.astype("float32")
    for part, rows in ((model.features, (h,)), (model.positions, (x, h))):
        part.compile(keras.optimizers.Adam(0.01), jit_compile=False)
        part.fit(*rows, epochs=2, batch_size=8, verbose=0)
    found = model.log_prob(x, h)
    parts = features.log_prob(h) + model.positions.log_prob(x, h)
    np.testing.assert_allclose(found, parts, rtol=1e-6)
    drawn, drawn_kinds = model.sample(6, seed=3)
    assert np.isfinite(model.log_prob(drawn, drawn_kinds)).all()
    model.save(tmp_path)
    loaded = MoleculeModel.load(tmp_path)
    np.testing.assert_allclose(loaded.log_prob(x, h), found, rtol=1e-5)
    with pytest.raises(ValueError, match="features of size 10, received"):
        MoleculeModel(features, FlowModel(equivariant_flow(4, 3, node_features=2)))
