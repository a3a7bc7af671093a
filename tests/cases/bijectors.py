"""Every exported bijector, in the variants that differ in code."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tests.cases.case import Case
from tfp_flows import bijectors, networks, ode
from tfp_flows.ops import (
    Affine,
    RationalQuadratic,
    bounded_log_scale,
    from_internal,
    to_internal,
)

tfb = tfp.bijectors

F64 = {"dtype": "float64"}
SMALL = {"hidden_sizes": (8, 8), "seed": 3, **F64}

FOLLOWS = {"gradients": "R is trained by reconstruction, not by likelihood"}
NO_LU_IN_XLA = {"xla": "slogdet has no XLA kernel on a CPU"}


def two_level_multiscale(**coupling):
    coupling = {**SMALL, **coupling}
    first = tfb.Chain(
        [
            bijectors.Coupling((2, 2, 4), name="coupling_0", **coupling),
            bijectors.Linear(4, initial="rotation", seed=1, name="mix", **F64),
            bijectors.Squeeze((4, 4, 1), **F64),
        ],
        name="level_0",
    )
    last = bijectors.Coupling((2, 2, 2), name="coupling_1", **coupling)
    return bijectors.MultiScale((4, 4, 1), [first, last], **F64)


def initialized_whiten():
    bijector = bijectors.Whiten(3, **F64)
    bijector.initialize(
        Case("", lambda: None).points(20) @ [[1, 2, 0], [0, 1, 0], [1, 0, 3]]
    )
    return bijector


def semi_autoregressive(**options):
    """Blocks of two and of one, in three runs."""
    parts = [
        bijectors.Coupling(size, context_size=4, name=f"of_{size}", **SMALL)
        for size in (2, 1)
    ]
    return bijectors.SemiAutoregressive(
        [2, 1, 2], parts, num_features=4, **SMALL, **options
    )


def continuous(**options):
    options = {"hidden_sizes": (6, 5), "seed": 2, **F64, **options}
    solver = ode.Solver("rk4", ode.FixedSteps(40))
    return bijectors.Continuous(networks.VelocityMLP(3, **options), solver=solver)


Z_MATRIX = [(1,), (0, 1), (2, 1, 0), (3, 1, 2, 0)]


class Placed(Case):
    """Molecules as `InternalCoordinates` places them: others it maps back turned."""

    def points(self, rows=6):
        x = tf.constant(super().points(rows))
        return from_internal(to_internal(x, Z_MATRIX), Z_MATRIX).numpy()


CASES = [
    Case("ActNorm", lambda: bijectors.ActNorm(3, **F64)),
    Case("ActNorm[image]", lambda: bijectors.ActNorm(2, **F64), (2, 2, 2)),
    Case(
        "Bounded",
        lambda: bijectors.Bounded(
            [-20.0, -np.inf, -25.0, -np.inf], [20.0, 30.0, np.inf, np.inf], **F64
        ),
        (4,),
        exempt={"tail_gradients": "its domain is bounded"},
    ),
    Case("CenteredScale", lambda: bijectors.CenteredScale(3, 2, **F64), (3, 2)),
    Case("Continuous", continuous),
    Case(
        "Continuous[gated, context]",
        lambda: continuous(gated=True, context_size=2),
        context_size=2,
    ),
    Case("Coupling[affine]", lambda: bijectors.Coupling(3, **SMALL)),
    Case("Coupling[flip]", lambda: bijectors.Coupling(3, flip=True, **SMALL)),
    Case(
        "Coupling[spline]",
        lambda: bijectors.Coupling(4, transform=RationalQuadratic(), **SMALL),
        (4,),
        spread=3.0,
    ),
    Case(
        "Coupling[zero-sum]",
        lambda: bijectors.Coupling(
            5,
            transform=Affine(log_scale=bounded_log_scale("arctan", 1, zero_sum=True)),
            **SMALL,
        ),
        (5,),
    ),
    Case("Coupling[D = 1]", lambda: bijectors.Coupling(1, **SMALL), (1,)),
    Case(
        "Coupling[D = 1, context]",
        lambda: bijectors.Coupling(1, context_size=2, **SMALL),
        (1,),
        context_size=2,
    ),
    Case(
        "Coupling[context]",
        lambda: bijectors.Coupling(3, context_size=2, **SMALL),
        context_size=2,
    ),
    Case("Coupling[image]", lambda: bijectors.Coupling((3, 3, 2), **SMALL), (3, 3, 2)),
    Case(
        "Coupling[image, spline, context]",
        lambda: bijectors.Coupling(
            (2, 2, 3), transform=RationalQuadratic(4), context_size=2, **SMALL
        ),
        (2, 2, 3),
        context_size=2,
    ),
    Placed(
        "InternalCoordinates",
        lambda: bijectors.InternalCoordinates(Z_MATRIX, **F64),
        (4, 3),
        exempt={"tail_gradients": "atoms that are all in one place have no angles"},
    ),
    Case("LeakyReLU", lambda: bijectors.LeakyReLU(**F64)),
    Case("Linear", lambda: bijectors.Linear(3, **F64)),
    Case(
        "Linear[rotation]",
        lambda: bijectors.Linear(3, initial="rotation", seed=2, **F64),
    ),
    Case("Linear[image]", lambda: bijectors.Linear(2, **F64), (3, 3, 2)),
    Case(
        "Logit",
        lambda: bijectors.Logit(-20.0, 20.0, **F64),
        exempt={"tail_gradients": "its domain is bounded"},
    ),
    Case("MaskedAutoregressive", lambda: bijectors.MaskedAutoregressive(3, **SMALL)),
    Case(
        "MaskedAutoregressive[spline, context]",
        lambda: bijectors.MaskedAutoregressive(
            3, transform=RationalQuadratic(), context_size=2, **SMALL
        ),
        context_size=2,
        spread=3.0,
    ),
    Case(
        "MaskedAutoregressive[D = 1]",
        lambda: bijectors.MaskedAutoregressive(1, transform=Affine(), **SMALL),
        (1,),
    ),
    Case(
        "MaskedAutoregressive[asymmetric]",
        lambda: bijectors.MaskedAutoregressive(
            3, transform=Affine(log_scale=bounded_log_scale("asymmetric")), **SMALL
        ),
    ),
    Case("MonotoneSpline", lambda: bijectors.MonotoneSpline(3, **F64), spread=3.0),
    Case(
        "MonotoneSpline[per pixel]",
        lambda: bijectors.MonotoneSpline((2, 3, 2), **F64),
        (2, 3, 2),
        spread=3.0,
    ),
    Case("MultiScale", two_level_multiscale, (4, 4, 1)),
    Case(
        "MultiScale[context]",
        lambda: two_level_multiscale(context_size=2),
        (4, 4, 1),
        context_size=2,
    ),
    Case("Permutation", lambda: bijectors.Permutation(3, **F64)),
    Case(
        "Permutation[random]",
        lambda: bijectors.Permutation(5, order="random", seed=4, **F64),
        (5,),
    ),
    Case(
        "SelfNormalizingConv2D",
        lambda: bijectors.SelfNormalizingConv2D((4, 3, 2), **F64),
        (4, 3, 2),
        exempt=FOLLOWS,
    ),
    Case(
        "SelfNormalizingConv2D[circular, 3 × 5]",
        lambda: bijectors.SelfNormalizingConv2D(
            (4, 5, 2), kernel_size=(3, 5), padding="circular", **F64
        ),
        (4, 5, 2),
        exempt=FOLLOWS,
    ),
    Case(
        "SelfNormalizingConv2D[1 × 1, mixture]",
        lambda: bijectors.SelfNormalizingConv2D(
            (3, 3, 2), kernel_size=1, density="mixture", **F64
        ),
        (3, 3, 2),
    ),
    Case(
        "SelfNormalizingConv2D[exact gradient]",
        lambda: bijectors.SelfNormalizingConv2D((4, 3, 2), gradient="exact", **F64),
        (4, 3, 2),
        exempt=NO_LU_IN_XLA,
    ),
    Case(
        "SelfNormalizingDense",
        lambda: bijectors.SelfNormalizingDense(3, initial="rotation", seed=1, **F64),
        exempt=FOLLOWS,
    ),
    Case(
        "SelfNormalizingDense[image]",
        lambda: bijectors.SelfNormalizingDense(2, **F64),
        (3, 3, 2),
        exempt=FOLLOWS,
    ),
    Case(
        "SelfNormalizingDense[mixture]",
        lambda: bijectors.SelfNormalizingDense(3, density="mixture", **F64),
    ),
    Case(
        "SelfNormalizingDense[relative]",
        lambda: bijectors.SelfNormalizingDense(3, gradient="relative", **F64),
    ),
    Case(
        "SelfNormalizingDense[exact gradient]",
        lambda: bijectors.SelfNormalizingDense(3, gradient="exact", **F64),
        exempt=NO_LU_IN_XLA,
    ),
    Case("SemiAutoregressive", semi_autoregressive, (5,)),
    Case(
        "SemiAutoregressive[context]",
        lambda: semi_autoregressive(context_size=2),
        (5,),
        2,
    ),
    Case("SmoothLeakyReLU", lambda: bijectors.SmoothLeakyReLU(**F64), spread=5.0),
    Case("SoftLogTails", lambda: bijectors.SoftLogTails(1.5, **F64), spread=3.0),
    Case("Squeeze", lambda: bijectors.Squeeze((4, 4, 2), **F64), (4, 4, 2)),
    Case(
        "Standardize",
        lambda: bijectors.Standardize(
            3, mean=[1.0, -2.0, 0.0], standard_deviation=[0.1, 5.0, 1.0], **F64
        ),
    ),
    Case("Whiten", initialized_whiten),
]
