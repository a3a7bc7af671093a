"""Seeds, the slow tier, and the named warnings of other packages."""

import pytest

# Scripts, which importing would run or which need another Python.
collect_ignore = ["__main__.py", "benchmarks", "serving"]

# Warnings are errors (pyproject.toml); these are raised inside other packages.
THIRD_PARTY_WARNINGS = (
    "ignore::DeprecationWarning:tensorflow_probability.*",
    "ignore::DeprecationWarning:tensorflow.*",
    "ignore::DeprecationWarning:tf_keras.*",
    "ignore::DeprecationWarning:keras.*",
    "ignore::DeprecationWarning:google.*",
)


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="also run slow tests")


def pytest_configure(config):
    for line in THIRD_PARTY_WARNINGS:
        config.addinivalue_line("filterwarnings", line)


def pytest_collection_modifyitems(config, items):
    if config.getoption("--slow"):
        return
    skip = pytest.mark.skip(reason="long learning curve: run with --slow")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(autouse=True, scope="module")
def _graphs_are_let_go():
    """A process that runs all tests grew to 10 GB, and its collector slowed it down."""
    yield
    # Here: TensorFlow warns where it is imported before warnings are configured.
    from tfp_flows.ops.graphs import release_graphs

    release_graphs()
