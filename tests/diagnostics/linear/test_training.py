"""Trained flows end where the closed form says, and nonlinear ones beyond it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_flows import bijectors
from tfp_flows.diagnostics import linear_flow_optimum
from tfp_flows.models import FlowModel

tfb, tfd = tfp.bijectors, tfp.distributions


def flow(layers, size, dtype="float64"):
    base = tfd.MultivariateNormalDiag(np.zeros(size, dtype), np.ones(size, dtype))
    chain = tfb.Chain(list(reversed(layers)))
    return tfd.TransformedDistribution(base, tfb.Invert(chain))


def descend(density, x, steps, rate):
    """Negative log-likelihoods of full-batch training with a falling rate."""
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
    optimizer = keras.optimizers.Adam(schedule)
    model = FlowModel(density)
    model.compile(optimizer)
    batches = tf.data.Dataset.from_tensors((x,)).repeat()
    seen = []

    class Record(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.reset_metrics()
            seen.append(logs["loss"])

    model.fit(batches, steps_per_epoch=steps, verbose=0, callbacks=[Record()])
    return np.array(seen), model


def dense():
    matrix = tf.Variable(np.eye(3) + 0.1 * np.arange(9).reshape(3, 3) / 9)
    operator = tf.linalg.LinearOperatorFullMatrix(matrix, is_non_singular=True)
    return [tfb.ScaleMatvecLinearOperator(operator)]


def stacked():
    rotation = bijectors.Linear(3, initial="rotation", seed=1, dtype="float64")
    return [
        rotation,
        bijectors.Linear(3, dtype="float64"),
        bijectors.Permutation(3, dtype="float64"),
    ]


@pytest.mark.parametrize("layers", [dense, stacked], ids=["dense", "LU"])
def test_trained_linear_flows_reach_the_optimum_and_never_pass_it(layers):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3)) @ [[1.0, 0.5, 0.0], [0.0, 0.5, 1.0], [0.3, 0.0, 1.0]]
    floor = linear_flow_optimum(x, centered=False).floor
    losses, _ = descend(flow(layers(), 3), x, steps=500, rate=0.05)
    assert losses[0] > floor + 0.05
    assert losses[-1] == pytest.approx(floor, abs=1e-4)
    # Losses are averaged in float32.
    assert losses.min() > floor - 2e-6


def real_nvp(size):
    return flow(
        [
            bijectors.ActNorm(size),
            *(
                bijectors.Coupling(
                    size,
                    flip=index % 2 == 1,
                    hidden_sizes=(32, 32),
                    seed=index,
                    name=f"coupling_{index}",
                )
                for index in range(6)
            ),
            bijectors.Linear(size),
        ],
        size,
        "float32",
    )


@pytest.mark.slow
def test_a_coupling_flow_beats_the_floor_where_data_are_not_gaussian():
    from tfp_flows.data.builtin.toys import moons

    x, held_out = (moons(2000, np.random.default_rng(s)).astype("f") for s in (0, 1))
    floor = linear_flow_optimum(x, x_heldout=held_out)
    _, model = descend(real_nvp(2), x, steps=300, rate=1e-2)
    nll = model.evaluate(held_out, verbose=0)
    assert nll < floor.heldout_floor - 0.3


def test_a_coupling_flow_ends_at_the_floor_of_gaussian_data():
    rng = np.random.default_rng(2)
    mixing = np.array([[1.0, 0.0], [1.2, 0.4]])
    x, held_out = (rng.normal(size=(4000, 2)) @ mixing.T for _ in range(2))
    floor = linear_flow_optimum(x, x_heldout=held_out)
    _, model = descend(real_nvp(2), x.astype("f"), steps=150, rate=5e-3)
    nll = model.evaluate(held_out.astype("f"), verbose=0)
    assert nll == pytest.approx(floor.heldout_floor, abs=0.02)
    # The truth on the same rows: no density can be better by more than chance.
    noise = np.linalg.solve(mixing, held_out.T).T
    truth = -0.5 * (noise**2).sum(1) - np.log(2 * np.pi) - np.log(0.4)
    assert nll > -truth.mean() - 4 * truth.std() / np.sqrt(len(truth))
