"""The structure of the package itself."""

import ast
import importlib
import pathlib
import subprocess
import sys

import pytest

import tfp_flows

ROOT = pathlib.Path(tfp_flows.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

# What each sub-package may import from; the order is the house's law.
ORDER = [
    {"ops"},
    {"networks"},
    {"bijectors"},
    {"distributions"},
    {"architectures", "objectives"},
    {"models"},
    {"cli"},
]
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}
ALLOWED = {
    **{
        name: {other for other in RANK if RANK[other] < rank} | {name}
        for name, rank in RANK.items()
    },
    "data": {"data"},
    "testing": {"testing"},
    "diagnostics": {"diagnostics"} | {n for n in RANK if RANK[n] <= 4},
}
ALLOWED["cli"] |= {"data", "diagnostics"}


def dotted(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.module == "tfp_flows":
                yield from (f"tfp_flows.{alias.name}" for alias in node.names)
            else:
                yield node.module


def names_in_all(path):
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__":
            return [element.value for element in node.value.elts]
    return None


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_imports_run_one_way(path):
    if path.parent == ROOT:
        return
    package = path.relative_to(ROOT).parts[0]
    for module in imported_modules(path):
        if module.startswith("tfp_flows."):
            target = module.split(".")[1]
            assert target in ALLOWED[package], f"{package} must not import {target}"


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_matplotlib_is_imported_only_where_plots_are(path):
    uses = any(m.split(".")[0] == "matplotlib" for m in imported_modules(path))
    assert not uses or path.relative_to(ROOT).parts[0] == "diagnostics"
    if uses:
        assert path.name in PLOTTING_FILES


PLOTTING_FILES = {"canvas.py", "tail_plots.py"}


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_every_module_has_a_docstring_and_a_sorted_complete_all(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "a module says what it is for"
    if path.name == "__main__.py":
        return
    exported = names_in_all(path)
    assert exported is not None, "a module names what it offers"
    assert exported == sorted(exported)
    for name in exported:
        assert getattr(importlib.import_module(dotted(path)), name, None) is not None


@pytest.mark.parametrize("package", ["bijectors", "distributions", "networks"])
def test_every_exported_class_has_a_case(package):
    exported = importlib.import_module(f"tfp_flows.{package}").__all__
    module = importlib.import_module(f"tfp_flows.{package}")
    classes = {n for n in exported if isinstance(getattr(module, n), type)}
    cases = importlib.import_module(f"tests.cases.{package}")
    covered = {case.exported for case in cases.CASES}
    abstract = {"TrainableBijector", "Conditioner", "LearnedInverse"}
    records = {
        "GeometricNormalizer",
        "InverseCertificate",
        "LayerCertificate",
        "MixtureWeights",
    }
    assert classes - abstract - records <= covered, "add a line to the table of cases"
    assert covered <= classes, "a case for something that is not exported"


def test_every_architecture_has_a_case():
    from tests.cases.architectures import CASES
    from tfp_flows import architectures

    assert {case.exported for case in CASES} == set(architectures.__all__)


def test_the_package_imports_without_tensorflow():
    code = "import tfp_flows, tfp_flows.cli, sys; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
