"""Heavy tails in the base: daily stock returns with three bases of the same flow.

    python examples/copula_flows.py [--epochs 20]

A flow whose maps are Lipschitz cannot make a heavy tail from a light one, so the base
has to bring it (Laszkiewicz, Lederer, Fischer 2021, arXiv:2107.07352). The returns are
whitened by the flow's first layer; there the tails are estimated, by Student-t maximum
likelihood, and the dependence, by Kendall's tau. Held out are the last rows, in time
order. A minute a base on two cores; needs the extras `cli` and `data`.
"""

import argparse

import keras
import numpy as np
from tensorflow_probability import distributions as tfd

from tfp_flows import data
from tfp_flows.architectures import coupling_flow
from tfp_flows.bijectors import Whiten
from tfp_flows.diagnostics import exceedances
from tfp_flows.distributions import (
    CopulaDistribution,
    IndependenceCopula,
    fit_copula,
    fit_marginals,
)
from tfp_flows.models import FlowModel


def returns(num_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """The last rows of 20 stocks, standardized, in time order: 90 % and 10 %."""
    x = data.load("returns").values[-num_rows:]
    split = int(0.9 * len(x))
    mean, deviation = x[:split].mean(axis=0), x[:split].std(axis=0)
    x = ((x - mean) / deviation).astype("float32")
    return x[:split], x[split:]


def bases(rows: np.ndarray) -> dict[str, tfd.Distribution]:
    """A light base, heavy marginals, and heavy marginals joined by a copula."""
    size = rows.shape[1]
    whiten = Whiten(size)
    whiten.initialize(rows)
    z = whiten.forward(rows).numpy()
    heavy = fit_marginals(z, "student-t", trainable=True)
    joined = fit_marginals(z, "auto", trainable=True)
    copula = fit_copula(z, trainable=True)
    print(f"degrees of freedom {np.round(heavy[0].df, 1)}, {type(copula).__name__}")
    return {
        "Gaussian": tfd.MultivariateNormalDiag([0.0] * size, [1.0] * size),
        "Student-t": CopulaDistribution(IndependenceCopula(size), heavy),
        "copula": CopulaDistribution(copula, joined),
    }


def main(epochs: int = 20, num_rows: int = 8312) -> float:
    """Trains three flows; returns the copula's held-out nats a row."""
    keras.utils.set_random_seed(0)
    train, held_out = returns(num_rows)
    nats = 0.0
    for name, base in bases(train).items():
        flow = coupling_flow(
            train.shape[1],
            transform="affine",
            num_layers=2,
            hidden_sizes=(64,),
            base=base,
            seed=0,
        )
        model = FlowModel(flow)
        model.compile(keras.optimizers.Adam(1e-3))
        model.fit(train, epochs=epochs, batch_size=256, verbose=0)
        nats = -model.evaluate(held_out, verbose=0)
        samples = model.sample(20_000, seed=1).numpy()
        ratios = [exceedances(held_out, samples, p).ratio for p in (0.01, 0.001)]
        print(
            f"{name:10} held out {nats:8.3f} nats; beyond the 1 % and 0.1 % quantiles "
            f"{ratios[0]:.2f} and {ratios[1]:.2f} times as many rows as expected"
        )
    return nats


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=20)
    main(parser.parse_args().epochs)
