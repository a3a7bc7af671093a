"""Every ready architecture, small and in float64."""

from tests.cases.case import Case
from tfp_flows import architectures

SMALL = {"hidden_sizes": (8, 8), "seed": 1, "dtype": "float64"}
TABLE = {"num_layers": 2, **SMALL}
IMAGE = {"steps_per_level": 1, **SMALL}

CASES = [
    Case(
        "coupling_flow[affine]",
        lambda: architectures.coupling_flow(3, transform="affine", **TABLE),
    ),
    Case("coupling_flow[spline]", lambda: architectures.coupling_flow(3, **TABLE)),
    Case("coupling_flow[D = 1]", lambda: architectures.coupling_flow(1, **TABLE), (1,)),
    Case(
        "coupling_flow[context]",
        lambda: architectures.coupling_flow(2, context_size=2, **TABLE),
        (2,),
        2,
    ),
    Case(
        "autoregressive_flow[affine]",
        lambda: architectures.autoregressive_flow(3, transform="affine", **TABLE),
    ),
    Case(
        "autoregressive_flow[spline, context]",
        lambda: architectures.autoregressive_flow(2, context_size=2, **TABLE),
        (2,),
        2,
    ),
    Case("glow", lambda: architectures.glow((4, 4, 1), **IMAGE), (4, 4, 1)),
    Case(
        "glow[context]",
        lambda: architectures.glow((4, 4, 1), context_size=2, **IMAGE),
        (4, 4, 1),
        2,
    ),
]
