"""`python -m tfp_flows.cli` is the command `tfp-flows`."""

import sys

from tfp_flows.cli import main

__all__ = []

if __name__ == "__main__":
    sys.exit(main())
