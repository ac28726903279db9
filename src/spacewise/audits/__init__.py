"""All measures of all spaces of one run."""

from spacewise.audits.make import audit, other_part, subsets
from spacewise.audits.stored import Audit, open_audit

__all__ = ["Audit", "audit", "open_audit", "other_part", "subsets"]
