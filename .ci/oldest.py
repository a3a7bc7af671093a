"""Tests the oldest versions that `setup.cfg` claims, in an environment of their own.

Each claim `name>=version` becomes the constraint `name==version`, so that what is
claimed and what is tested cannot differ. Needs nothing but Python.
"""

import configparser
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv-oldest"

# What meets Keras, TensorFlow and the readers of tables: where old versions differ. TFP
# is the same in both sets, and with the newest versions all tests run.
LAWS = [
    "test_both_worlds_list_each_variable_once",
    "test_fit_moves_every_variable_and_lowers_the_loss",
    "test_whole_model_round_trip_is_bit_equal",
]
TESTS = [
    "tests/test_compatibility.py",
    "tests/test_networks.py",
    *(f"tests/test_models.py::{law}" for law in LAWS),
    "tests/models/bridge",
    "tests/models/test_flow_model.py",
    "tests/data",
    "tests/cli/commands/test_fitted.py",
]


def claims():
    """Returns the oldest Python, and the oldest of each package as a constraint."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    options, extras = config["options"], config["options.extras_require"]
    lines = (options["install_requires"] + extras["test"]).splitlines()
    # A constraint has no extras: name[extra]>=version becomes name==version.
    pins = [re.sub(r"^([\w-]+)(\[\w+\])?>=", r"\1==", line) for line in lines if line]
    return options["python_requires"].removeprefix(">="), pins


def find_python(version):
    """Returns Python of this version, or else the one that runs this file."""
    installed = pathlib.Path.home().glob(f".pyenv/versions/{version}.*/bin/python")
    for candidate in (f"python{version}", *map(str, installed)):
        try:
            subprocess.run([candidate, "--version"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return candidate
    found = sys.version.split()[0]
    print(f"Python {version} is not here: Python {found} in its place", flush=True)
    return sys.executable


def run(*command):
    print("$", *command, flush=True)
    result = subprocess.run([str(word) for word in command], cwd=ROOT, check=False)
    if result.returncode:
        sys.exit(result.returncode)


def fit_digits(folder):
    """The main job: its density has to be better than a Gaussian."""
    command = ENVIRONMENT / "bin" / "tfp-flows"
    run(command, "fit", "digits", "--out", folder, "--epochs", "1")
    results = json.loads((folder / "metrics.json").read_text())["held_out"]
    flow, gaussian = results[0]["nats"], results[1]["nats"]
    if not gaussian < flow < 0:
        sys.exit(f"Expected more than the Gaussian's {gaussian} nats; received {flow}.")


def main():
    version, pins = claims()
    python = find_python(version)
    print("the oldest versions:", *pins, sep="\n  ", flush=True)
    ours = ENVIRONMENT / "bin" / "python"
    with tempfile.TemporaryDirectory() as folder:
        constraints = pathlib.Path(folder, "constraints.txt")
        constraints.write_text("\n".join(pins))
        run(python, "-m", "venv", ENVIRONMENT)
        install = [ours, "-m", "pip", "install", "-q", "-c", constraints]
        run(*install, "-e", ".[cli,data]", "pytest", "pytest-xdist")
        fit_digits(pathlib.Path(folder, "digits"))
    # Old packages call what newer ones beneath them deprecate.
    parallel = ["-n", "auto", "--maxprocesses", "4", "--dist", "worksteal"]
    ignore = ["-W", "ignore::DeprecationWarning"]
    run(ours, "-m", "pytest", "-q", *parallel, *ignore, *TESTS)


if __name__ == "__main__":
    main()
