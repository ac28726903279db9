"""Regimes: one readable loop each."""

from spacewise.learn.start import start
from spacewise.learn.supervised import supervised

__all__ = ["start", "supervised"]
