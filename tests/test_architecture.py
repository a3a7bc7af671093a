"""The structure of the package itself."""

import ast
import graphlib
import importlib
import json
import pathlib
import subprocess
import sys

import pytest

import tfp_flows

ROOT = pathlib.Path(tfp_flows.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
COMPATIBILITY = pathlib.Path(__file__).parent / "compatibility"

# What each package may import from; the order is the house's law. Rooms that are not
# there yet have their place too.
ORDER = [
    {"estimation", "ops", "screening"},
    {"energies", "ode"},
    {"networks"},
    {"bijectors"},
    {"distributions"},
    {"architectures", "objectives"},
    {"models"},
    {"cli", "sklearn"},
]
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}
ALLOWED = {
    **{
        name: {other for other in RANK if RANK[other] < rank} | {name}
        for name, rank in RANK.items()
    },
    # Sets of particles are draws from an energy.
    "data": {"data", "energies", "screening"},
    "testing": {"testing"},
    "diagnostics": {"diagnostics"} | {n for n in RANK if RANK[n] <= RANK["objectives"]},
}
ALLOWED["cli"] |= {"data", "diagnostics"}
ALLOWED["sklearn"] |= {"diagnostics"}

# Within a package: rooms and files on its floor, a line only from those above it.
# What a package does not name here has no room of its own to keep apart from.
ROOMS = {
    "bijectors": [
        {"recorded_parameters", "structure", "trainable"},
        {"initialization"},
        {"affine", "arrangement", "learned_inverse", "pointwise"},
        {"autoregressive", "continuous", "coupling", "semi_autoregressive"},
    ],
    "cli": [
        {"errors", "flows", "parts", "rows", "startup"},
        {"parser"},
        {"runs"},
        {"training"},
        {"results"},
        {"scoring"},
        {"commands"},
    ],
    "data": [
        {"errors"},
        {"categories"},
        {"particles", "table"},
        {"builtin"},
        {"sources"},
        {
            "bounds",
            "check",
            "columns",
            "describe",
            "load",
            "split",
            "stream",
            "weights",
        },
        {"streamed"},
    ],
    "diagnostics": [
        {
            "calibration",
            "comparison",
            "forecasts",
            "linear",
            "tails",
            "two_samples",
            "classes",
            "yardsticks",
        },
        {"fidelity"},
        {"plots"},
        {"volume"},
        {"report"},
    ],
    "distributions": [
        {"recorded_distribution"},
        {"dequantized", "implicit", "mixtures", "node_features"},
        {"marginals", "structure"},
        {"copulas"},
        {"centered"},
    ],
    "models": [
        {"array_batches", "stage_relay"},
        {
            "bridge",
            "last_finite",
            "learned_inverse",
            "penalties",
            "roll_back",
            "workers",
        },
        {"paths"},
        {"endpoints"},
        {"density_model"},
        {"objective_model"},
        {"flow_model", "reweighting"},
        {"alignment", "boosted", "energy", "molecules", "variational"},
    ],
    "objectives": [
        {"couplings", "objective"},
        {"bounds", "flow_matching", "likelihood", "penalties", "residuals", "scores"},
    ],
    "testing": [
        {"integration", "numerics", "report"},
        {"probes"},
        {"laws"},
        {"bilipschitz", "check"},
    ],
}
MOST_FILES = 14


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


def imported_files(path):
    """Files of this package that a file imports, annotations included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or not node.module.startswith(
            "tfp_flows"
        ):
            continue
        target = ROOT.parent.joinpath(*node.module.split("."))
        for alias in node.names:
            candidates = [
                target / f"{alias.name}.py",
                target / alias.name / "__init__.py",
                target.with_suffix(".py"),
            ]
            found = [file for file in candidates if file.exists()]
            yield found[0] if found else target / "__init__.py"


def names_in_all(path):
    for node in ast.parse(path.read_text()).body:
        target = getattr(node, "targets", [getattr(node, "target", None)])[0]
        if getattr(target, "id", None) == "__all__":
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


def test_no_circle_of_files():
    graph = {path: set(imported_files(path)) - {path} for path in MODULES}
    # Raises CycleError, which names the files.
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("package", ROOMS)
def test_rooms_import_one_way(package):
    rank = {name: i for i, names in enumerate(ROOMS[package]) for name in names}
    for path in sorted((ROOT / package).rglob("*.py")):
        own = room(path)
        if own == "__init__" or own == "__main__":
            continue
        assert own in rank, f"{package}/{own} has no place in the order of rooms"
        for file in imported_files(path):
            other = room(file)
            if file.is_relative_to(ROOT / package) and other != own:
                assert rank[other] <= rank[own], f"{dotted(path)} imports {other}"
                assert rank[other] < rank[own] or file.parent == path.parent, (
                    f"{dotted(path)} and {other} stand on one floor"
                )


def room(path):
    """Name of the room within its package, or of the file on the package's floor."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1] if len(parts) > 1 else ""


@pytest.mark.parametrize(
    "folder", sorted({path.parent for path in MODULES}), ids=lambda f: f.name
)
def test_no_room_grows_past_a_dozen_files(folder):
    files = [f for f in folder.glob("*.py") if f.name != "__init__.py"]
    assert len(files) <= MOST_FILES or folder.name == "ops"


def test_what_was_public_stays_public():
    names = json.loads((COMPATIBILITY / "names.json").read_text())
    for package, exported in names.items():
        module = importlib.import_module(f"tfp_flows.{package}")
        assert set(exported) <= set(module.__all__), package


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_matplotlib_is_imported_only_where_plots_are(path):
    uses = any(m.split(".")[0] == "matplotlib" for m in imported_modules(path))
    if uses:
        assert dotted(path) == "tfp_flows.diagnostics.plots.canvas"


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
    abstract = {
        "Conditioner",
        "Copula",
        "Divergence",
        "LearnedInverse",
        "TrainableBijector",
    }
    records = {
        "ExactDivergence",
        "GeometricNormalizer",
        "HutchinsonDivergence",
        "InverseCertificate",
        "LayerCertificate",
        "MixtureWeights",
        "Path",
        "PathOptions",
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
