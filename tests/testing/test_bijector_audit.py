"""check_bijector passes lawful bijectors and names the law that a broken one breaks."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.testing import broken
from tfp_flows.testing import BIJECTOR_LAWS, check_bijector

tfb = tfp.bijectors

X = np.random.default_rng(0).normal(size=[3, 2])
TRIL = np.array([[1.0, 0.0], [0.7, 0.5]])


def variable(value):
    return tf.Variable(np.asarray(value, np.float64))


def failed(bijector, x=X, **options):
    return set(check_bijector(bijector, x, raise_on_failure=False, **options).failed)


LAWFUL = {
    "Exp": (lambda: tfb.Exp(), X, {"tail": 30.0}),
    "Softplus": (lambda: tfb.Softplus(), X, {}),
    "Invert": (lambda: tfb.Invert(tfb.Softplus()), np.exp(X), {}),
    "scalar event": (lambda: tfb.Softplus(), X[:, 0], {"event_ndims": 0}),
    "no batch axes": (lambda: tfb.Scale(variable([1, 2])), X[0], {}),
    "batch of parameters": (lambda: tfb.Scale(variable([1, 2])), X, {}),
    "ScaleMatvecTriL": (lambda: tfb.ScaleMatvecTriL(TRIL), X, {}),
    "TransformedVariable": (
        lambda: tfb.Scale(tfp.util.TransformedVariable(np.float64(2), tfb.Exp())),
        X,
        {},
    ),
    "Permute": (lambda: tfb.Permute([1, 0]), X, {}),
    "Chain": (
        lambda: tfb.Chain([tfb.Shift(variable([1, -1])), tfb.ScaleMatvecTriL(TRIL)]),
        X,
        {},
    ),
    "RealNVP": (lambda: broken.coupling(), X.astype(np.float32), {}),
    "event of rank 3": (
        lambda: tfb.Reshape([4, 1, 2], event_shape_in=[2, 2, 2]),
        np.random.default_rng(1).normal(size=[2, 2, 2, 2]),
        {},
    ),
}


@pytest.mark.parametrize("name", LAWFUL)
def test_lawful_bijector_passes(name):
    make, x, options = LAWFUL[name]
    assert check_bijector(make(), x, **options).passed


BROKEN = {
    broken.WrongInverse: {"round_trip"},
    broken.WrongSign: {"forward_log_det", "inverse_log_det"},
    broken.MissingFactor: {"forward_log_det", "inverse_log_det"},
    broken.MissingTerm: {"forward_log_det", "inverse_log_det"},
    broken.InverseSign: {"inverse_log_det", "log_dets_cancel"},
    broken.BatchDependent: {"batch_shapes"},
    broken.StaleInverse: {"weight_update"},
    broken.StaleLogDet: {"weight_update"},
    broken.Detached: {"gradients", "weight_update"},
    broken.Unused: {"gradients"},
    broken.SingularGradient: {"gradients", "tail_gradients"},
    broken.WhereTrap: {"tail_gradients"},
    broken.InverseWhereTrap: {"tail_gradients"},
}


@pytest.mark.parametrize("bijector", BROKEN, ids=lambda kind: kind.__name__)
def test_broken_bijector_fails_its_law_alone(bijector):
    # sinh and the traps need a tail that float64 holds, or the one they trip in.
    tail = 30.0 if bijector is broken.MissingTerm else 1e4
    assert failed(bijector(), jit=False, tail=tail) == BROKEN[bijector]


@pytest.mark.parametrize("bijector", [broken.Vector, broken.Doubling, broken.Scaling])
def test_base_of_the_broken_bijectors_is_lawful(bijector):
    assert failed(bijector()) == set()


def test_wrong_inverse_is_hidden_by_the_cache_of_tfp():
    bijector = broken.WrongInverse()
    x = tf.constant(X)
    y = bijector.forward(x)
    assert np.array_equal(bijector.inverse(y), x)
    assert "round_trip" in failed(bijector, jit=False)


def test_wrong_inverse_is_found_inside_a_chain():
    chain = tfb.Chain([tfb.Permute([1, 0]), broken.WrongInverse(), tfb.Scale(2.0)])
    assert failed(chain, X.astype(np.float32), jit=False) == {"round_trip"}


@pytest.mark.parametrize(
    ("bijector", "cause"),
    [
        (broken.WrongSign, "the sign is reversed"),
        (broken.MissingFactor, "a constant is missing"),
        (broken.MissingTerm, "a term is missing"),
    ],
)
def test_log_det_failure_names_the_likely_cause(bijector, cause):
    report = check_bijector(bijector(), X, tail=30.0, jit=False, raise_on_failure=False)
    assert cause in report["forward_log_det"].message


def test_network_in_a_closure_is_untracked():
    report = check_bijector(
        broken.coupling(tracked=False), X.astype(np.float32), raise_on_failure=False
    )
    assert report.failed == ("variables_tracked",)
    assert "kernel" in report["variables_tracked"].message


def test_unused_and_detached_variables_are_named():
    for bijector, name in (
        (broken.Unused(), "forgotten"),
        (broken.Detached(), "scale"),
    ):
        report = check_bijector(bijector, X, jit=False, raise_on_failure=False)
        assert name in report["gradients"].message
        assert "not using it" in report["gradients"].message


def test_values_that_differ_under_tracing():
    assert failed(broken.EagerOnly()) == {"graph", "xla"}


def test_change_of_dtype():
    bijector = broken.OtherDtype()
    assert failed(bijector, X.astype(np.float32), jit=False) == {"dtypes"}


def test_what_does_not_compile_under_xla():
    assert failed(broken.Slogdet()) == {"xla"}
    assert failed(broken.Slogdet(), jit=False) == set()


def test_supports_jit_false_is_respected_inside_a_chain():
    report = check_bijector(tfb.Chain([broken.DeclaredSlogdet()]), X)
    assert report.not_checked == ("xla",)
    assert "DeclaredSlogdet declares supports_jit = False" in report["xla"].message


def test_stock_sigmoid_has_the_where_trap():
    # TFP 0.25 selects exp(x) for very negative x; at x = 1e4 its gradient is nan.
    assert failed(tfb.Sigmoid(), jit=False) == {"tail_gradients"}
    assert failed(tfb.Sigmoid(), jit=False, tail=30.0) == set()


def test_tails_that_are_out_of_range_are_left_out():
    report = check_bijector(tfb.Softplus(), X, event_ndims=1)
    assert report["tail_gradients"].message == "2 tails are out of range"


def test_context_is_taken_row_by_row():
    kwargs = {"context": np.arange(6.0).reshape(3, 2)}
    assert check_bijector(broken.ContextShift(), X, kwargs=kwargs).passed
    assert failed(broken.RowZeroContext(), kwargs=kwargs, jit=False) == {"batch_shapes"}


def test_context_of_a_part_of_a_chain():
    chain = tfb.Chain([broken.ContextShift(), tfb.Permute([1, 0])])
    kwargs = {"contextshift": {"context": np.arange(6.0).reshape(3, 2)}}
    assert check_bijector(chain, X, kwargs=kwargs, jit=False).passed


def test_given_y_is_used_for_the_inverse():
    assert failed(broken.WrongInverse(), y=X, jit=False) == {"round_trip"}
    assert failed(broken.Doubling(), y=X, jit=False) == set()
    assert failed(broken.WrongInverseFarOut(), jit=False) == set()
    far = failed(broken.WrongInverseFarOut(), y=X + 1000, jit=False)
    assert far == {"round_trip"}


def test_maps_between_sizes_have_no_log_det():
    report = check_bijector(tfb.FillTriangular(), np.ones([2, 3]), jit=False)
    assert {"forward_log_det", "inverse_log_det"} <= set(report.not_checked)


def test_a_law_that_raises_is_a_failure():
    report = check_bijector(broken.Raises(), X, jit=False, raise_on_failure=False)
    assert "NotImplementedError: no inverse here" in report["round_trip"].message
    assert "forward_log_det" not in report.failed


def test_weights_are_restored():
    for bijector in (broken.Scaling(), broken.StaleInverse()):
        failed(bijector, jit=False)
        assert bijector.scale.numpy() == 2.0


@pytest.mark.parametrize(
    ("bijector", "x", "options", "error", "words"),
    [
        (tfb.Exp(), np.ones([2], int), {}, TypeError, "floating dtype"),
        (tfb.Exp(), np.ones([0, 2]), {}, ValueError, "at least one row"),
        (tfb.Permute([1, 0]), X, {"event_ndims": 0}, ValueError, "event_ndims ≥ 1"),
        (tfb.AbsoluteValue(), X, {}, TypeError, "injective"),
        (tfb.Split(2), X, {}, TypeError, "one by one"),
    ],
)
def test_wrong_arguments(bijector, x, options, error, words):
    with pytest.raises(error, match=words):
        check_bijector(bijector, x, **options)


def test_every_law_is_broken_by_some_object():
    named = set().union(*BROKEN.values())
    elsewhere = {"graph", "xla", "dtypes", "variables_tracked"}
    assert named | elsewhere == set(BIJECTOR_LAWS)
