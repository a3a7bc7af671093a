"""Universal laws over the tables of distributions and architectures."""

import logging

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tests.cases.architectures import CASES as ARCHITECTURES
from tests.cases.case import parametrize, variants
from tests.cases.distributions import CASES, DENSITIES, GRIDDED
from tests.weights import perturb
from tfp_flows import architectures, bijectors
from tfp_flows.architectures import glow
from tfp_flows.testing import check_distribution
from tfp_flows.testing.check import DISTRIBUTION_LAWS


def context_kwargs(case, distribution, rows=6):
    context = case.context(rows)
    if context is None:
        return {}
    arguments = bijectors.context_arguments(distribution.bijector, tf.constant(context))
    kwargs = {"bijector_kwargs": arguments}
    if getattr(distribution.distribution, "context_size", None) is not None:
        kwargs["distribution_kwargs"] = {"context": tf.constant(context)}
    return kwargs


# Layers of a variant and those that solve an equation are audited by themselves.
SLOW = [
    *variants(ARCHITECTURES),
    *(case for case in ARCHITECTURES if "continuous" in case.name),
    *(case for case in ARCHITECTURES if case.exported == "equivariant_flow"),
]


@pytest.mark.parametrize(**parametrize(ARCHITECTURES, slow=SLOW))
def test_architecture_passes_the_public_audit(case):
    distribution = case.make()
    # Enough to leave the start, little enough for quadrature on a box.
    perturb(distribution, scale=0.05)
    check_distribution(
        distribution,
        case.points(),
        kwargs=context_kwargs(case, distribution),
        exempt=case.exempt_from(DISTRIBUTION_LAWS),
    )


@pytest.mark.parametrize(**parametrize(DENSITIES))
def test_density_passes_the_public_audit(case):
    distribution = case.make()
    perturb(distribution, scale=0.05)
    check_distribution(distribution, case.points(), exempt=case.exempt)


@pytest.mark.parametrize(
    **parametrize(
        ARCHITECTURES, law="architecture_starts_as_its_base_up_to_a_linear_map"
    )
)
def test_architecture_starts_as_its_base_up_to_a_linear_map(case):
    """Every conditioner ends at zero: log|det J| is the same everywhere."""
    distribution = case.make()
    kwargs = context_kwargs(case, distribution).get("bijector_kwargs", {})
    log_det = distribution.bijector.inverse_log_det_jacobian(
        tf.constant(case.points()), len(case.event_shape), **kwargs
    )
    assert np.ptp(np.broadcast_to(log_det, [6])) < 1e-10


@pytest.mark.parametrize(**parametrize(ARCHITECTURES))
def test_same_seed_same_flow(case):
    first, second = case.make(), case.make()
    assert first.trainable_variables
    for one, other in zip(first.variables, second.variables, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(**parametrize(GRIDDED))
def test_discrete_distribution_sums_to_one(case):
    """Σ P(x) over the grid, the continuous feature by quadrature."""
    distribution = case.make()
    first = np.arange(-25.0, 25.0)
    second = first if distribution.step[1] else np.linspace(-25, 25, 501)
    weight = 1.0 if distribution.step[1] else second[1] - second[0]
    grid = np.stack(np.meshgrid(first, second, indexing="ij"), -1).reshape(-1, 2)
    total = weight * np.exp(distribution.log_prob(grid)).sum()
    # Each cell's value has the noise of its own draw of u; the sum averages it.
    assert abs(total - 1) < 0.02


@pytest.mark.parametrize(**parametrize(GRIDDED))
def test_discrete_samples_lie_on_the_grid_and_repeat_with_the_seed(case):
    distribution = case.make()
    x = distribution.sample(500, seed=(1, 2)).numpy()
    np.testing.assert_array_equal(x, distribution.sample(500, seed=(1, 2)))
    gridded = distribution.step > 0
    np.testing.assert_array_equal(x[:, gridded], np.floor(x[:, gridded]))
    assert not np.allclose(x[:, ~gridded], np.floor(x[:, ~gridded])) or gridded.all()


def test_no_two_parts_of_glow_start_with_the_same_weights():
    """Equal seeds in two levels would tie their random starts together."""
    flow = glow((8, 8, 1), num_levels=2, steps_per_level=2, hidden_sizes=(8,), seed=0)
    kernels = [
        kernel.numpy()
        for kernel in flow.trainable_variables
        if kernel.shape.rank == 4 and np.any(kernel)
    ]
    assert len(kernels) == 5
    # Of different shapes in different levels: compare the first numbers drawn.
    scaled = [kernel.ravel()[:8] / np.abs(kernel).max() for kernel in kernels]
    for index, one in enumerate(scaled):
        for other in scaled[index + 1 :]:
            assert not np.allclose(one, other, rtol=0.05)


@pytest.mark.parametrize(
    ("name", "event_shape"),
    [
        ("autoregressive_flow", 64),
        ("convolutional_flow", (8, 8, 1)),
        ("coupling_flow", 64),
        ("fully_connected_flow", 64),
        ("glow", (8, 8, 1)),
    ],
)
def test_bases_over_other_events_than_the_flow_are_refused(name, event_shape):
    make = getattr(architectures, name)
    fitting = tfd.Sample(tfd.Normal(0.0, 1.0), 64)
    assert make(event_shape, base=fitting, seed=0).event_shape.num_elements() == 64
    for base in (tfd.Sample(tfd.Normal(0.0, 1.0), 4), tfd.Normal([0.0] * 64, 1.0)):
        with pytest.raises(
            ValueError, match=r"base: expected .* shape \[64\], received"
        ):
            make(event_shape, base=base, seed=0)


def test_tfp_has_nothing_to_say_of_our_classes(caplog):
    """Of properties that a class inherits it warns where they are first read."""
    with caplog.at_level(logging.WARNING, logger="absl"):
        for case in CASES:
            kind = type(case.make())
            assert isinstance(kind.parameter_properties(), dict)
    assert caplog.messages == []
