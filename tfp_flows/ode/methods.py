"""The methods, each a tableau; another one is another entry."""

from collections.abc import Sequence

from tfp_flows.ode.tableau import Tableau

__all__ = ["METHODS", "method_named"]


def _powers(*factors: Sequence[float]) -> tuple[float, ...]:
    """Coefficients of θ, θ², … of a product of polynomials without constant term."""
    product = [1.0]
    for factor in factors:
        longer = [0.0] * (len(product) + len(factor) - 1)
        for i, left in enumerate(product):
            for j, right in enumerate(factor):
                longer[i + j] += left * right
        product = longer
    return tuple(product[1:])


_EULER = Tableau(order=1, a=[[]], b=[1.0], c=[0.0])

_MIDPOINT = Tableau(order=2, a=[[], [0.5]], b=[0.0, 1.0], c=[0.0, 0.5])

_HEUN = Tableau(order=2, a=[[], [1.0]], b=[0.5, 0.5], c=[0.0, 1.0], error=[-0.5, 0.5])

_RK4 = Tableau(
    order=4,
    a=[[], [0.5], [0.0, 0.5], [0.0, 0.0, 1.0]],
    b=[1 / 6, 1 / 3, 1 / 3, 1 / 6],
    c=[0.0, 0.5, 0.5, 1.0],
)

# Bogacki and Shampine (1989), "A 3(2) pair of Runge–Kutta formulas".
_BOSH3 = Tableau(
    order=3,
    a=[[], [1 / 2], [0.0, 3 / 4], [2 / 9, 1 / 3, 4 / 9]],
    b=[2 / 9, 1 / 3, 4 / 9, 0.0],
    c=[0.0, 1 / 2, 3 / 4, 1.0],
    error=[2 / 9 - 7 / 24, 1 / 3 - 1 / 4, 4 / 9 - 1 / 3, -1 / 8],
)

_DOPRI5_WEIGHTS = (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0.0)


def _dopri5_dense() -> list[tuple[float, ...]]:
    """Between the ends: Hairer, Nørsett and Wanner II.6."""
    ends = (0.0, 0.0, 3.0, -2.0)  # θ² (3 − 2θ)
    bump = (0.0, 0.0, 1.0, -2.0, 1.0)  # θ² (1 − θ)²
    bent = [
        (-5 / 11282082432, 2558722523, -31403016),
        (0.0, 0.0, 0.0),
        (100 / 32700410799, 882725551, -15701508),
        (-25 / 1880347072, 443332067, -31403016),
        (32805 / 199316789632, 23143187, -3489224),
        (-55 / 822651844, 29972135, -7076736),
        (10 / 29380423, 7414447, -829305),
    ]
    # First and last stage carry the slopes at the ends.
    slopes = {0: (0.0, 1.0, -2.0, 1.0), 6: (0.0, 0.0, -1.0, 1.0)}
    dense: list[tuple[float, ...]] = []
    for stage, (weight, (scale, constant, linear)) in enumerate(
        zip(_DOPRI5_WEIGHTS, bent, strict=True)
    ):
        parts = [
            _powers([weight], ends),
            _powers([scale], bump, [constant, linear]),
            _powers(slopes.get(stage, (0.0, 0.0))),
        ]
        padded = [[*part, *[0.0] * (5 - len(part))] for part in parts]
        dense.append(tuple(map(sum, zip(*padded, strict=True))))
    return dense


# Dormand and Prince (1980), "A family of embedded Runge–Kutta formulae".
_DOPRI5 = Tableau(
    order=5,
    a=[
        [],
        [1 / 5],
        [3 / 40, 9 / 40],
        [44 / 45, -56 / 15, 32 / 9],
        [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
        [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
        _DOPRI5_WEIGHTS[:-1],
    ],
    b=_DOPRI5_WEIGHTS,
    c=[0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0],
    error=[
        71 / 57600,
        0.0,
        -71 / 16695,
        71 / 1920,
        -17253 / 339200,
        22 / 525,
        -1 / 40,
    ],
    dense=_dopri5_dense(),
)

_TSIT5_WEIGHTS = (
    0.09646076681806523,
    0.01,
    0.4798896504144996,
    1.379008574103742,
    -3.290069515436081,
    2.324710524099774,
    0.0,
)
_SQUARE = (0.0, 0.0, 1.0)

# Tsitouras (2011), doi:10.1016/j.camwa.2011.06.002.
_TSIT5 = Tableau(
    order=5,
    a=[
        [],
        [0.161],
        [-0.008480655492356989, 0.335480655492357],
        [2.8971530571054935, -6.359448489975075, 4.3622954328695815],
        [
            5.325864828439257,
            -11.748883564062828,
            7.4955393428898365,
            -0.09249506636175525,
        ],
        [
            5.86145544294642,
            -12.92096931784711,
            8.159367898576159,
            -0.071584973281401,
            -0.028269050394068383,
        ],
        _TSIT5_WEIGHTS[:-1],
    ],
    b=_TSIT5_WEIGHTS,
    c=[0.0, 0.161, 0.327, 0.9, 0.9800255409045097, 1.0, 1.0],
    error=[
        -0.00178001105222577714,
        -0.0008164344596567469,
        0.007880878010261995,
        -0.1447110071732629,
        0.5823571654525552,
        -0.45808210592918697,
        0.015151515151515152,
    ],
    dense=[
        _powers(
            (0.0, -1.0530884977290216),
            (-1.3299890189751412, 1.0),
            (0.7139816917074209, -1.4364028541716351, 1.0),
        ),
        _powers([0.1017], _SQUARE, (1.2949852507374631, -2.1966568338249754, 1.0)),
        _powers(
            [2.490627285651252793],
            _SQUARE,
            (1.57803468208092486, -2.38535645472061657, 1.0),
        ),
        _powers(
            [-16.54810288924490272],
            (-1.21712927295533244, 1.0),
            (-0.61620406037800089, 1.0),
            _SQUARE,
        ),
        _powers(
            [47.37952196281928122],
            (-1.203071208372362603, 1.0),
            (-0.658047292653547382, 1.0),
            _SQUARE,
        ),
        _powers(
            [-34.87065786149660974],
            (-1.2, 1.0),
            (-0.666666666666666667, 1.0),
            _SQUARE,
        ),
        _powers([2.5], (-1.0, 1.0), (-0.6, 1.0), _SQUARE),
    ],
)

METHODS: dict[str, Tableau] = {
    "euler": _EULER,
    "midpoint": _MIDPOINT,
    "heun": _HEUN,
    "rk4": _RK4,
    "bosh3": _BOSH3,
    "dopri5": _DOPRI5,
    "tsit5": _TSIT5,
}


def method_named(method: str | Tableau) -> Tableau:
    """Returns the tableau of a name, or the one passed.

    Raises:
        ValueError: no method has this name.
    """
    if isinstance(method, Tableau):
        return method
    if method not in METHODS:
        raise ValueError(
            f"method: expected a Tableau or one of {', '.join(METHODS)}, received "
            f"{method!r}."
        )
    return METHODS[method]
