"""Seeds, the slow tier, and the named warnings of other packages."""

import pytest
from tensorflow.python.framework import ops

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
    """Takes the gradients that a file's graphs registered out of TensorFlow's table.

    It keeps each for ever, and with it the graph: a process that runs all tests grew
    to 10 GB, and its collector of garbage slowed down what came last.
    """
    yield
    table = ops.gradient_registry._registry
    for name in [name for name in table if name.startswith("CustomGradient-")]:
        del table[name]
