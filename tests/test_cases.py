"""Exemptions stand in the tables of cases, each with its law and its reason."""

import pytest

from tests import (
    test_bijectors,
    test_distributions,
    test_models,
    test_networks,
    test_objectives,
)
from tests.cases import (
    architectures,
    bijectors,
    distributions,
    models,
    networks,
    objectives,
)
from tests.cases.case import Case, parametrize
from tfp_flows.testing.check import BIJECTOR_LAWS, DISTRIBUTION_LAWS


@pytest.mark.parametrize(
    ("table", "tests", "audited"),
    [
        (architectures, test_distributions, DISTRIBUTION_LAWS),
        (bijectors, test_bijectors, BIJECTOR_LAWS),
        (distributions, test_distributions, DISTRIBUTION_LAWS),
        (models, test_models, {}),
        (networks, test_networks, {}),
        (objectives, test_objectives, {}),
    ],
    ids=lambda part: getattr(part, "__name__", None),
)
def test_every_exemption_is_from_a_law_that_there_is(table, tests, audited):
    tested = {name.removeprefix("test_") for name in vars(tests)}
    for case in table.CASES:
        assert set(case.exempt) <= {*audited, *tested}, case.name


@pytest.mark.parametrize("field", ["exempt", "idle"])
def test_an_exemption_without_a_reason_is_refused(field):
    with pytest.raises(ValueError, match="Thing is exempt from 'round_trip': say why"):
        Case("Thing", object, **{field: {"round_trip": " "}})


def test_an_exempt_case_is_skipped_with_its_reason():
    case = Case("Thing", object, exempt={"law": "it is none"})
    (listed,) = parametrize([case], law="law")["argvalues"]
    assert [mark.args for mark in listed.marks] == [("it is none",)]
    (listed,) = parametrize([case], law="another")["argvalues"]
    assert not listed.marks
