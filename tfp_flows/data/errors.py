"""The one error that a user of data sees: what was wrong, and what to do."""

from tfp_flows.screening import Argument, DataError, listing

__all__ = ["Argument", "DataError", "listing", "missing_package"]


def missing_package(package: str, extra: str, purpose: str) -> DataError:
    """Returns the error for an optional package that is not installed.

    Args:
        package: name of the package that failed to import.
        extra: the extra of this distribution that installs it.
        purpose: what the package is needed for, completing "... needs X".
    """
    return DataError(
        f"{purpose} needs the package {package}: install it with "
        f'pip install "tfp_flows[{extra}]"'
    )
