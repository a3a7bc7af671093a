"""Differences are paired, and the headline says no more than they show."""

import numpy as np
import pytest

from tfp_flows.diagnostics import Result, compare_scores
from tfp_flows.diagnostics.comparison import explanation, headline


def test_differences_are_paired():
    rng = np.random.default_rng(0)
    rows = 10 * rng.standard_normal(500)
    flow = rows + 1 + 0.1 * rng.standard_normal(500)
    model, other = compare_scores({"flow": flow, "Gaussian": rows}, dimensions=4)
    assert model.advantage is None
    assert other.advantage == pytest.approx(1.0, abs=0.02)
    assert other.advantage_error < other.standard_error / 20
    assert model.bits_per_dim == pytest.approx(-model.nats / (4 * np.log(2)))


def test_scores_of_different_rows_are_refused():
    with pytest.raises(ValueError, match="same held-out rows"):
        compare_scores({"flow": np.zeros(4), "Gaussian": np.zeros(5)})


@pytest.mark.parametrize(
    ("nats", "error", "words"),
    [
        (-1.0, 0.1, "2.00 ± 0.14 nats better per row than the mixture"),
        (-9.0, 0.1, "6.00 ± 0.14 nats worse per row than the mixture"),
        (-2.9, 0.1, "about as well as the mixture"),
        (-np.inf, np.nan, "no finite density"),
    ],
)
def test_headline_names_the_best_yardstick(nats, error, words):
    results = [
        Result("flow", nats, error),
        Result("Gaussian", -5.0, 0.1),
        Result("mixture", -3.0, 0.1),
    ]
    assert words in headline(results)


def test_explanation_turns_nats_into_a_factor():
    flow, other = Result("flow", 0.0, 0.01), Result("Gaussian", -np.log(20), 0.01)
    assert "20 times the density" in explanation([flow, other])
    far = Result("Gaussian", -230.26, 0.01)
    assert "10¹⁰⁰ times" in explanation([flow, far])
    assert "simpler density" in explanation([other, flow])


def test_headline_without_yardsticks():
    assert "1.50 ± 0.10 nats per row" in headline([Result("flow", 1.5, 0.1)])
