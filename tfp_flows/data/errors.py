"""The one error that a user of data sees: what was wrong, and what to do."""

__all__ = ["DataError", "missing_package"]


class DataError(ValueError):
    """Data that cannot be used as they are, in one line that names the remedy."""


def missing_package(package: str, extra: str, purpose: str) -> DataError:
    """Returns the error for an optional package that is not installed.

    Args:
        package: Name of the package that failed to import.
        extra: The extra of this distribution that installs it.
        purpose: What the package is needed for, completing "... needs X".
    """
    return DataError(
        f"{purpose} needs the package {package}: install it with "
        f'pip install "tfp_flows[{extra}]"'
    )
