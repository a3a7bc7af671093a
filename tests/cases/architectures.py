"""Every ready architecture, small and in float64."""

from tests.cases.case import Case
from tfp_flows import architectures, ode

SMALL = {"hidden_sizes": (8, 8), "seed": 1, "dtype": "float64"}
TABLE = {"num_layers": 2, **SMALL}
IMAGE = {"steps_per_level": 1, **SMALL}
FOLLOWS = {"gradients": "R is trained by reconstruction, not by likelihood"}
BENDS = {
    "architecture_starts_as_its_base_up_to_a_linear_map": (
        "its activations are no identity at the start"
    )
}

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
    Case("continuous_flow", lambda: architectures.continuous_flow(3, **SMALL)),
    Case(
        "continuous_flow[gated, context]",
        lambda: architectures.continuous_flow(
            2, gated=True, context_size=2, num_layers=2, **SMALL
        ),
        (2,),
        2,
    ),
    Case(
        "equivariant_flow",
        lambda: architectures.equivariant_flow(
            3, 2, hidden_size=8, seed=1, dtype="float64"
        ),
        (3, 2),
    ),
    Case(
        "equivariant_flow[node features]",
        lambda: architectures.equivariant_flow(
            3, 2, node_features=2, hidden_size=8, seed=1, dtype="float64"
        ),
        (3, 2),
        6,
    ),
    Case(
        "multiscale_continuous_flow[context]",
        lambda: architectures.multiscale_continuous_flow(
            (2, 2, 1),
            num_levels=1,
            solver=ode.Solver("midpoint", ode.FixedSteps(8)),
            context_size=2,
            **{**SMALL, "hidden_sizes": (4,)},
        ),
        (2, 2, 1),
        2,
    ),
    Case(
        "fully_connected_flow",
        lambda: architectures.fully_connected_flow(3, dtype="float64"),
        exempt=FOLLOWS | BENDS,
    ),
    Case(
        "fully_connected_flow[image]",
        lambda: architectures.fully_connected_flow((2, 2, 1), dtype="float64"),
        (2, 2, 1),
        exempt=FOLLOWS | BENDS,
    ),
    Case(
        "convolutional_flow",
        lambda: architectures.convolutional_flow(
            (4, 4, 1), num_blocks=2, layers_per_block=1, dtype="float64"
        ),
        (4, 4, 1),
        exempt=FOLLOWS,
    ),
    Case(
        "glow[self-normalizing]",
        lambda: architectures.glow((4, 4, 1), linear="self_normalizing", **IMAGE),
        (4, 4, 1),
        exempt=FOLLOWS,
    ),
    Case("glow", lambda: architectures.glow((4, 4, 1), **IMAGE), (4, 4, 1)),
    Case(
        "semi_autoregressive_flow[context]",
        lambda: architectures.semi_autoregressive_flow(
            [2, 1], transform="affine", num_features=4, context_size=2, **TABLE
        ),
        (3,),
        2,
    ),
    Case(
        "glow[context]",
        lambda: architectures.glow((4, 4, 1), context_size=2, **IMAGE),
        (4, 4, 1),
        2,
    ),
]
