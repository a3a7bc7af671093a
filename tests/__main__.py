"""Everything that continuous integration checks: python -m tests [pytest options].

Lint, format, types, then the tests. Options go to pytest: `--slow` adds the long
learning curves, `-k NAME` selects, `-n 0` runs them in one process.
"""

import os
import pathlib
import subprocess
import sys

# A process a core: most of a test is one thread that builds graphs.
IN_PARALLEL = ["-n", "auto", "--maxprocesses", "4", "--dist", "worksteal"]
# A tenth of the time went into optimizing code of XLA that runs once. The slow tests
# run what users run.
UNOPTIMIZED = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
ROOT = pathlib.Path(__file__).parent.parent


def main():
    commands = [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy", "tfp_flows"],
        ["pytest", "-q", *IN_PARALLEL, *sys.argv[1:]],
    ]
    quick = {} if "--slow" in sys.argv else UNOPTIMIZED
    for command in commands:
        print("$ python -m", *command, flush=True)
        result = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env={**quick, **os.environ},
            check=False,
        )
        if result.returncode:
            sys.exit(result.returncode)


if __name__ == "__main__":
    main()
