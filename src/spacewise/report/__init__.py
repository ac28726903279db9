"""Figures, tables and pages of audits."""
