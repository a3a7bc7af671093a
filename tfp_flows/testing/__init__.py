"""Public audit: laws that every TFP bijector and every distribution should obey.

``check_bijector`` and ``check_distribution`` run on any TFP object, stock or
third-party, and need nothing but TensorFlow, TFP and NumPy.
"""

from tfp_flows.testing.bilipschitz import check_bilipschitz
from tfp_flows.testing.check import (
    BIJECTOR_LAWS,
    DISTRIBUTION_LAWS,
    check_bijector,
    check_distribution,
)
from tfp_flows.testing.report import AuditError, AuditReport, LawResult

__all__ = [
    "AuditError",
    "AuditReport",
    "BIJECTOR_LAWS",
    "DISTRIBUTION_LAWS",
    "LawResult",
    "check_bijector",
    "check_bilipschitz",
    "check_distribution",
]
