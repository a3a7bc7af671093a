"""Everything that continuous integration checks: python -m tests [pytest options].

Lint, format, types, then the tests. Options go to pytest: `--slow` adds the long
learning curves, `-k NAME` selects.
"""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent


def main():
    commands = [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy", "tfp_flows"],
        ["pytest", "-q", *sys.argv[1:]],
    ]
    for command in commands:
        print("$ python -m", *command, flush=True)
        result = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False)
        if result.returncode:
            sys.exit(result.returncode)


if __name__ == "__main__":
    main()
