"""Every exported network; `event_shape` is that of its input."""

from tests.cases.case import Case
from tfp_flows import networks

F64 = {"dtype": "float64", "hidden_sizes": (8, 8), "seed": 1, "num_parameters": 2}

VELOCITY = {"dtype": "float64", "seed": 1}

CASES = [
    Case("MLP", lambda: networks.MLP(3, 2, **F64)),
    Case("MLP[context]", lambda: networks.MLP(3, 2, context_size=2, **F64), (3,), 2),
    Case("MLP[no inputs]", lambda: networks.MLP(0, 2, **F64), (0,)),
    Case("ConvNet", lambda: networks.ConvNet(2, 3, **F64), (4, 4, 2)),
    Case(
        "ConvNet[context]",
        lambda: networks.ConvNet(2, 3, context_size=2, **F64),
        (4, 4, 2),
        2,
    ),
    Case(
        "EquivariantVelocity",
        lambda: networks.EquivariantVelocity(3, 2, hidden_size=8, **VELOCITY),
        (3, 2),
    ),
    Case(
        "EquivariantVelocity[node features]",
        lambda: networks.EquivariantVelocity(
            3, 2, node_features=2, hidden_size=8, **VELOCITY
        ),
        (3, 2),
        6,
    ),
    Case(
        "EquivariantVelocity[context]",
        lambda: networks.EquivariantVelocity(3, 2, context_size=2, **VELOCITY),
        (3, 2),
        2,
    ),
    Case(
        "MaskedAutoregressiveNetwork",
        lambda: networks.MaskedAutoregressiveNetwork(3, **F64),
    ),
    Case(
        "MaskedAutoregressiveNetwork[context]",
        lambda: networks.MaskedAutoregressiveNetwork(3, context_size=2, **F64),
        (3,),
        2,
    ),
    Case(
        "VelocityConvNet[context]",
        lambda: networks.VelocityConvNet((4, 2, 2), context_size=2, **VELOCITY),
        (4, 2, 2),
        2,
    ),
    Case("VelocityMLP", lambda: networks.VelocityMLP(3, **VELOCITY)),
    Case(
        "VelocityMLP[gated, context]",
        lambda: networks.VelocityMLP(3, gated=True, context_size=2, **VELOCITY),
        (3,),
        2,
    ),
]
